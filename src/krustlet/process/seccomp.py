"""Let a container make the system calls that a guest's engine makes, and no other.

Owns the filter, made when this is imported of the list in `calls`. What is not on the list is
answered as not permitted; what is newer than the list, as not there, so that a C library tries
what it did before.

The kernel runs the filter before each call, but remembers for most that they are always allowed.
"""

import ctypes
import errno
import os
import sys
from collections.abc import Iterable, Mapping
from typing import Final

from krustlet.process import calls
from krustlet.process.syscalls import WallError, checked, prctl

X86_64: Final = "x86_64"
AARCH64: Final = "aarch64"
_AUDIT_ARCHITECTURES: Final = {X86_64: 0xC000_003E, AARCH64: 0xC000_00B7}
_COLUMNS: Final = {X86_64: 1, AARCH64: 2}
_MACHINE: Final = os.uname().machine
_NEWEST_KNOWN: Final = 469  # file_setattr, Linux 6.17

# BPF. Source: https://docs.kernel.org/userspace-api/seccomp_filter.html, linux/filter.h
_LOAD: Final = 0x20  # BPF_LD | BPF_W | BPF_ABS
_IF_EQUAL: Final = 0x15  # BPF_JMP | BPF_JEQ | BPF_K
_IF_AT_LEAST: Final = 0x35
_IF_ANY_BIT: Final = 0x45
_RETURN: Final = 0x06
_INSTRUCTION_BYTES: Final = 8
_FARTHEST_JUMP: Final = 0xFF
_NUMBER_AT: Final = 0  # in `struct seccomp_data`
_ARCHITECTURE_AT: Final = 4
_ARGUMENTS_AT: Final = 16
_MINE: Final = 0x7EA7_0B1D  # stands for this process' id until it is known

_PR_SET_SECCOMP: Final = 22
_SECCOMP_MODE_FILTER: Final = 2


def _do(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    jumps = bytes((if_true, if_false))
    return code.to_bytes(2, "little") + jumps + value.to_bytes(4, "little")


_ALLOWED: Final = _do(_RETURN, 0x7FFF_0000)
_DENIED: Final = _do(_RETURN, 0x0005_0000 | errno.EPERM)
_NOT_THERE: Final = _do(_RETURN, 0x0005_0000 | errno.ENOSYS)
_DEADLY: Final = _do(_RETURN, 0x8000_0000)


def _load_argument(number: int, *, upper: bool = False) -> bytes:
    """The half of an argument that a check is about; the lower one comes first."""
    return _do(_LOAD, _ARGUMENTS_AT + 8 * number + (4 if upper else 0))


def _only(argument: int, values: Iterable[int], *, then: bytes = _ALLOWED) -> bytes:
    """Denied unless the argument is one of `values`."""
    checks = list(values)
    code = _load_argument(argument)
    for left in range(len(checks), 0, -1):
        code += _do(_IF_EQUAL, checks[-left], left)
    return code + _DENIED + then


def _without(argument: int, bits: int, *, then: bytes = _ALLOWED) -> bytes:
    """Denied if the argument has one of `bits`."""
    return _load_argument(argument) + _do(_IF_ANY_BIT, bits, 0, 1) + _DENIED + then


def _with(argument: int, bit: int) -> bytes:
    """Denied unless the argument has `bit`."""
    return _load_argument(argument) + _do(_IF_ANY_BIT, bit, 1) + _DENIED + _ALLOWED


def _conditions(*, network: bool) -> Mapping[str, bytes]:
    nothing = (0,)
    conditions = {
        # Code that is not there before the walls rise will not be run behind them.
        calls.MMAP: _without(2, calls.PROT_EXEC),
        calls.MPROTECT: _without(2, calls.PROT_EXEC),
        calls.CLONE: _without(0, calls.CLONE_NEW_ANYTHING, then=_with(0, calls.CLONE_THREAD)),
        calls.CLONE3: _NOT_THERE,  # its flags are in memory, where a filter cannot look
        calls.TGKILL: _only(0, (_MINE,)),
        calls.PRLIMIT: _only(0, nothing, then=_only(2, nothing, then=_upper_is_zero(2))),
        calls.IOCTL: _only(1, calls.IOCTLS),
        calls.FCNTL: _only(1, calls.FCNTLS),
        calls.PRCTL: _only(0, calls.PRCTLS),
        # How the engine's threads are told of signals.
        calls.SOCKETPAIR: _only(0, (calls.AF_UNIX,), then=_only(1, calls.PAIRS)),
    }
    if network:
        # No AF_NETLINK, which a C library looks for when it sorts addresses: it copes without.
        conditions[calls.SOCKET] = _only(
            0, (calls.AF_INET, calls.AF_INET6), then=_only(2, calls.PROTOCOLS)
        )
    return conditions


def _upper_is_zero(argument: int) -> bytes:
    return _load_argument(argument, upper=True) + _do(_IF_EQUAL, 0, 1) + _DENIED + _ALLOWED


def build(machine: str, *, network: bool) -> bytes:
    """The filter for one architecture: a binary search for the call's number.

    Raises:
        KeyError: it is none of those known here.
    """
    column = _COLUMNS[machine]
    answers: dict[int, bytes] = {}
    for row, answer in _rows(network=network):
        word = row.split()[column]
        if word != "-":
            answers[int(word)] = answer
    starts = {0: _DENIED, _NEWEST_KNOWN + 1: _NOT_THERE, 1 << 30: _DENIED}  # there x32 begins
    for number in sorted(answers):
        starts[number] = answers[number]
        starts.setdefault(number + 1, _DENIED)
    ranges: list[tuple[int, bytes]] = []
    for start in sorted(starts):
        if not ranges or ranges[-1][1] != starts[start]:
            ranges.append((start, starts[start]))
    return (
        _do(_LOAD, _ARCHITECTURE_AT)
        + _do(_IF_EQUAL, _AUDIT_ARCHITECTURES[machine], 1)
        + _DEADLY
        + _do(_LOAD, _NUMBER_AT)
        + _search(ranges)
    )


def _rows(*, network: bool) -> Iterable[tuple[str, bytes]]:
    always = calls.CALLS + calls.NETWORK_CALLS if network else calls.CALLS
    yield from ((row, _ALLOWED) for row in always.splitlines() if row)
    yield from _conditions(network=network).items()


def _search(ranges: list[tuple[int, bytes]]) -> bytes:
    """Answer by the range that the call's number is in; each reaches up to the next one's start."""
    if len(ranges) == 1:
        return ranges[0][1]
    middle = len(ranges) // 2
    lower, upper = _search(ranges[:middle]), _search(ranges[middle:])
    over = len(lower) // _INSTRUCTION_BYTES
    assert over <= _FARTHEST_JUMP, "the filter has grown: split it in more places"
    return _do(_IF_AT_LEAST, ranges[middle][0], over) + lower + upper


class _Prepared:
    """A filter in memory, but for the number of the process that it is for."""

    def __init__(self, machine: str, *, network: bool) -> None:
        code = build(machine, network=network)
        self._code = ctypes.create_string_buffer(code, len(code))
        at = ctypes.addressof(self._code)
        self._mine = ctypes.c_uint32.from_address(at + code.index(_MINE.to_bytes(4, "little")))
        length = len(code) // _INSTRUCTION_BYTES
        self._program = length.to_bytes(8, "little") + at.to_bytes(8, "little")

    def apply(self) -> None:
        self._mine.value = os.getpid()
        result = prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, self._program, 0, 0)
        checked(result, "system calls cannot be filtered")


def _is_available() -> bool:
    """Whether this kernel filters, and we know its calls: a filter that is none at all is asked."""
    if sys.byteorder != "little" or _MACHINE not in _COLUMNS or sys.maxsize < 1 << 32:
        return False
    prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, None, 0, 0)
    return ctypes.get_errno() == errno.EFAULT


IS_AVAILABLE: Final = _is_available()
_WITH_NETWORK: Final = _Prepared(_MACHINE, network=True) if IS_AVAILABLE else None
_WITHOUT_NETWORK: Final = _Prepared(_MACHINE, network=False) if IS_AVAILABLE else None


def filter_calls(*, network: bool) -> None:
    """Make only the calls on the list from now on. Takes no new privileges to have been given up.

    Args:
        network: whether sockets may be opened.

    Raises:
        WallError: this kernel cannot.
    """
    filter_ = _WITH_NETWORK if network else _WITHOUT_NETWORK
    if filter_ is None:
        raise WallError("this kernel filters no system calls, or has calls we do not know")
    filter_.apply()
