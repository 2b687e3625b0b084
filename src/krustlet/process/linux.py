"""The system calls of Linux that Python has no name for, or names too expensively.

Each function is looked up when this module is imported: what a child touches first after the fork,
it copies.
"""

import ctypes
import os
import signal
import sys
from collections.abc import Iterable
from typing import Final

_PR_SET_PDEATHSIG: Final = 1
_PR_SET_NAME: Final = 15
_PR_SET_NO_NEW_PRIVS: Final = 38
_NAME_BYTES: Final = 15

_SYS_CLOSE_RANGE: Final = 436  # on every architecture
_LAST_DESCRIPTOR: Final = 0xFFFF_FFFF

_TIOCSCTTY: Final = 0x540E  # on every architecture that wasm is compiled for

_SIGINFO_BYTES: Final = 128  # of `struct signalfd_siginfo`, which starts with the signal's number
_SIGNAL_NUMBER_BYTES: Final = 4

_libc = ctypes.CDLL(None, use_errno=True)
_prctl = _libc.prctl
_prctl.argtypes = (ctypes.c_int, *[ctypes.c_ulong] * 4)
_prctl_name = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int, ctypes.c_char_p, use_errno=True)(
    ("prctl", _libc)
)
_syscall = _libc.syscall
_syscall.argtypes = (ctypes.c_long, *[ctypes.c_ulong] * 3)
_ioctl = _libc.ioctl
_ioctl.argtypes = (ctypes.c_int, ctypes.c_ulong, ctypes.c_int)
_signalfd = _libc.signalfd
_signalfd.argtypes = (ctypes.c_int, ctypes.c_void_p, ctypes.c_int)
_sigprocmask = _libc.sigprocmask
_sigprocmask.argtypes = (ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)

_SigSet = ctypes.c_uint64 * 16  # glibc's and musl's sigset_t: 1024 bits
_none = _SigSet()
_no_signals = ctypes.addressof(_none)
_SIG_SETMASK: Final = int(signal.SIG_SETMASK)  # a plain number: an enum's member costs a look-up
_SIGKILL: Final = int(signal.SIGKILL)


def open_signals(numbers: Iterable[int]) -> int:
    """Block `numbers` for good and return a descriptor to read them from; it never blocks.

    No handler is installed, so a child has none to get rid of, and a signal that meets it right
    after the fork waits until the child unblocks them all.
    """
    wanted = _SigSet()
    for number in numbers:
        signal.signal(number, signal.SIG_DFL)
        wanted[0] |= 1 << (number - 1)  # below 64: the classic ones
    signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
    descriptor = _signalfd(-1, ctypes.addressof(wanted), os.O_NONBLOCK | os.O_CLOEXEC)
    return int(_checked(descriptor, "signalfd"))


def read_signals(descriptor: int) -> set[int]:
    """The signals that have come since the last time; never waits."""
    seen: set[int] = set()
    while True:
        try:
            data = os.read(descriptor, 16 * _SIGINFO_BYTES)
        except BlockingIOError:
            return seen
        for start in range(0, len(data), _SIGINFO_BYTES):
            number = data[start : start + _SIGNAL_NUMBER_BYTES]
            seen.add(int.from_bytes(number, sys.byteorder))


def close_from(first: int) -> None:
    """Close every descriptor from `first` on.

    Not `os.closerange`: in a Python built for older systems it closes them one by one, and a limit
    of a million of them is nothing special.
    """
    if _syscall(_SYS_CLOSE_RANGE, first, _LAST_DESCRIPTOR, 0) != 0:  # a kernel before 5.9
        os.closerange(first, os.sysconf("SC_OPEN_MAX"))


def unblock_signals() -> None:
    """Let every signal through."""
    _checked(_sigprocmask(_SIG_SETMASK, _no_signals, None), "sigprocmask")


def set_name(name: str) -> None:
    """Be called `name` (its first 15 bytes) in `ps -o comm`."""
    _checked(_prctl_name(_PR_SET_NAME, name.encode()[:_NAME_BYTES]), "prctl(PR_SET_NAME)")


def die_with_parent() -> None:
    """Be killed when the parent ends; its end before this call is for the caller to find out."""
    _checked(_prctl(_PR_SET_PDEATHSIG, _SIGKILL, 0, 0, 0), "prctl(PR_SET_PDEATHSIG)")


def take_terminal(descriptor: int) -> None:
    """Be in a session of one's own that this terminal controls: it then knows whom to interrupt."""
    os.setsid()
    _checked(_ioctl(descriptor, _TIOCSCTTY, 0), "ioctl(TIOCSCTTY)")


def give_up_new_privileges() -> None:
    """Gain nothing by executing a set-uid file, and never again."""
    _checked(_prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "prctl(PR_SET_NO_NEW_PRIVS)")


def _checked(result: int, call: str) -> int:
    if result < 0:
        errno = ctypes.get_errno()
        raise OSError(errno, f"{call}: {os.strerror(errno)}")
    return result
