"""The client's side of a WebSocket, on a socket that waits for nobody.

Owns frames. With the standard library alone, as its users start fast.

Source: RFC 6455.
"""

import base64
import hashlib
import os
import socket
import struct
from collections.abc import Iterator
from typing import Final, NamedTuple

_CONTINUATION: Final = 0x0
_TEXT: Final = 0x1
_BINARY: Final = 0x2
_CLOSE: Final = 0x8
_PING: Final = 0x9
_PONG: Final = 0xA
_FINAL: Final = 0x80
_MASKED: Final = 0x80
_OPCODE: Final = 0x0F
_LENGTH: Final = 0x7F
_SHORT: Final = 126  # the length follows in two bytes
_LONG: Final = 127  # … in eight
_LONGEST_BYTES: Final = 64 << 20
_READ_BYTES: Final = 64 * 1024
# RFC 6455 wants payloads masked, against proxies that could take them for requests. Between two
# processes of a machine there is none, and masking with zeros leaves them as they are.
_NO_MASK: Final = bytes(4)
_MAGIC: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class ProtocolBroken(Exception):
    """What came is no frame that a server may send."""


class Frame(NamedTuple):
    """One frame, and how many bytes it took."""

    is_final: bool
    opcode: int
    payload: bytes
    size: int


def new_key() -> str:
    """What a server is asked to prove itself with."""
    return base64.b64encode(os.urandom(16)).decode()


def accepted(key: str) -> str:
    """What a server answers to `key` that knows WebSockets."""
    digest = hashlib.sha1(key.encode() + _MAGIC, usedforsecurity=False).digest()
    return base64.b64encode(digest).decode()


class WebSocket:
    """Messages out of a connection, and into it as far as it takes them."""

    def __init__(self, connection: socket.socket, early: bytes = b"") -> None:
        """Keep what it is given.

        Args:
            connection: beyond the handshake.
            early: what was read of it already.
        """
        connection.setblocking(False)
        self._connection = connection
        self._come = bytearray(early)
        self._message = bytearray()
        self._unsent = bytearray()
        self._is_over = False
        self.is_open = True
        """Whether messages may still come."""

    def fileno(self) -> int:
        """To wait for it."""
        return self._connection.fileno()

    @property
    def unsent_bytes(self) -> int:
        """What the connection has not taken yet."""
        return len(self._unsent)

    def send(self, message: bytes) -> None:
        """Put a message with the others that go as soon as they can."""
        self._unsent += frame(_BINARY, message)
        self.flush()

    def flush(self) -> None:
        """Send what the connection takes."""
        while self._unsent:
            try:
                sent = self._connection.send(self._unsent)
            except BlockingIOError:
                return
            except ConnectionError:  # what they said before is still to be read
                self._unsent.clear()
                return
            del self._unsent[:sent]

    def receive(self) -> Iterator[bytes]:
        """The messages that have come.

        Raises:
            ProtocolBroken: something else has.
        """
        self._read()
        while self.is_open and (found := parse(self._come)) is not None:
            del self._come[: found.size]
            if found.opcode == _CLOSE:
                self._unsent += frame(_CLOSE, found.payload[:2])
                self.flush()
                self.is_open = False
            elif found.opcode == _PING:
                self._unsent += frame(_PONG, found.payload)
                self.flush()
            elif found.opcode in (_TEXT, _BINARY, _CONTINUATION):
                self._message += found.payload
                if found.is_final:
                    message = bytes(self._message)
                    self._message.clear()
                    yield message
        if self._is_over:
            self.is_open = False

    def close(self) -> None:
        """Go away."""
        self.is_open = False
        self._connection.close()

    def _read(self) -> None:
        try:
            data = self._connection.recv(_READ_BYTES)
        except BlockingIOError:
            return
        except ConnectionError:
            data = b""
        self._come += data
        self._is_over = not data


def frame(opcode: int, payload: bytes) -> bytes:
    """A message in one frame, as a client sends it."""
    size = len(payload)
    if size < _SHORT:
        head = struct.pack("!BB", _FINAL | opcode, _MASKED | size)
    elif size <= 0xFFFF:
        head = struct.pack("!BBH", _FINAL | opcode, _MASKED | _SHORT, size)
    else:
        head = struct.pack("!BBQ", _FINAL | opcode, _MASKED | _LONG, size)
    return head + _NO_MASK + payload


def parse(data: bytes | bytearray) -> Frame | None:
    """The first frame of what a server sent; None if it has not come in full.

    Raises:
        ProtocolBroken: it is none.
    """
    if len(data) < 2:
        return None
    first, second = data[0], data[1]
    length, start = second & _LENGTH, 2
    if second & _MASKED or first & ~(_FINAL | _OPCODE):
        raise ProtocolBroken("a frame has bits that were not agreed on")
    if length >= _SHORT:
        size = 2 if length == _SHORT else 8
        if len(data) < start + size:
            return None
        length = int.from_bytes(data[start : start + size], "big")
        start += size
    if length > _LONGEST_BYTES:
        raise ProtocolBroken(f"a frame of {length} bytes")
    end = start + length
    if len(data) < end:
        return None
    return Frame(bool(first & _FINAL), first & _OPCODE, bytes(data[start:end]), end)
