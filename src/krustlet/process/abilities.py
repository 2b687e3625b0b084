"""Which walls this machine can have, found out without raising any.

For the kubelet, which decides by it what to ask of a child, and for people, who are told what is
missing and what that costs. Leaves control groups to `cgroups`: whether there are any is told to
`missing`.
"""

import os
from functools import cache
from typing import Final

import msgspec

from krustlet.process import landlock, seccomp
from krustlet.process.mounts import can_mount

_CAP_CHOWN: Final = 0
_CAP_DAC_OVERRIDE: Final = 1
_CAP_FOWNER: Final = 3
_CAP_SETGID: Final = 6
_CAP_SETUID: Final = 7
_CAP_SYS_CHROOT: Final = 18
# To become somebody, and to make, change and remove files that belong to him.
_OF_USERS: Final = (_CAP_CHOWN, _CAP_DAC_OVERRIDE, _CAP_FOWNER, _CAP_SETGID, _CAP_SETUID)
_SCOPES_ABI: Final = 6
_NETWORK_ABI: Final = 4


class Missing(msgspec.Struct, frozen=True):
    """A wall that does not stand, in words for people.

    Attributes:
        wall: what it is, as in "a user of its own".
        cost: a sentence on what goes without it.
        remedy: what would have to be done for it to stand.
    """

    wall: str
    cost: str
    remedy: str


class Abilities(msgspec.Struct, frozen=True, kw_only=True):
    """What can be asked of a child of this process.

    Attributes:
        users: being another user: `Walls.user`.
        mounts: a file system and namespaces of its own: `Walls.root`, `Walls.binds`.
        seccomp: a filter of system calls.
        landlock: the version of Landlock; 0 where there is none.
    """

    users: bool
    mounts: bool
    seccomp: bool
    landlock: int

    def missing(self, *, limits: bool) -> tuple[Missing, ...]:
        """The walls that cannot stand here, in the order of what they are worth.

        Args:
            limits: whether there are control groups that can be used.
        """
        landlock_needed = _SCOPES_ABI if self.mounts else 1
        stands = (limits, self.users, self.mounts, self.seccomp, self.landlock >= landlock_needed)
        missing = [word for word, is_there in zip(_WORDS, stands, strict=True) if not is_there]
        if 0 < self.landlock < _NETWORK_ABI and not self.seccomp:
            missing.append(_NO_NETWORK_FILTER)
        return tuple(missing)


_AS_ROOT: Final = "run the node as root"
_WORDS: Final = (
    Missing(
        "memory and CPU limits",
        "A container can use all memory and processors of this machine.",
        f"{_AS_ROOT}, where control groups can be written to",
    ),
    Missing(
        "a user of its own",
        "A guest that breaks out of the engine is the user that runs the node.",
        f"{_AS_ROOT} with CAP_SETUID, CAP_SETGID, CAP_CHOWN, CAP_DAC_OVERRIDE and CAP_FOWNER",
    ),
    Missing(
        "a file system of its own",
        "Volumes are found by name in the node's files, single files cannot be mounted, and"
        " the host name is the node's.",
        f"{_AS_ROOT} with CAP_SYS_ADMIN and CAP_SYS_CHROOT, on Linux 5.12 or later",
    ),
    Missing(
        "a system call filter",
        "A guest that breaks out of the engine can try every bug of the kernel.",
        "use a kernel with seccomp, on x86_64 or aarch64",
    ),
    Missing(
        "an access filter",
        "Signals, sockets and files are kept apart by users and namespaces only, if at all.",
        "use Linux 6.12 or later, with landlock among its security modules",
    ),
)
_NO_NETWORK_FILTER: Final = Missing(
    "a network filter",
    "A container without a network can still open TCP connections once it has broken out.",
    "use Linux 6.7 or later, or one with seccomp",
)


@cache
def find_abilities() -> Abilities:
    """Ask this machine; a millisecond, once a process."""
    return Abilities(
        users=os.geteuid() == 0 and _has_capabilities(*_OF_USERS),
        mounts=can_mount() and _has_capabilities(_CAP_SYS_CHROOT),
        seccomp=seccomp.IS_AVAILABLE,
        landlock=landlock.ABI,
    )


def _has_capabilities(*wanted: int) -> bool:
    """Whether this process has all of them: a root in a container may have few."""
    with open("/proc/self/status", encoding="ascii") as status:
        effective = next(line for line in status if line.startswith("CapEff:"))
    held = int(effective.split()[1], 16)
    return all(held >> capability & 1 for capability in wanted)
