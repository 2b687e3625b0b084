"""Carry this process' own streams to a process in a container, and back.

One loop that waits with `poll`: what either side does not take yet is not read from the other.
Leaves frames to `websocket.py`, and the terminal to `raw_terminal.py`.

Source: the subprotocol `v5.channel.k8s.io` of client-go tools/remotecommand.
"""

import contextlib
import os
import select
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import msgspec

from krustlet.cli.raw_terminal import Size, hearing_of_size, terminal_size
from krustlet.cli.streams import write_all, write_result
from krustlet.cli.websocket import ProtocolBroken, WebSocket

SUBPROTOCOL: Final = "v5.channel.k8s.io"
_STDIN: Final = 0
_STDOUT: Final = 1
_STDERR: Final = 2
_ERROR: Final = 3
_RESIZE: Final = 4
_CLOSE: Final = 255
_READ_BYTES: Final = 32 * 1024
_MOST_UNSENT_BYTES: Final = 64 * 1024
_CTRL_P: Final = b"\x10"
_CTRL_Q: Final = b"\x11"


class Detached(Exception):
    """The person at the terminal wants to leave the process to itself."""


class Ended(NamedTuple):
    """How it ended.

    Attributes:
        code: the process' own; None if there was none, and `message` and `hint` tell why.
    """

    code: int | None
    message: str = ""
    hint: str = ""


def read_status(data: bytes) -> Ended:
    """What the `metav1.Status` at the end of a session says."""
    status = msgspec.json.decode(data, type=dict[str, Any])
    if status.get("status") == "Success":
        return Ended(0)
    causes = (status.get("details") or {}).get("causes") or []
    told = {cause.get("reason", ""): cause.get("message", "") for cause in causes}
    if status.get("reason") == "NonZeroExitCode" and told.get("ExitCode", "").isdigit():
        return Ended(int(told["ExitCode"]))
    return Ended(None, status.get("message", ""), told.get("krustlet.dev/hint", ""))


class Keys:
    """What is typed, but for the keys to leave by: Ctrl-P and then Ctrl-Q, as in Docker."""

    def __init__(self) -> None:
        self._held = b""

    def typed(self, data: bytes) -> bytes:
        """What of it is for the process; a Ctrl-P waits for the key after it.

        Raises:
            Detached: that was Ctrl-Q.
        """
        data = self._held + data
        if _CTRL_P + _CTRL_Q in data:
            raise Detached
        self._held = _CTRL_P if data.endswith(_CTRL_P) else b""
        return data.removesuffix(_CTRL_P) if self._held else data


class Conversation:
    """One session with a process in a container."""

    def __init__(
        self, connection: WebSocket, *, stdin: bool, tty: bool, keys: Keys | None = None
    ) -> None:
        """Keep what it is given.

        Args:
            stdin: whether ours is read for it.
            tty: whether it is at a terminal, which is as large as ours.
            keys: looks for those to leave by; None where there are none.
        """
        self._connection = connection
        self._is_reading = stdin
        self._tty = tty
        self._keys = keys
        self._status = b""
        self._size: Size | None = None
        self.is_mid_line = False
        """Whether what it printed last ends in the middle of a line."""

    def run(self) -> Ended | None:
        """Carry everything until the end; None if the node went away before that.

        Raises:
            Detached: the person at the terminal wanted to leave.
            ReaderGone, StdoutUnusable: what it prints has nowhere to go.
        """
        with self._woken_by_size() as woken:
            self._tell_size()
            self._show()  # what came right after the handshake
            while self._connection.is_open:
                ready = self._wait(woken)
                if woken in ready:
                    os.read(woken, _READ_BYTES)
                    self._tell_size()
                if self._connection.fileno() in ready:
                    self._connection.flush()
                    self._show()
                if _STDIN in ready:
                    self._type()
        return read_status(self._status) if self._status else None

    def _wait(self, woken: int) -> dict[int, int]:
        poll = select.poll()
        poll.register(woken, select.POLLIN)
        unsent = self._connection.unsent_bytes
        poll.register(self._connection, select.POLLIN | (select.POLLOUT if unsent else 0))
        if self._is_reading and unsent < _MOST_UNSENT_BYTES:
            poll.register(_STDIN, select.POLLIN)
        return dict(poll.poll())

    def _show(self) -> None:
        try:
            for message in self._connection.receive():
                if not message:
                    continue
                channel, data = message[0], message[1:]
                if channel in (_STDOUT, _STDERR) and data:
                    self.is_mid_line = not data.endswith(b"\n")
                if channel == _STDOUT:
                    write_result(data)
                elif channel == _STDERR:
                    with contextlib.suppress(OSError):  # said beside the matter
                        write_all(_STDERR, data)
                elif channel == _ERROR:
                    self._status += data
        except ProtocolBroken:
            self._connection.close()

    def _type(self) -> None:
        try:
            data = os.read(_STDIN, _READ_BYTES)
        except BlockingIOError:  # somebody else on the terminal was faster
            return
        except OSError:  # closed, or the terminal hung up
            data = b""
        if not data:
            self._is_reading = False
            self._connection.send(bytes((_CLOSE, _STDIN)))
        elif typed := self._keys.typed(data) if self._keys is not None else data:
            self._connection.send(bytes((_STDIN,)) + typed)

    def _tell_size(self) -> None:
        size = terminal_size() if self._tty else None
        if size is not None and size != self._size:
            told = msgspec.json.encode({"Width": size.columns, "Height": size.rows})
            self._connection.send(bytes((_RESIZE,)) + told)
            self._size = size

    @contextlib.contextmanager
    def _woken_by_size(self) -> Iterator[int]:
        """A descriptor that can be read when the terminal may have another size."""
        woken, wake = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)

        def tell() -> None:
            with contextlib.suppress(BlockingIOError):  # it is awake
                os.write(wake, b"\0")

        try:
            with hearing_of_size(tell):
                yield woken
        finally:
            os.close(woken)
            os.close(wake)
