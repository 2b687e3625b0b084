"""What is said of a pod that is over."""

import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from krustlet.cli.endings import ending
from krustlet.cli.words import explained, room_hint
from krustlet.objects import (
    Container,
    ContainerState,
    ContainerStateTerminated,
    ContainerStatus,
    ObjectMeta,
    Pod,
    PodSpec,
    PodStatus,
)


def ended(
    name: str, code: int = 0, *, reason: str = "", message: str = "", restarts: int = 0
) -> ContainerStatus:
    reason = reason or ("Error" if code else "Completed")
    end = ContainerStateTerminated(exit_code=code, reason=reason, message=message)
    return ContainerStatus(
        name=name,
        ready=False,
        restart_count=restarts,
        image="",
        image_id="",
        state=ContainerState(terminated=end),
    )


def pod(
    phase: str,
    *containers: ContainerStatus,
    init: tuple[ContainerStatus, ...] = (),
    sidecar: str = "",
) -> Pod:
    inits = tuple(
        Container(name=s.name, restart_policy="Always" if s.name == sidecar else None) for s in init
    )
    return Pod(
        metadata=ObjectMeta(name="p"),
        spec=PodSpec(
            containers=tuple(Container(name=s.name) for s in containers), init_containers=inits
        ),
        status=PodStatus(phase=phase, container_statuses=containers, init_container_statuses=init),
    )


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (pod("Succeeded", ended("c")), "pod p: Succeeded"),
        (pod("Failed", ended("c", 3)), "pod p: Failed (c: Error, exit code 3)"),
        (
            pod("Failed", ended("c"), init=(ended("i", 134),)),
            "pod p: Failed (init container i: Error, exit code 134)",
        ),
        (
            pod("Failed", ended("c", 128, reason="StartError", message="no such thing")),
            "pod p: Failed (c: StartError, exit code 128: no such thing)",
        ),
        (pod("Succeeded", ended("c", restarts=2)), "pod p: Succeeded (c: 2 restarts)"),
        (
            pod("Succeeded", ended("c"), init=(ended("s", 143),), sidecar="s"),
            "pod p: Succeeded",
        ),
        (pod(""), "pod p: not started"),
    ],
)
def test_what_did_not_end_well_is_said(given: Pod, said: str) -> None:
    assert ending(given) == said


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (pod("Failed", ended("c", 143)), "pod p: stopped"),
        (pod("Failed", ended("c", 137)), "pod p: stopped (c: Error, exit code 137)"),
        (pod(""), "pod p: not started"),
    ],
)
def test_a_pod_that_was_told_to_end_has_not_failed(given: Pod, said: str) -> None:
    assert ending(given, stopped=True) == said


def test_of_many_containers_a_few_are_named() -> None:
    many = pod("Failed", *(ended(f"c{number}", 1) for number in range(100)))
    line = ending(many)
    assert line.startswith("pod p: Failed (c0: Error, exit code 1; c1: ")
    assert line.endswith("c4: Error, exit code 1; and 95 more)")
    assert ending(pod("Failed", *(ended(f"c{n}", 143) for n in range(100))), stopped=True) == (
        "pod p: stopped"
    )


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(28, "No space left on device", "/d/f"), "/d/f: No space left on device"),
        (OSError(28, "No space left on device"), "/data: No space left on device"),
        (OSError(24, "Too many open files"), "Too many open files"),
        (OSError("odd"), "/data: odd"),
    ],
)
def test_an_error_of_the_system_names_the_file(error: OSError, said: str) -> None:
    assert explained(error, where=Path("/data"))[0] == said


@pytest.mark.parametrize(
    ("blocks", "inodes", "is_full"), [(0, 100, True), (100, 0, True), (1000, 100, False)]
)
def test_a_full_file_system_is_named(
    monkeypatch: pytest.MonkeyPatch, blocks: int, inodes: int, is_full: bool
) -> None:
    room = SimpleNamespace(f_bavail=blocks, f_frsize=4096, f_files=1000, f_favail=inodes)
    monkeypatch.setattr(os, "statvfs", lambda _: room)
    assert ("file system of /data is full" in room_hint(Path("/data"))) == is_full
