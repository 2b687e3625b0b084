"""A terminal with a person at it: what is typed goes through the kernel's line discipline."""

import contextlib
import fcntl
import os
import pty
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from tests.support.until import PATIENCE_S

CTRL_C: Final = b"\x03"


class Terminal:
    """A command in the foreground of a terminal of its own."""

    def __init__(self, master: int, process: "subprocess.Popen[bytes]") -> None:
        self.process = process
        self.seen = b""
        self._master = master

    def type(self, keys: bytes) -> None:
        """Press keys; Ctrl-C reaches the whole foreground process group, as it does for people."""
        os.write(self._master, keys)

    def resize(self, *, columns: int, rows: int) -> None:
        """Change the window's size, which the kernel tells the foreground process group."""
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("4H", rows, columns, 0, 0))

    def cook(self) -> None:
        """Make it edit lines, echo, and have Ctrl-C interrupt, as a shell does for itself."""
        modes = termios.tcgetattr(self._master)
        modes[3] |= termios.ICANON | termios.ECHO | termios.ISIG
        termios.tcsetattr(self._master, termios.TCSANOW, modes)

    def is_raw(self) -> bool:
        """Whether keys reach the foreground as they are pressed: Ctrl-C, too, and unseen."""
        modes = termios.tcgetattr(self._master)[3]
        return not modes & (termios.ICANON | termios.ECHO | termios.ISIG)

    def until(self, text: bytes, *, within_s: float = PATIENCE_S) -> None:
        """Read until `text` has been shown.

        Raises:
            AssertionError: it was not; tells what was.
        """
        deadline = time.monotonic() + within_s
        while text not in self.seen:
            assert time.monotonic() < deadline, f"{text!r} not within {within_s} s: {self.seen!r}"
            self._read(0.05)

    def until_that(self, condition: Callable[[], bool], *, within_s: float = PATIENCE_S) -> None:
        """Read until `condition` holds.

        Raises:
            AssertionError: it did not; tells what was shown.
        """
        deadline = time.monotonic() + within_s
        while not condition():
            assert time.monotonic() < deadline, f"not within {within_s} s: {self.seen!r}"
            self._read(0.05)

    def end(self, *, within_s: float = PATIENCE_S) -> int:
        """The command's exit code, once it has ended and all it said has been read."""
        deadline = time.monotonic() + within_s
        while self.process.poll() is None:
            assert time.monotonic() < deadline, f"no end within {within_s} s: {self.seen!r}"
            self._read(0.02)
        while self._read(0):
            pass
        return self.process.returncode

    def _read(self, wait_s: float) -> bool:
        time.sleep(wait_s)
        try:
            self.seen += (data := os.read(self._master, 65536))
        except BlockingIOError:
            return False
        except OSError:  # EIO: the last process on the terminal is gone
            return False
        return bool(data)


@contextlib.contextmanager
def at_a_terminal(
    command: Sequence[str], *, cwd: Path, env: Mapping[str, str]
) -> Iterator[Terminal]:
    """Run `command` as the foreground process group of a new session on a new terminal."""
    master, slave = pty.openpty()
    process = subprocess.Popen(
        command,
        stdin=slave,
        stdout=slave,
        stderr=slave,
        cwd=cwd,
        env=env,
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
    )
    os.close(slave)
    os.set_blocking(master, False)
    try:
        yield Terminal(master, process)
    finally:
        process.kill()
        process.wait()
        os.close(master)
