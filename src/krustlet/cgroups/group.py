"""One group of processes: what it may use, what it uses, and who is in it.

Leaves making and removing it to `groups`, and what a limit is called to the two versions of the
kernel's interface.
"""

import contextlib
import errno
import math
import time
from typing import Final

from krustlet.cgroups.errors import CgroupError, LimitRefused
from krustlet.cgroups.files import Files
from krustlet.cgroups.limits import Limits, Usage
from krustlet.cgroups.version import Setting, Version, below, directories

_GONE: Final = (errno.ENOENT, errno.ENODEV)  # the latter while it is read
_REFUSALS: Final = {
    errno.EINVAL: "a part may not have more processor time than the whole",
    errno.EBUSY: "more memory than that is in use, and cannot be taken back",
}

Undo = list[tuple[str, str]]
"""Files, and what they held before each was written to."""


class Group:
    """One group of processes. Made by `Cgroups`."""

    def __init__(self, path: str, version: Version, files: Files) -> None:
        self.path = path
        self._version = version
        self._files = files

    @property
    def procs(self) -> tuple[str, ...]:
        """The files a process writes `0` to, each, to be in the group: before it has threads."""
        file = self._version.procs_file
        return tuple(f"{place}/{file}" for place in directories(self._version, self.path))

    @property
    def oom_file(self) -> str:
        """The file with a line `oom_kill <number>`: how many of its processes the kernel ended for
        want of memory. Empty where nobody counts."""
        return self._file("memory", self._version.oom_file) or ""

    def update(self, limits: Limits) -> None:
        """The group is held to `limits` from now on, and to no others.

        A group may not have a larger quota of processor time than the one above it: where both
        change, see `Cgroups.update`.

        Raises:
            LimitRefused: it has the limits it had; for one, as it uses more memory.
            CgroupError: there is no such group.
        """
        self.hold(limits, ends_whole=False, is_new=False)

    def hold(self, limits: Limits, *, ends_whole: bool, is_new: bool) -> "Undo":
        """See `Cgroups.make` and `update`; returns what `undo` takes, nothing of a new group."""
        memory = math.inf if limits.memory_bytes is None else limits.memory_bytes
        has = math.inf if is_new else self._memory(self._version.memory_limit_file)
        if memory < has and not is_new:
            self._check_use(memory)
        undo: Undo = []
        for setting in self._version.settings(
            limits, ends_whole=ends_whole, is_new=is_new, raises_memory=memory > has
        ):
            try:
                self._write(setting, None if is_new else undo)
            except OSError as exc:
                self.undo(undo)
                raise _refused(self.path, setting, exc) from exc
        return undo

    def _check_use(self, limit: float) -> None:
        """Version 2 would end processes until the group fits; version 1 refuses by itself.

        Source: kubernetes pkg/kubelet/kuberuntime/kuberuntime_manager.go,
        validateMemoryResizeAction.
        """
        used = self._memory(self._version.memory_usage_file)
        if "memory" in self._version.tops and used >= limit:
            raise LimitRefused(
                f"control group {self.path!r}: memory limit {limit:.0f} is below current usage"
                f" {used:.0f}",
                hint="lower it when less is used, or restart the container",
            )

    def _memory(self, name: str) -> float:
        """A limit, or a use; infinite where nobody counts."""
        if (file := self._file("memory", name)) is None:
            return math.inf
        try:
            text = self._files.read(file).strip()
        except OSError as exc:
            raise failed(self.path, exc) from exc
        return math.inf if text == "max" else int(text)

    def _write(self, setting: Setting, undo: "Undo | None") -> None:
        if (file := self._file(setting.controller, setting.file)) is None:
            return
        try:
            before = "" if undo is None else self._files.read(file).strip()
            self._files.write(file, setting.text)
        except FileNotFoundError:
            if not setting.optional:
                raise
        else:
            if undo is not None:
                undo.append((file, before))

    def undo(self, undo: "Undo") -> None:
        """The group is held to what it was before `hold`."""
        for file, before in reversed(undo):
            with contextlib.suppress(OSError):  # it held before, so it can only be gone
                self._files.write(file, before)

    def usage(self) -> Usage | None:
        """What its processes use, and those of groups below it; None if there is no such group."""
        try:
            return self._version.usage(self.path, at=time.time())
        except OSError as exc:
            if exc.errno not in _GONE:
                raise failed(self.path, exc) from exc
            return None

    def pids(self) -> tuple[int, ...]:
        """Its processes, without those of groups below it; none if there is no such group."""
        found: set[int] = set()
        for place in directories(self._version, self.path):
            try:
                found.update(map(int, self._files.read(f"{place}/cgroup.procs").split()))
            except OSError as exc:
                if exc.errno not in _GONE:
                    raise failed(self.path, exc) from exc
        return tuple(sorted(found))

    def _file(self, controller: str, name: str) -> str | None:
        top = self._version.tops.get(controller)
        return None if top is None else f"{below(top, self.path)}/{name}"


def failed(path: str, cause: OSError) -> CgroupError:
    return CgroupError(f"control group {path!r}: {cause.filename or 'kernel'}: {cause.strerror}")


def _refused(path: str, setting: Setting, cause: OSError) -> CgroupError:
    if cause.errno in _GONE:
        return failed(path, cause)
    return LimitRefused(
        f"control group {path!r}: {setting.file} cannot be {setting.text}: {cause.strerror}",
        hint=_REFUSALS.get(cause.errno or 0, ""),
    )
