"""A pytest plugin: a whole run of the tests leaves nothing on this machine, or fails.

Looked at once, when all else is torn down: processes, mounts and control groups. What other runs
of the tests have at the same moment is theirs, as far as that can be told: processes and mounts
are ours if they name a directory of this run, or came of it; a control group names nobody, so
these count only while nobody else runs tests, or a node.
"""

import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

import pytest

from tests.support.leftovers import groups_below, mounts_of
from tests.support.processes import BACKGROUND, GONE, descendants, is_alive, processes_of, status
from tests.support.until import until_not

_SETTLED_S: Final = 20.0  # what is ending may take a moment
_GROUPS: Final = ("krustlet", "krustlet-test")
_PROC: Final = Path("/proc")
_AT_WORK: Final = (b"pytest", b"krustlet.process.supervisor")


@pytest.fixture(scope="session", autouse=True)
def _nothing_stays(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Set up before all others that last as long, and so torn down after them."""
    directory = tmp_path_factory.getbasetemp()
    groups = _all_groups()
    yield
    try:
        until_not(lambda: left_below(directory, groups), within_s=_SETTLED_S)
    finally:
        for pid in _mine(directory):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def left_below(directory: Path, groups_before: frozenset[str]) -> list[str]:
    """What is left of a run whose files are in `directory`, in words."""
    mine = _mine(directory)
    left = [f"process {pid}: {_name(pid)}" for pid in sorted(mine) if is_alive(pid)]
    left += [f"mount: {mount}" for mount in mounts_of(directory)]
    if not _others_are_at_work(mine):
        left += [f"control group: {path}" for path in sorted(_all_groups() - groups_before)]
    return left


def _mine(directory: Path) -> set[int]:
    """The processes of this run; who called us may have named its directory, too."""
    below = {pid for pid in processes_of(directory) if _is_of(pid, directory)}
    return (below | {*descendants(os.getpid())}) - {*_ancestors(os.getpid())} - BACKGROUND


def _all_groups() -> frozenset[str]:
    return frozenset(path for name in _GROUPS for path in groups_below(name))


def _name(pid: int) -> str:
    with suppress(*GONE):
        return f"{status(pid)['Name']}, {' '.join(_words(pid))}"
    return "(gone)"


def _is_of(pid: int, directory: Path) -> bool:
    """Whether it names the directory or what is in it; not one whose name begins alike."""
    with suppress(*GONE):
        return any(_holds(word, str(directory)) for word in _words(pid))
    return False


def _holds(word: str, directory: str) -> bool:
    _, found, rest = word.partition(directory)
    return bool(found) and (not rest or rest.startswith("/"))


def _words(pid: int) -> list[str]:
    return (_PROC / str(pid) / "cmdline").read_bytes().decode(errors="replace").split(chr(0))


def _others_are_at_work(ours: set[int]) -> bool:
    known = {os.getpid(), *_ancestors(os.getpid()), *ours, *BACKGROUND}
    for process in _PROC.glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes()
            if int(process.name) not in known and any(word in command for word in _AT_WORK):
                return True
        except GONE:
            continue  # it ended meanwhile
    return False


def _ancestors(pid: int) -> Iterator[int]:
    while (pid := int(status(pid)["PPid"])) > 0:
        yield pid
