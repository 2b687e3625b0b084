"""Calls into the kernel with arguments as C has them, for the modules that raise walls.

All is prepared when this is imported, as a child copies what it touches. An argument is a number,
the address of something as a number, bytes, or None.
"""

import ctypes
import os
from collections.abc import Callable
from typing import Any, Final

_libc: Final = ctypes.CDLL(None, use_errno=True)


class WallError(Exception):
    """The kernel refuses something that a wall needs.

    Attributes:
        errno: why, as the kernel puts it.
    """

    def __init__(self, message: str, errno: int = 0) -> None:
        super().__init__(message)
        self.errno = errno


def function(name: str, parameters: int) -> Callable[..., int]:
    """The C library's function `name`, which tells of a failure by answering -1."""
    types = [ctypes.c_void_p] * parameters
    made: Any = ctypes.CFUNCTYPE(ctypes.c_int, *types, use_errno=True)((name, _libc))
    call: Callable[..., int] = made
    return call


syscall: Final = function("syscall", 6)
"""The call of that number, with five arguments."""
prctl: Final = function("prctl", 5)


def last_errno() -> int:
    """Why the last call of this thread failed."""
    return ctypes.get_errno()


def checked(result: int, what: str) -> int:
    """`result`, unless it tells of a failure.

    Args:
        what: begins the sentence that the error is, as in "the host name cannot be set".

    Raises:
        WallError: the call failed.
    """
    if result < 0:
        errno = ctypes.get_errno()
        raise WallError(f"{what}: {os.strerror(errno)}", errno)
    return result
