"""Tell the kernel which files, ports and processes this process may touch; all others are out.

With a root of its own a container sees nothing of the node anyway. Landlock then takes away what
no guest has a use for (executing, devices), and the signals and sockets that namespaces leave.
Without one it is the wall around files: only what is named may be touched.

Source: https://docs.kernel.org/userspace-api/landlock.html
"""

import errno
import os
import stat
from collections.abc import Iterable
from typing import Final

from krustlet.process.syscalls import WallError, checked, last_errno, syscall

# The same on every architecture.
_SYS_CREATE_RULESET: Final = 444
_SYS_ADD_RULE: Final = 445
_SYS_RESTRICT_SELF: Final = 446
_ASK_VERSION: Final = 1  # LANDLOCK_CREATE_RULESET_VERSION
_PATH_BENEATH: Final = 1  # LANDLOCK_RULE_PATH_BENEATH

_EXECUTE: Final = 1 << 0
_WRITE_FILE: Final = 1 << 1
_READ_FILE: Final = 1 << 2
_READ_DIR: Final = 1 << 3
_REMOVE_DIR: Final = 1 << 4
_REMOVE_FILE: Final = 1 << 5
_MAKE_CHAR: Final = 1 << 6
_MAKE_DIR: Final = 1 << 7
_MAKE_REG: Final = 1 << 8
_MAKE_SOCK: Final = 1 << 9
_MAKE_FIFO: Final = 1 << 10
_MAKE_BLOCK: Final = 1 << 11
_MAKE_SYM: Final = 1 << 12
_REFER: Final = 1 << 13  # renames and links from one directory to another
_TRUNCATE: Final = 1 << 14
_IOCTL_DEV: Final = 1 << 15

_BIND_TCP: Final = 1 << 0
_CONNECT_TCP: Final = 1 << 1
_ABSTRACT_SOCKETS: Final = 1 << 0
_SIGNALS: Final = 1 << 1

_READ: Final = _READ_FILE | _READ_DIR
# All that WASI has a call for: neither devices nor sockets nor named pipes.
_WRITE: Final = (
    _READ
    | _WRITE_FILE
    | _REMOVE_DIR
    | _REMOVE_FILE
    | _MAKE_DIR
    | _MAKE_REG
    | _MAKE_SYM
    | _REFER
    | _TRUNCATE
)
_OF_A_FILE: Final = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL_DEV
# What the C library reads to find hosts by name.
_NAMES: Final = (
    "/etc/gai.conf",
    "/etc/host.conf",
    "/etc/hosts",
    "/etc/nsswitch.conf",
    "/etc/resolv.conf",
)

_NETWORK_ABI: Final = 4
_SCOPES_ABI: Final = 6


def _ask_abi() -> int:
    abi = syscall(_SYS_CREATE_RULESET, None, 0, _ASK_VERSION, 0, 0)
    if abi < 0 and last_errno() not in (errno.ENOSYS, errno.EOPNOTSUPP, errno.EPERM):
        checked(abi, "Landlock does not tell what it can do")
    return max(abi, 0)


ABI: Final = _ask_abi()
"""What this kernel knows of Landlock; 0 for nothing."""


def handled_files(abi: int) -> int:
    """The accesses to files that a kernel of that version can deny."""
    newest = (_IOCTL_DEV, 5), (_TRUNCATE, 3), (_REFER, 2)
    return sum(right for right, since in newest if abi >= since) | (_REFER - 1)


def ruleset(abi: int, *, network: bool) -> bytes:
    """`struct landlock_ruleset_attr`, as long as that version of it: all that is denied."""
    words = [handled_files(abi)]
    if abi >= _NETWORK_ABI:
        words.append(0 if network else _BIND_TCP | _CONNECT_TCP)
    if abi >= _SCOPES_ABI:
        words.append(_ABSTRACT_SOCKETS | _SIGNALS)
    return b"".join(word.to_bytes(8, "little") for word in words)


_WITH_NETWORK: Final = ruleset(ABI, network=True)
_WITHOUT_NETWORK: Final = ruleset(ABI, network=False)
_HANDLED: Final = handled_files(ABI)


def restrict(visible: Iterable[tuple[str, bool]], *, network: bool) -> None:
    """Touch only what is `visible` from now on. Takes no new privileges to have been given up.

    Args:
        visible: files and directories with all below them, and whether they may be written to.
        network: whether names of hosts may be looked up, and TCP ports used.

    Raises:
        WallError: one of them is missing, or the kernel refuses.
    """
    attributes = _WITH_NETWORK if network else _WITHOUT_NETWORK
    rules = checked(
        syscall(_SYS_CREATE_RULESET, attributes, len(attributes), 0, 0, 0),
        "no access rules can be made",
    )
    for path, writable in visible:
        _allow(rules, path, _WRITE if writable else _READ)
    checked(syscall(_SYS_RESTRICT_SELF, rules, 0, 0, 0, 0), "access cannot be restricted")
    os.close(rules)


def files_for_names() -> list[tuple[str, bool]]:
    """What a process without a root of its own has to read to find hosts by name."""
    return [(path, False) for path in _NAMES if os.path.exists(path)]


def _allow(rules: int, path: str, rights: int) -> None:
    try:
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError as exc:
        raise WallError(f"{path} cannot be shown: {exc.strerror}", exc.errno or 0) from None
    if not stat.S_ISDIR(os.fstat(descriptor).st_mode):
        rights &= _OF_A_FILE
    beneath = (rights & _HANDLED).to_bytes(8, "little") + descriptor.to_bytes(4, "little")
    checked(syscall(_SYS_ADD_RULE, rules, _PATH_BENEATH, beneath, 0, 0), f"{path} cannot be shown")
    os.close(descriptor)
