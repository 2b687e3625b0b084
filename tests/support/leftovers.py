"""What a node has left on this machine: taken before and after, and told apart precisely.

A snapshot holds names and kinds, no numbers of processes or descriptors: these may be others
afterwards, as long as there are as many of each.
"""

import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec

from tests.support.processes import (
    BACKGROUND,
    GONE,
    descendants,
    descriptors,
    is_alive,
    name_of,
    processes_of,
)

_PROC: Final = Path("/proc")
_CGROUPS: Final = Path("/sys/fs/cgroup")
_KEEPERS: Final = ("krustlet-superv", "krustlet-logpum")
_OURSELVES: Final = "this process"
_NAMESPACES: Final = ("net", "mnt", "uts", "ipc")
_NUMBER: Final = re.compile(r"\d+")

Many = Mapping[str, int]


class Traces(msgspec.Struct, frozen=True):
    """What there is of a node at one moment; how many of each where it is a number.

    Attributes:
        processes: by name; zombies by `name (zombie)`.
        descriptors: of this process, of the supervisor and of the log pump, by kind or path.
        cgroups: the control groups below the node's top one, itself included.
        mounts: of its directory's, as this process sees them.
        namespaces: that its processes, or this one, are in.
        files: below its directory.
        memory_kb: what the supervisor and the log pump have in memory, by name.
    """

    processes: Many
    descriptors: Mapping[str, Many]
    cgroups: Many
    mounts: Many
    namespaces: Many
    files: Many
    memory_kb: Many


def traces(directory: Path, *, cgroups: str = "", aside: Sequence[str] = ()) -> Traces:
    """What there is now of the node in `directory`.

    Args:
        cgroups: the name of its top control group, as `krustlet.cgroups.detect` takes it.
        aside: directories below `directory` that may come to hold more, as a cache does.
    """
    ours = {pid: _name(pid) for pid in _processes(directory)}
    keepers = {pid: name for pid, name in ours.items() if name in _KEEPERS}
    return Traces(
        processes=Counter(ours.values()),
        descriptors={
            name: _descriptors(pid) for pid, name in {os.getpid(): _OURSELVES, **keepers}.items()
        },
        cgroups=Counter(groups_below(cgroups) if cgroups else ()),
        mounts=Counter(mounts_of(directory)),
        namespaces=dict.fromkeys(_namespaces([os.getpid(), *ours]), 1),
        files=Counter(_files(directory, aside)),
        memory_kb={name: _resident_kb(pid) for pid, name in keepers.items()},
    )


def differences(before: Traces, after: Traces, *, memory_kb: int) -> list[str]:
    """Each thing that there is more or less of, in words; empty if nothing is.

    Args:
        memory_kb: by how much a process may have grown. It may always have shrunk.
    """
    found: list[str] = []
    for kind in ("processes", "cgroups", "mounts", "namespaces", "files"):
        found += _different(kind, getattr(before, kind), getattr(after, kind))
    for name in sorted(before.descriptors.keys() | after.descriptors.keys()):
        was, now = before.descriptors.get(name, {}), after.descriptors.get(name, {})
        found += _different(f"descriptors of {name}", was, now)
    for name in sorted(before.memory_kb.keys() & after.memory_kb.keys()):
        was_kb, now_kb = before.memory_kb[name], after.memory_kb[name]
        if now_kb - was_kb > memory_kb:
            found.append(f"memory of {name}: {now_kb} kB, was {was_kb}; {memory_kb} more will do")
    return found


def groups_below(name: str) -> Iterator[str]:
    """The control groups of that name and below, in all hierarchies there are."""
    for top in (_CGROUPS, *_CGROUPS.glob("*/")):
        if (top / name).is_dir():
            yield from (path for path, _, _ in os.walk(top / name))


def mounts_of(directory: Path) -> Iterator[str]:
    """Mounts at or below `directory`, or of something that is there."""
    for line in (_PROC / "self" / "mountinfo").read_text(errors="replace").splitlines():
        root, at = line.split()[3:5]
        if any(Path(path).is_relative_to(directory) for path in (root, at)):
            yield f"{root} at {at}"


def _processes(directory: Path) -> list[int]:
    """Those of the node, and whatever came of them or of this process."""
    named = processes_of(directory)
    below = (child for pid in [os.getpid(), *named] for child in descendants(pid))
    return sorted({*named, *below} - BACKGROUND)


def _name(pid: int) -> str:
    if not (name := name_of(pid)):
        return "(gone)"
    return name if is_alive(pid) else f"{name} (zombie)"


def _descriptors(pid: int) -> Many:
    """By kind; which pipe or socket it is does not matter."""
    return Counter(
        what if what.startswith("/") and not what.startswith(str(_PROC)) else _NUMBER.sub("", what)
        for what in descriptors(pid).values()
    )


def _namespaces(pids: Iterable[int]) -> Iterator[str]:
    for pid in pids:
        for kind in _NAMESPACES:
            try:
                yield str((_PROC / str(pid) / "ns" / kind).readlink())
            except GONE:
                continue  # a process that has just ended


def _files(directory: Path, aside: Sequence[str]) -> Iterator[str]:
    for path, directories, names in os.walk(directory):
        relative = os.path.relpath(path, directory)
        if relative in aside:
            directories.clear()
            continue
        yield from (os.path.normpath(f"{relative}/{name}") for name in (*directories, *names))


def _resident_kb(pid: int) -> int:
    """What it has in memory, whoever else has the same: that does not depend on who else runs."""
    lines = (_PROC / str(pid) / "smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Rss:"))


def _different(kind: str, before: Many, after: Many) -> Iterator[str]:
    for name in sorted(before.keys() | after.keys()):
        if (change := after.get(name, 0) - before.get(name, 0)) != 0:
            yield f"{kind}: {change:+d} {name}"
