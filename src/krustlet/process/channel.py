"""The kubelet's end of the socket: messages both ways, and never waiting for the other side."""

import asyncio
import os
import socket
from collections import deque
from collections.abc import Callable, Sequence

import structlog

from krustlet.process.messages import (
    AnyMessage,
    Message,
    ProtocolError,
    Welcome,
    close_all,
    receive,
    send,
)

log = structlog.get_logger(__name__)


class Channel:
    """Messages of one connection, on the running event loop.

    `hear` gets each that comes, in order, with the descriptors that came along, which are then its
    own; `cut` is called once, when the other side is gone.
    """

    def __init__(
        self,
        connection: socket.socket,
        *,
        hear: Callable[[AnyMessage, list[int]], None],
        cut: Callable[[], None],
    ) -> None:
        self._socket = connection
        self._hear = hear
        self._cut = cut
        self._outbox: deque[tuple[Message, tuple[int, ...]]] = deque()
        self.is_open = True

    def open(self) -> None:
        """Begin to hear."""
        self._socket.setblocking(False)
        asyncio.get_running_loop().add_reader(self._socket.fileno(), self._readable)

    def close(self) -> None:
        if not self.is_open:
            return
        self.is_open = False
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._socket.fileno())
        loop.remove_writer(self._socket.fileno())
        self._socket.close()
        for _, descriptors in self._outbox:
            close_all(descriptors)
        self._outbox.clear()

    def say(self, message: Message, descriptors: Sequence[int] = ()) -> None:
        """Send `message`, and copies of `descriptors` with it, as soon as there is room.

        Raises:
            ConnectionError: the other side is gone; `cut` has been called.
        """
        if not self.is_open:
            raise ConnectionResetError("closed")
        self._outbox.append((message, tuple(map(os.dup, descriptors))))
        self._flush()
        if not self.is_open:
            raise ConnectionResetError("closed")

    def _flush(self) -> None:
        loop = asyncio.get_running_loop()
        while self._outbox:
            message, descriptors = self._outbox[0]
            try:
                send(self._socket, message, descriptors)
            except BlockingIOError:
                loop.add_writer(self._socket.fileno(), self._flush)
                return
            except OSError:
                self._on_cut()
                return
            self._outbox.popleft()
            close_all(descriptors)
        loop.remove_writer(self._socket.fileno())

    def _readable(self) -> None:
        while self.is_open:
            try:
                received = receive(self._socket)
            except BlockingIOError:
                return
            except (OSError, ProtocolError) as exc:
                log.warning("supervisor.connection_broken", error=str(exc))
                received = None
            if received is None:
                self._on_cut()
                return
            message, descriptors = received
            self._hear(message, descriptors)
            if isinstance(message, Welcome):
                return  # whoever greeted looks at what is known before anything else happens

    def _on_cut(self) -> None:
        if self.is_open:
            self.close()
            self._cut()
