"""Take turns with other processes: one compiles a module, the others wait for what it made.

Owns the file `lock` of the cache's directories. A module has the byte of it that its digest names,
so that nothing is left to sweep. A lock belongs to the open file: who has a descriptor of it, has
the lock, and it is let go of with the last of them. Waiting for one blocks a process, so that is
left to one which can be killed: this file, run by itself.
"""

import ctypes
import fcntl
import os
import signal
import struct
import sys
from pathlib import Path
from typing import Final

_NAME: Final = "lock"
_PR_SET_PDEATHSIG: Final = 1
_FLOCK: Final = struct.Struct("hhqqi4x")  # `struct flock` where files have 64 bits
_OFFSET_BITS: Final = 62


class Turn:
    """The lock of one module, had or not; who compiles it has it."""

    def __init__(self, directory: Path, digest: str) -> None:
        """Open it; the directory must be private.

        Raises:
            OSError: it cannot be.
        """
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        self.descriptor = os.open(directory / _NAME, flags, 0o600)
        self._digest = digest

    def take(self) -> bool:
        """Whether nobody else has it; it is then ours until `close`."""
        try:
            fcntl.fcntl(self.descriptor, fcntl.F_OFD_SETLK, _lock(_offset(self._digest)))
        except BlockingIOError:
            return False
        return True

    def waiter(self) -> list[str]:
        """A command that ends once the lock is ours; it inherits the descriptor."""
        offset = str(_offset(self._digest))
        waits = [sys.executable, "-I", "-S", __file__]
        return [*waits, str(self.descriptor), offset, str(os.getpid())]

    def close(self) -> None:
        """Let go of it."""
        os.close(self.descriptor)


def _offset(digest: str) -> int:
    hex_digits = digest.removeprefix("sha256:")
    return int(hex_digits or "0", 16) % (1 << _OFFSET_BITS)


def _lock(offset: int) -> bytes:
    return _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, offset, 1, 0)


def _wait(descriptor: int, offset: int, parent: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    if os.getppid() != parent:  # it died before we asked to be told
        os._exit(1)
    fcntl.fcntl(descriptor, fcntl.F_OFD_SETLKW, _lock(offset))


if __name__ == "__main__":
    _wait(*map(int, sys.argv[1:4]))
