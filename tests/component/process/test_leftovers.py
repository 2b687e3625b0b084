"""What a node left behind is found, whatever it is: without that, other tests show nothing."""

import os
import secrets
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
from msgspec.structs import replace

from krustlet.cgroups import Limits, detect
from tests.support.leftovers import differences, traces
from tests.support.processes import is_alive
from tests.support.supervised import ROOT
from tests.support.tidiness import left_below
from tests.support.until import until
from tests.support.walled import a_tmpfs

_SLEEPS = "import time; time.sleep(60)"
_ALLOWED_KB = 64


@contextmanager
def a_child(directory: Path, *before: str) -> Iterator[int]:
    """A process that names the directory."""
    command = [*before, sys.executable, "-c", _SLEEPS, str(directory)]
    with subprocess.Popen(command) as child:
        try:
            until(lambda: _is_python(child.pid))
            yield child.pid
        finally:
            child.kill()


def _is_python(pid: int) -> bool:
    """Whether it has become what it is told to be, by way of other programs."""
    return Path(f"/proc/{pid}/cmdline").read_bytes().startswith(sys.executable.encode() + b"\0")


@contextmanager
def a_socket(_: Path) -> Iterator[None]:
    with socket.socket():
        yield


@contextmanager
def a_file(directory: Path) -> Iterator[None]:
    path = directory / "left"
    path.touch()
    yield
    path.unlink()


@contextmanager
def a_mount(directory: Path) -> Iterator[None]:
    (directory / "mounted").mkdir(exist_ok=True)
    with a_tmpfs(directory / "mounted"):
        yield


def test_of_nothing_there_are_no_differences(tmp_path: Path) -> None:
    assert differences(traces(tmp_path), traces(tmp_path), memory_kb=0) == []


@pytest.mark.parametrize(
    ("leave", "words"),
    [
        (a_child, "processes: +1 python"),
        (a_socket, "descriptors of this process: +1 socket:[]"),
        (a_file, "files: +1 left"),
        pytest.param(a_mount, "mounts: +1 / at ", marks=pytest.mark.root),
        pytest.param(
            lambda directory: a_child(directory, "unshare", "--net"),
            "namespaces: +1 net:[",
            marks=pytest.mark.root,
        ),
    ],
    ids=["a-process", "a-descriptor", "a-file", "a-mount", "a-namespace"],
)
def test_what_is_left_is_told(
    tmp_path: Path, leave: Callable[[Path], AbstractContextManager[object]], words: str
) -> None:
    (tmp_path / "mounted").mkdir()
    before = traces(tmp_path)
    with leave(tmp_path):
        more = differences(before, traces(tmp_path), memory_kb=0)
        less = differences(traces(tmp_path), before, memory_kb=0)
    assert [line for line in more if line.startswith(words)]
    assert len(more) == len(less)


def test_what_lies_aside_may_grow(tmp_path: Path) -> None:
    (tmp_path / "cache").mkdir()
    before = traces(tmp_path, aside=["cache"])
    (tmp_path / "cache" / "more").touch()
    assert differences(before, traces(tmp_path, aside=["cache"]), memory_kb=0) == []


@pytest.mark.root
def test_a_control_group_that_is_left_is_told(tmp_path: Path) -> None:
    name = f"krustlet-test/{secrets.token_hex(4)}"
    before = traces(tmp_path, cgroups=name)
    cgroups = detect(name)
    cgroups.make("left", Limits())
    more = differences(before, traces(tmp_path, cgroups=name), memory_kb=0)
    cgroups.remove("left")
    cgroups.close()
    assert [line for line in more if line.endswith(f"{name}/left")]
    assert differences(before, traces(tmp_path, cgroups=name), memory_kb=0) == []


def test_a_keeper_that_has_grown_is_told(tmp_path: Path) -> None:
    keeper = "krustlet-logpump"[:15]
    before = replace(traces(tmp_path), memory_kb={keeper: 10_000})
    after = replace(before, memory_kb={keeper: 12_000})
    (grown,) = differences(before, after, memory_kb=_ALLOWED_KB)
    assert grown.startswith("memory of krustlet-logpum: ")
    assert differences(before, after, memory_kb=2048) == []
    assert differences(after, before, memory_kb=0) == []  # who has shrunk may


# a whole run of the tests -------------------------------------------------------------------------


def test_a_run_of_the_tests_is_told_of_its_processes_and_no_others(tmp_path: Path) -> None:
    ours, alike = tmp_path / "run-1", tmp_path / "run-10"
    script = 'setsid "$@" >/dev/null & echo $!'
    with a_child(ours) as pid:
        assert [line for line in left_below(ours, frozenset()) if f"process {pid}: " in line]
    orphan = subprocess.run(
        ["sh", "-c", script, "sh", sys.executable, "-c", _SLEEPS, str(alike / "x")],
        stdout=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        text=True,
        check=True,
    )
    pid = int(orphan.stdout)
    try:
        until(lambda: _is_python(pid))
        assert not [line for line in left_below(ours, frozenset()) if f"process {pid}: " in line]
        assert [line for line in left_below(alike, frozenset()) if f"process {pid}: " in line]
    finally:
        os.kill(pid, 9)


@pytest.mark.root
def test_a_run_of_the_tests_is_told_of_its_mounts(tmp_path: Path) -> None:
    assert [line for line in left_below(tmp_path, frozenset()) if "mount: " in line] == []
    with a_mount(tmp_path):
        (line,) = [line for line in left_below(tmp_path, frozenset()) if "mount: " in line]
    assert line == f"mount: / at {tmp_path / 'mounted'}"


def test_a_run_that_leaves_a_process_fails_and_ends_it(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    pytester.makepyfile(
        f"""
        import subprocess, sys
        def test_leaves_a_process(tmp_path):
            command = [sys.executable, "-c", {_SLEEPS!r}, str(tmp_path)]
            child = subprocess.Popen(command, start_new_session=True)
            (tmp_path.parents[1] / "pid").write_text(str(child.pid))
        """
    )
    tidy = "from tests.support import tidiness; tidiness._SETTLED_S = 0.5"
    pytester.makeconftest(f"{tidy}; from tests.support.tidiness import _nothing_stays")
    result = pytester.runpytest_subprocess("-p", "no:randomly")
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*still so after 0.5 s: *process *python*"])
    (pid,) = pytester.path.rglob("pid")
    assert not is_alive(int(pid.read_text()))
