"""What this machine knows of processes: whose they are, and what they hold."""

import contextlib
import os
import re
from pathlib import Path

_PROC = Path("/proc")
GONE = (FileNotFoundError, ProcessLookupError)  # who looks at others may find them ending


def processes_of(directory: Path) -> list[int]:
    """The processes with `directory` in their command line, zombies left out, oldest first.

    A container has the command line of its supervisor, which it is a fork of.
    """
    found = []
    for process in _PROC.glob("[0-9]*"):
        try:
            line = (process / "cmdline").read_bytes()
        except GONE:
            continue  # it ended meanwhile
        if os.fsencode(directory) in line and int(process.name) != os.getpid():
            found.append(int(process.name))
    return sorted(found)


def supervisors_of(directory: Path) -> list[int]:
    """Those of `processes_of` that have begun a session of their own, as containers have not."""
    found = []
    for pid in processes_of(directory):
        with contextlib.suppress(ProcessLookupError):  # it ended meanwhile
            if os.getsid(pid) == pid:
                found.append(pid)
    return found


BACKGROUND: set[int] = set()
"""Children that many tests share: a control plane, a registry. Nobody's leftovers."""


def children() -> list[int]:
    """This process' own, zombies included, those in the background left out."""
    found: list[int] = []
    for task in (_PROC / "self" / "task").iterdir():
        with contextlib.suppress(*GONE):  # a thread that has ended meanwhile
            found += map(int, (task / "children").read_text().split())
    return sorted(set(found) - BACKGROUND)


def descendants(pid: int) -> list[int]:
    """Its children, theirs, and so on; empty if it is gone."""
    found: list[int] = []
    tasks: list[Path] = []
    with contextlib.suppress(*GONE):
        tasks += (_PROC / str(pid) / "task").iterdir()
    for task in tasks:
        with contextlib.suppress(*GONE):  # a thread that has ended meanwhile
            found += map(int, (task / "children").read_text().split())
    return [one for child in found for one in (child, *descendants(child))]


def is_alive(pid: int) -> bool:
    """Whether there is such a process, and it is not only waiting to be noticed as dead."""
    try:
        return not status(pid)["State"].startswith(("Z", "X"))
    except GONE:
        return False


def name_of(pid: int) -> str:
    """What the kernel calls it, in 15 characters; empty if it is gone."""
    try:
        return (_PROC / str(pid) / "comm").read_text(errors="replace").strip()
    except GONE:
        return ""


def status(pid: int) -> dict[str, str]:
    """The lines of `/proc/<pid>/status`."""
    lines = (_PROC / str(pid) / "status").read_text(errors="replace").splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def descriptors(pid: int | None = None) -> dict[int, str]:
    """What a process (this one, where none is named) has open: number → what it is."""
    folder = _PROC / str(pid or "self") / "fd"
    found = {}
    for link in folder.iterdir():
        try:
            found[int(link.name)] = str(link.readlink())
        except GONE:
            continue  # the one that listed them
    return found


def private_bytes(pid: int) -> int:
    """Memory that a process shares with nobody."""
    return _rolled_up(pid, "Private_Clean") + _rolled_up(pid, "Private_Dirty")


def _rolled_up(pid: int, name: str) -> int:
    text = (_PROC / str(pid) / "smaps_rollup").read_text()
    kilobytes = re.search(rf"^{name}: +(\d+) kB$", text, re.MULTILINE)
    assert kilobytes is not None
    return int(kilobytes[1]) * 1024


def memory_holds(pid: int, needle: bytes) -> bool:
    """Whether `needle` is anywhere in the readable memory of a process."""
    with (_PROC / str(pid) / "mem").open("rb", buffering=0) as memory:
        for line in (_PROC / str(pid) / "maps").read_text().splitlines():
            start, end = (int(number, 16) for number in line.split()[0].split("-"))
            if line.split()[1].startswith("r") and _region_holds(
                memory.fileno(), start, end, needle
            ):
                return True
    return False


def _region_holds(memory: int, start: int, end: int, needle: bytes) -> bool:
    before = b""
    while start < end:
        try:
            chunk = os.pread(memory, min(end - start, 1 << 20), start)
        except OSError:
            return False  # [vvar], for one
        if not chunk:
            return False
        if needle in before + chunk:
            return True
        before = chunk[-len(needle) :]
        start += len(chunk)
    return False
