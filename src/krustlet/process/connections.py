"""The supervisor's ends of its connections to kubelets.

Owns the listening socket and what waits to be told. Leaves what a message means to `supervisor`.
"""

import os
import selectors
import socket
import struct
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from krustlet.process.messages import (
    AnyMessage,
    Message,
    ProtocolError,
    close_all,
    receive,
    send,
)
from krustlet.process.notes import note

_UNREAD: Final = 10_000  # news kept for a kubelet that does not read; then it is cut off


class Connection:
    """A kubelet. It is told things in order, and never waited for."""

    def __init__(self, peer: socket.socket) -> None:
        self.socket = peer
        self._outbox: deque[tuple[Message, tuple[int, ...]]] = deque()

    def say(self, messages: Iterable[Message]) -> None:
        """Tell it all of `messages`, however many there are.

        Raises:
            OSError: it is gone.
        """
        self._outbox.extend((message, ()) for message in messages)
        self.flush()

    def tell(self, message: Message, descriptors: Sequence[int] = ()) -> None:
        """Tell it one more thing, and give it copies of `descriptors` with it.

        Raises:
            OSError: it is gone, or has not read for long.
        """
        if len(self._outbox) >= _UNREAD:
            raise BrokenPipeError("it does not read what it is told")
        self._outbox.append((message, tuple(map(os.dup, descriptors))))
        self.flush()

    def flush(self) -> None:
        while self._outbox:
            message, descriptors = self._outbox[0]
            try:
                send(self.socket, message, descriptors)
            except BlockingIOError:
                return
            self._outbox.popleft()
            close_all(descriptors)

    def close(self) -> None:
        self.socket.close()
        for _, descriptors in self._outbox:
            close_all(descriptors)

    @property
    def events(self) -> int:
        return selectors.EVENT_READ | (selectors.EVENT_WRITE if self._outbox else 0)


class Connections:
    """All kubelets that are connected: each is heard in turn, and told what happens."""

    def __init__(
        self,
        listener: socket.socket,
        selector: selectors.BaseSelector,
        obey: Callable[[Connection, AnyMessage, list[int]], None],
        on_left: Callable[[Connection], None],
    ) -> None:
        self._listener = listener
        self._selector = selector
        self._obey = obey
        self._on_left = on_left
        self._open: set[Connection] = set()
        self._greeted: set[Connection] = set()
        listener.setblocking(False)
        selector.register(listener, selectors.EVENT_READ, self._accept)

    def greet(self, connection: Connection) -> None:
        """Tell `connection` from now on what is told to all."""
        self._greeted.add(connection)

    def tell_all(self, message: Message) -> None:
        for connection in list(self._greeted):
            self.tell(connection, message)

    def tell(
        self, connection: Connection, message: Message, descriptors: Sequence[int] = ()
    ) -> None:
        """Tell one of them, if it is still there."""
        if connection not in self._open:
            return
        try:
            connection.tell(message, descriptors)
            self._watch(connection)
        except OSError as exc:
            self._drop(connection, exc)

    def _accept(self, _events: int) -> None:
        try:
            peer, _ = self._listener.accept()
        except OSError as exc:  # it has left already, or there is no descriptor for it
            note(f"a kubelet could not connect: {exc}")
            return
        if _peer_uid(peer) not in (0, os.getuid()):
            peer.close()
            return
        peer.setblocking(False)
        connection = Connection(peer)
        self._open.add(connection)
        self._selector.register(
            peer, connection.events, lambda events: self._serve(connection, events)
        )

    def _serve(self, connection: Connection, events: int) -> None:
        if connection not in self._open:
            return  # dropped since the selector saw it
        try:
            if events & selectors.EVENT_WRITE:
                connection.flush()
            if events & selectors.EVENT_READ:
                self._hear(connection)
            self._watch(connection)
        except (OSError, ProtocolError) as exc:
            self._drop(connection, exc)

    def _hear(self, connection: Connection) -> None:
        try:
            received = receive(connection.socket)
        except BlockingIOError:
            return
        if received is None:
            self._drop(connection)
            return
        message, descriptors = received
        try:
            self._obey(connection, message, descriptors)
        finally:
            close_all(descriptors)

    def _watch(self, connection: Connection) -> None:
        """Wait for room to write only while there is something to be written."""
        if connection not in self._open:
            return
        key = self._selector.get_key(connection.socket)
        if key.events != connection.events:
            self._selector.modify(connection.socket, connection.events, key.data)

    def _drop(self, connection: Connection, why: Exception | None = None) -> None:
        if connection not in self._open:
            return
        if why is not None:
            note(f"a kubelet's connection is cut: {why}")
        self._open.remove(connection)
        self._greeted.discard(connection)
        self._selector.unregister(connection.socket)
        connection.close()
        self._on_left(connection)


def _peer_uid(peer: socket.socket) -> int:
    credentials = peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    _, uid, _ = struct.unpack("3i", credentials)
    return int(uid)
