"""What a container leaves behind: the message of its end, and the time it was given for that."""

import json
import re
from typing import Any, Final

import pytest

from tests.e2e.conftest import Images
from tests.support.bench import Bench, a_pod, container_of
from tests.support.containers import process_of
from tests.support.krustlet_node import KrustletNode
from tests.support.processes import is_alive
from tests.support.until import until

pytestmark = pytest.mark.root

_WAITS: Final = {"krustlet.dev/on-terminate": "wait"}
_DIVIDES: Final = "1"  # the way in which the guest `crash` is to end


def _end(bench: Bench, name: str) -> Any:
    return container_of(bench.get("pod", name))["state"]["terminated"]


def _with_annotations(pod: dict[str, Any], annotations: dict[str, str]) -> dict[str, Any]:
    pod["metadata"]["annotations"] = annotations
    return pod


# last words -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        pytest.param(None, id="where-everybody-leaves-them"),
        pytest.param("/tmp/last-words", id="where-the-pod-wants-them"),
    ],
)
def test_what_a_guest_writes_as_its_last_words_is_its_message(
    node: KrustletNode, bench: Bench, images: Images, path: str | None
) -> None:
    container: dict[str, Any] = {"args": [path or "/dev/termination-log", "all is well"]}
    if path is not None:
        container["terminationMessagePath"] = path
    bench.apply(a_pod("words", images("write"), container=container))
    bench.until_phase("words", "Succeeded")
    end = _end(bench, "words")
    assert (end["reason"], end["message"]) == ("Completed", "all is well\n")
    assert re.search(r"Message: +all is well\n", bench.describe("words"))


@pytest.mark.parametrize(
    ("code", "policy", "message"),
    [
        pytest.param(3, "FallbackToLogsOnError", "tick 0\ntick 1\n", id="a-failure-shows-the-log"),
        pytest.param(0, "FallbackToLogsOnError", None, id="success-has-nothing-to-say"),
        pytest.param(3, "File", None, id="a-file-that-was-not-written-says-nothing"),
    ],
)
def test_the_log_stands_in_for_last_words_only_where_that_is_wanted(
    node: KrustletNode, bench: Bench, images: Images, code: int, policy: str, message: str | None
) -> None:
    container = {"args": ["2", "1", str(code)], "terminationMessagePolicy": policy}
    bench.apply(a_pod("ticks", images("ticks"), container=container))
    bench.until_phase("ticks", "Failed" if code else "Succeeded")
    end = _end(bench, "ticks")
    assert (end["exitCode"], end.get("message")) == (code, message)


def test_a_trap_is_told_with_its_cause_and_its_source_line(
    node: KrustletNode, bench: Bench, images: Images
) -> None:
    bench.apply(a_pod("trap", images("crash"), container={"args": [_DIVIDES]}))
    bench.until_phase("trap", "Failed")
    end = _end(bench, "trap")
    assert end["exitCode"] == 134
    assert "divide by zero" in end["message"]
    assert "crash.c:" in end["message"]
    assert "divides" in end["message"]  # the function
    assert "divide by zero" in bench.logs("trap")


# the time to say them -------------------------------------------------------------------------


def test_a_guest_that_wants_its_grace_period_ends_well_when_its_pod_is_deleted(
    node: KrustletNode, bench: Bench, images: Images
) -> None:
    bench.apply(_with_annotations(a_pod("waits", images("waits")), _WAITS))
    pod = bench.until_phase("waits", "Running")
    until(lambda: bench.logs("waits") == "ready\n")
    assert bench.kubectl("delete", "pod", "waits").code == 0
    end = _last_end(bench, pod)
    assert (end["reason"], end["exitCode"]) == ("Completed", 0)


def test_a_guest_that_does_not_heed_it_is_killed_when_its_time_is_over(
    node: KrustletNode, bench: Bench, images: Images
) -> None:
    pod = a_pod("deaf", images("spin"), terminationGracePeriodSeconds=1)
    bench.apply(_with_annotations(pod, _WAITS))
    pod = bench.until_phase("deaf", "Running")
    pid = process_of(node, pod)
    assert bench.kubectl("delete", "pod", "deaf").code == 0
    assert _last_end(bench, pod)["exitCode"] == 137
    assert not is_alive(pid)


def test_a_guest_that_does_not_ask_for_time_ends_at_once(
    node: KrustletNode, bench: Bench, images: Images
) -> None:
    bench.apply(a_pod("obeys", images("waits")))
    pod = bench.until_phase("obeys", "Running")
    assert bench.kubectl("delete", "pod", "obeys").code == 0
    assert _last_end(bench, pod)["exitCode"] == 143


def test_any_other_word_for_how_to_end_is_refused(
    node: KrustletNode, bench: Bench, images: Images
) -> None:
    annotations = {"krustlet.dev/on-terminate": "perhaps"}
    bench.apply(_with_annotations(a_pod("perhaps", images("waits")), annotations))
    said = bench.until_waiting("perhaps", "CreateContainerConfigError")
    assert "perhaps" in said["message"]


def _last_end(bench: Bench, pod: Any) -> Any:
    """How the container of a pod that is gone had ended, by the last status that was told of it.

    Args:
        pod: as it was before.
    """
    assert bench.pod(pod["metadata"]["name"]) is None
    query = (
        f"watch=1&fieldSelector=metadata.name%3D{pod['metadata']['name']}"
        f"&resourceVersion={pod['metadata']['resourceVersion']}&timeoutSeconds=1"
    )
    path = f"/api/v1/namespaces/{bench.namespace}/pods?{query}"
    told = bench.cluster.kubectl("get", "--raw", path).stdout
    ends = [
        container_of(event["object"])["state"].get("terminated")
        for event in map(json.loads, told.splitlines())
    ]
    return next(end for end in reversed(ends) if end is not None)
