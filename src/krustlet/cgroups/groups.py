"""The tree of groups that is this node's alone: found, made and removed.

Owns the top group that `detect` was given a name for, and all below it. Leaves to whoever has a
process when it enters a group. All calls are a few short reads and writes; only `Cgroups.remove`
may wait.
"""

import contextlib
import errno
import re
import time
from collections.abc import Mapping, Sequence
from typing import Final

from krustlet.cgroups.errors import CgroupError, CgroupsUnavailable, GroupBusy, LimitRefused
from krustlet.cgroups.files import SYSTEM_FILES, Files
from krustlet.cgroups.group import Group, Undo, failed
from krustlet.cgroups.limits import Limits
from krustlet.cgroups.mounts import Mount, find_mounts
from krustlet.cgroups.v1 import open_split
from krustlet.cgroups.v2 import controllers_of, open_unified
from krustlet.cgroups.version import LIMITING, Version, directories

_NAMES: Final = re.compile(r"[\w-]+(/[\w-]+)*", re.ASCII)  # files of the kernel's have a dot
_PAUSE_S: Final = 0.005


def detect(name: str, *, files: Files = SYSTEM_FILES) -> "Cgroups":
    """The tree of groups below the top group `name`, which is there now.

    What an earlier process left below it is still there: see `Cgroups.below`. On version 2 this
    process may have been moved to another group, if it was alone in one that is delegated to it.

    Args:
        name: as `krustlet/5f3a9c01`; whoever has the same name has the same groups.

    Raises:
        CgroupsUnavailable: nothing can be limited here; the hint tells what would help.
    """
    _check(name)
    try:
        mounts = find_mounts(files)
    except OSError as exc:
        raise CgroupsUnavailable.refused([]) from exc
    refusal: CgroupsUnavailable | None = None
    for version in _by_merit(mounts, files):
        try:
            return Cgroups(name, _open(version, name, mounts, files), files)
        except CgroupsUnavailable as exc:
            refusal = refusal or exc
    raise refusal or CgroupsUnavailable.refused([])


def _by_merit(mounts: Sequence[Mount], files: Files) -> list[int]:
    """The versions that have controllers; a machine may have given some to either."""
    split = {name for mount in mounts for name in mount.controllers if name in LIMITING}
    unified = {
        name for mount in mounts if mount.version == 2 for name in controllers_of(mount, files)
    }
    merits = {2: len(unified), 1: len(split)}
    return sorted(filter(merits.get, merits), key=lambda number: -merits[number])


def _open(version: int, name: str, mounts: Sequence[Mount], files: Files) -> Version:
    if version == 1:
        return open_split(name, [mount for mount in mounts if mount.version == 1], files)
    return open_unified(name, next(mount for mount in mounts if mount.version == 2), files)


class Cgroups:
    """The groups below one top group. Made by `detect`.

    Paths are relative, as `burstable/pod<uid>/web`; on version 2 only groups that have none below
    them may have processes.
    """

    def __init__(self, name: str, version: Version, files: Files) -> None:
        self._name = name
        self._version = version
        self._files = files

    @property
    def version(self) -> int:
        """1 or 2."""
        return self._version.number

    @property
    def tops(self) -> tuple[str, ...]:
        """The directories of the top group, one a hierarchy."""
        return directories(self._version, "")

    @property
    def missing(self) -> tuple[str, ...]:
        """The controllers that cannot be had: what they would limit, or count, is not."""
        return self._version.missing

    def make(self, path: str, limits: Limits, *, ends_whole: bool = False) -> Group:
        """The group is there, as are those above it, and is held to `limits`.

        Args:
            ends_whole: where it uses too much memory the kernel ends all of its processes and not
                one; version 2 only.

        Raises:
            LimitRefused: it cannot be held to them; a group that was there before is as it was.
            CgroupError: it cannot be made.
        """
        _check(path)
        try:
            is_new = self._version.make(path)
        except OSError as exc:
            raise failed(path, exc) from exc
        group = self.group(path)
        try:
            group.hold(limits, ends_whole=ends_whole, is_new=is_new)
        except CgroupError:
            if is_new:
                self.remove(path)
            raise
        return group

    def group(self, path: str) -> Group:
        """The group at `path`, which need not be there."""
        _check(path)
        return Group(path, self._version, self._files)

    def update(self, limits: Mapping[str, Limits]) -> None:
        """All these groups are held to their new limits, or all are as they were.

        On version 1 no group may have a larger quota of processor time than the one above it, not
        even for a moment: what grows, grows from above, and what shrinks, from below.

        Raises:
            LimitRefused: one of them cannot be had.
            CgroupError: there is no such group.
        """
        from_above = sorted(limits)
        try:
            self._update(from_above, limits)
        except LimitRefused:
            self._update(from_above[::-1], limits)

    def _update(self, order: Sequence[str], limits: Mapping[str, Limits]) -> None:
        done: list[tuple[Group, Undo]] = []
        try:
            for path in order:
                group = self.group(path)
                done.append((group, group.hold(limits[path], ends_whole=False, is_new=False)))
        except CgroupError:
            for group, undo in reversed(done):
                group.undo(undo)
            raise

    def below(self, path: str = "") -> list[str]:
        """All groups below `path`, or the top, those that have others below them first."""
        prefix = f"{path}/" if path else ""
        found: set[str] = set()
        for directory in directories(self._version, path):
            found.update(prefix + name for name in _tree(directory, self._files))
        return sorted(found)

    def remove(self, path: str, *, within_s: float = 0.2) -> None:
        """The group and all below it are gone; nothing happens if they were.

        Args:
            within_s: how long to wait for processes that are ending. Blocks.

        Raises:
            GroupBusy: there are still processes; what had none is gone.
        """
        _check(path)
        deadline = time.monotonic() + within_s
        busy = [
            name
            for name in [*reversed(self.below(path)), path]
            for directory in directories(self._version, name)
            if not self._has_gone(name, directory, deadline)
        ]
        if busy:
            raise GroupBusy(busy[0], self.group(busy[0]).pids())

    def _has_gone(self, path: str, directory: str, deadline: float) -> bool:
        while True:
            try:
                self._files.remove_directory(directory)
            except FileNotFoundError:
                return True
            except OSError as exc:
                if exc.errno != errno.EBUSY:
                    raise failed(path, exc) from exc
            else:
                return True
            if time.monotonic() >= deadline:
                return False
            time.sleep(_PAUSE_S)

    def close(self) -> None:
        """The top group is gone, unless something is left below it."""
        for top in directories(self._version, ""):
            for _ in self._name.split("/"):
                with contextlib.suppress(OSError):  # others may have groups beside ours
                    self._files.remove_directory(top)
                top = top.rpartition("/")[0]


def _tree(directory: str, files: Files) -> list[str]:
    try:
        names = files.directories(directory)
    except FileNotFoundError:
        return []
    found = list(names)
    for name in names:
        found.extend(f"{name}/{deeper}" for deeper in _tree(f"{directory}/{name}", files))
    return found


def _check(path: str) -> None:
    if not _NAMES.fullmatch(path):
        raise ValueError(f"not a path of control groups: {path!r}")
