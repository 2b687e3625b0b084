"""What can go wrong with control groups."""

import errno
from collections.abc import Sequence
from typing import Final

from krustlet.base import KrustletError


class CgroupError(KrustletError):
    """The kernel did not do what was asked of a group."""

    reason = "CgroupFailed"


class CgroupsUnavailable(CgroupError):
    """No group can be made here: nothing is limited or counted."""

    reason = "CgroupsUnavailable"

    @classmethod
    def refused(cls, refusals: Sequence[OSError]) -> "CgroupsUnavailable":
        """Nobody let us; the last to be asked is the one that most likely could have."""
        if not refusals:
            return cls("no control groups are mounted here that limit anything", hint=_NOT_MOUNTED)
        last = refusals[-1]
        return cls(
            f"control groups cannot be made: {last.filename}: {last.strerror}",
            hint=_HINTS.get(last.errno or 0, ""),
        )


class LimitRefused(CgroupError):
    """A limit cannot be had; the group has the limits it had before."""

    reason = "LimitRefused"


class GroupBusy(CgroupError):
    """A group cannot be removed, as processes are in it."""

    reason = "CgroupBusy"
    retryable = True

    def __init__(self, path: str, pids: Sequence[int]) -> None:
        told = ", ".join(map(str, pids)) or "unknown"
        super().__init__(
            f"control group {path!r} still has processes: {told}",
            hint="they are ending, or somebody else put them there",
        )
        self.path, self.pids = path, tuple(pids)


_NOT_MOUNTED: Final = "mount cgroup2 at /sys/fs/cgroup, as distributions do"
_NEEDS_RIGHTS: Final = (
    "run as root, or in a group of your own: systemd-run --user --scope -p Delegate=yes"
)
_HINTS: Final = {
    errno.EACCES: _NEEDS_RIGHTS,
    errno.EPERM: _NEEDS_RIGHTS,
    errno.EROFS: "mount /sys/fs/cgroup writable; containers have it so if they are privileged",
    errno.EBUSY: "start krustlet in a group of its own; for systemd, set DelegateSubgroup=",
    errno.ENODEV: "the group above must hand controllers down; for systemd, set Delegate=yes",
}
