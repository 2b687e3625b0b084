"""Become the user that a container runs as, and give up what root may do.

A user other than root has no capability left after the change. Root, who may be asked for by
`runAsUser: 0`, keeps those that a guest can have a use for at all, as WASI has files and sockets:

- CAP_DAC_OVERRIDE, CAP_FOWNER: to read and change its volumes' files whoever they belong to,
  which is what people run as root for;
- CAP_NET_BIND_SERVICE: ports below 1024, with a network.

None of them reaches beyond what is mounted. What containerd leaves to root besides is of no use
without a way to execute, change owners, make devices or raw sockets.
"""

import ctypes
import os
from typing import TYPE_CHECKING, Final

from krustlet.process.syscalls import WallError, checked, function, prctl

if TYPE_CHECKING:
    from krustlet.process.walls import User

_CAP_DAC_OVERRIDE: Final = 1
_CAP_FOWNER: Final = 3
_CAP_NET_BIND_SERVICE: Final = 10
_CAPABILITIES: Final = 64  # at most: they are the bits of two words of 32

_PR_CAPBSET_READ: Final = 23
_PR_CAPBSET_DROP: Final = 24
_PR_CAP_AMBIENT: Final = 47
_PR_CAP_AMBIENT_CLEAR_ALL: Final = 4

_capget: Final = function("capget", 2)
_capset: Final = function("capset", 2)
_HEADER: Final = (0x2008_0522).to_bytes(4, "little") + bytes(4)  # version 3, of this process
_SETS_BYTES: Final = 24  # effective, permitted and inheritable capabilities, lower words first


def _permitted() -> int:
    """What this process may do at all: a root in a container of another engine's may do little."""
    sets = ctypes.create_string_buffer(_SETS_BYTES)
    _capget(_HEADER, ctypes.addressof(sets))
    return int.from_bytes(sets.raw[4:8], "little")


_PERMITTED: Final = _permitted()  # and to its children


def _sets(*kept: int) -> bytes:
    low = (sum(1 << capability for capability in kept) & _PERMITTED).to_bytes(4, "little")
    return low + low + bytes(4) + bytes(12)


_OF_FILES: Final = _sets(_CAP_DAC_OVERRIDE, _CAP_FOWNER)
_OF_FILES_AND_PORTS: Final = _sets(_CAP_DAC_OVERRIDE, _CAP_FOWNER, _CAP_NET_BIND_SERVICE)
_NONE: Final = _sets()


def drop_bounding_set() -> None:
    """Have no child of this process regain a capability by whatever it executes.

    What this process may do stays as it is; once in the zygote is enough for all its children. A
    root without CAP_SETPCAP cannot: then only no new privileges, and seccomp, keep them from it.
    """
    for capability in range(_CAPABILITIES):
        standing = prctl(_PR_CAPBSET_READ, capability, 0, 0, 0)
        if standing < 0:
            return  # this kernel knows no more of them
        if standing and prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0) < 0:
            return


def become_user(user: "User") -> None:
    """Be `user` from now on, in every respect, and no other ever again.

    Raises:
        WallError: this process may not, or is somebody else afterwards.
    """
    try:
        os.setgroups(user.groups)
        os.setresgid(user.gid, user.gid, user.gid)
        os.setresuid(user.uid, user.uid, user.uid)
    except OSError as exc:
        raise WallError(f"user {user.uid}: {exc.strerror}", exc.errno or 0) from None
    if os.getresuid() != (user.uid,) * 3 or os.getresgid() != (user.gid,) * 3:
        raise WallError(f"user {user.uid}: still somebody else")


def give_up_capabilities(*, network: bool) -> None:
    """Keep of root's powers those a guest can have a use for; of anybody else's, none.

    Args:
        network: whether there are ports to bind.

    Raises:
        WallError: the kernel refuses.
    """
    what = "capabilities cannot be given up"
    kept = _NONE
    if os.geteuid() == 0:
        kept = _OF_FILES_AND_PORTS if network else _OF_FILES
    checked(prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0), what)
    checked(_capset(_HEADER, kept), what)
