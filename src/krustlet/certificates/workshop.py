"""One process that works on keys and certificates, seen from the node.

Owns its life, from the start until it has been waited for. Leaves what it does to `craftsman.py`.
"""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
from typing import IO, Final

from krustlet.certificates.errors import CraftFailed
from krustlet.certificates.frames import receive, send

_CRAFTSMAN: Final = "krustlet.certificates.craftsman"


class WorkshopClosed(CraftFailed):
    """The process ended before it answered: it may have been idle for long enough."""


class Workshop:
    """A process for one asker at a time; it is waited for by itself, however it ends."""

    def __init__(
        self, child: subprocess.Popen[bytes], errors: IO[bytes], ours: socket.socket
    ) -> None:
        """Keep what it is given; see `open`."""
        self._child = child
        self._errors = errors
        self._socket = ours
        self._in_use = threading.Lock()
        self._said = b""
        threading.Thread(target=self._see_off, name="certificates.workshop", daemon=True).start()

    @classmethod
    def open(cls, *, stays_s: float) -> "Workshop":
        """A new one.

        Args:
            stays_s: how long it stays when nobody asks.

        Raises:
            CraftFailed: it cannot be started.
        """
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                child = subprocess.Popen(
                    [sys.executable, "-P", "-m", _CRAFTSMAN, str(stays_s)],
                    cwd="/",
                    env={"PYTHONPATH": os.pathsep.join(filter(os.path.isabs, sys.path))},
                    stdin=theirs.fileno(),
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.PIPE,
                    start_new_session=True,  # a terminal's Ctrl-C is meant for the node
                )
            except OSError as exc:
                ours.close()
                raise CraftFailed(f"cannot be started: {exc.strerror or exc}") from exc
        assert child.stderr is not None, "it is a pipe"
        return cls(child, child.stderr, ours)

    def ask(self, question: bytes, *, within_s: float) -> bytes:
        """What the process answers.

        Raises:
            WorkshopClosed: it ended before that.
            CraftFailed: it takes too long; it is gone now.
        """
        with self._in_use:
            if (answer := self._answer(question, within_s)) is None:
                raise WorkshopClosed(self._last_words(within_s))
            return answer

    def _answer(self, question: bytes, within_s: float) -> bytes | None:
        try:
            self._socket.settimeout(within_s)
            send(self._socket, question)
            return receive(self._socket)
        except TimeoutError:
            self._end_now()
            raise CraftFailed(f"has not answered within {within_s:g} s") from None
        except OSError:  # nobody is there, or not any more
            return None

    def close(self) -> None:
        """Have it end in its own time."""
        with self._in_use, contextlib.suppress(OSError):  # it is closed already
            self._socket.shutdown(socket.SHUT_RDWR)

    def kill(self) -> None:
        """It ends at once, and whoever waits for its answer goes on; nothing, if it has ended."""
        self._child.kill()

    def _see_off(self) -> None:
        self._child.wait()
        with self._in_use:
            self._clear_up()

    def _clear_up(self) -> None:
        """It has ended, and nothing is left of it but what it said."""
        if not self._errors.closed:
            self._said = self._errors.read()
            self._errors.close()
            self._socket.close()

    def _end_now(self) -> None:
        self._child.kill()
        self._child.wait()

    def _last_words(self, within_s: float) -> str:
        """How it ended, or is about to."""
        try:
            code = self._child.wait(within_s)
        except subprocess.TimeoutExpired:
            self._end_now()
            return "has hung up"
        self._clear_up()
        if code < 0:
            with contextlib.suppress(ValueError):
                return f"died by {signal.Signals(-code).name}"
            return f"died by signal {-code}"
        last = self._said.decode(errors="replace").strip().rpartition("\n")[2]
        return f"ended with {code}: {last}".removesuffix(": ")
