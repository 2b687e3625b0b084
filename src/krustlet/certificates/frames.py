"""Messages on a stream: each one behind its length."""

import socket
from typing import Final

_LENGTH_BYTES: Final = 4


def send(to: socket.socket, message: bytes) -> None:
    """It is on its way.

    Raises:
        OSError: nobody is there; `TimeoutError`: nobody reads.
    """
    to.sendall(len(message).to_bytes(_LENGTH_BYTES) + message)


def receive(where: socket.socket) -> bytes | None:
    """The next message; None if there will be none any more.

    Raises:
        OSError: as above.
    """
    length = _exactly(where, _LENGTH_BYTES)
    return None if length is None else _exactly(where, int.from_bytes(length))


def _exactly(where: socket.socket, size: int) -> bytes | None:
    parts = bytearray()
    while len(parts) < size:
        if not (part := where.recv(min(size - len(parts), 1 << 16))):
            return None
        parts += part
    return bytes(parts)
