"""Streams as numbered channels of one WebSocket.

Owns the subprotocols of remote commands: which there are, and what each message means.

Source: k8s.io/streaming pkg/httpstream/wsstream/conn.go, the kubelet's
`remotecommand.createWebSocketStreams`, and for `v5` client-go tools/remotecommand/websocket.go.
"""

import base64
import binascii
from collections.abc import Mapping
from typing import Any, Final

import msgspec
from aiohttp import WSMsgType, web

from krustlet.server.relay import InputEnded, Resized, Typed, Word
from krustlet.server.remote_status import RemoteStatus
from krustlet.server.stream_query import StreamQuery

_STDIN: Final = 0
_ERROR: Final = 3
_RESIZE: Final = 4
_NUMBERS: Final = {"stdout": 1, "stderr": 2}
_CLOSE: Final = 255  # and the channel that is closed
_LARGEST_SIZE: Final = 0xFFFF
_LARGEST_MESSAGE: Final = 32 << 20  # as Go's server takes them; kubectl sends 32 KiB
_UNSENT_BYTES: Final = 64 * 1024
_CLOSED_WITHIN_S: Final = 1.0  # for a client to say good-bye, too


class Subprotocol(msgspec.Struct, frozen=True):
    """How channels are written.

    Attributes:
        is_text: base64 after a digit, in place of bytes after a byte.
        has_status: how it ended is told as JSON, of a success too; else failures as text.
        can_close: single channels can be closed.
    """

    is_text: bool = False
    has_status: bool = False
    can_close: bool = False


SUBPROTOCOLS: Final[Mapping[str, Subprotocol]] = {
    "v5.channel.k8s.io": Subprotocol(has_status=True, can_close=True),
    "v4.channel.k8s.io": Subprotocol(has_status=True),
    "v4.base64.channel.k8s.io": Subprotocol(is_text=True, has_status=True),
    "channel.k8s.io": Subprotocol(),
    "base64.channel.k8s.io": Subprotocol(is_text=True),
    "": Subprotocol(),
}
"""By name; the empty one is meant where none is named."""


def chosen(offered: str | None) -> str | None:
    """The first of the client's subprotocols that is known; None if it knows other ones only.

    Args:
        offered: the header, or several in one.
    """
    names = [name.strip() for name in offered.split(",")] if offered else [""]
    return next((name for name in names if name in SUBPROTOCOLS), None)


class Channels:
    """A `Wire` that is a WebSocket."""

    def __init__(self, request: web.Request, name: str, query: StreamQuery) -> None:
        """Keep what it is given.

        Args:
            name: of the subprotocol that was chosen.
        """
        self._request = request
        self._protocol = SUBPROTOCOLS[name]
        self._shown = [n for s, n in _NUMBERS.items() if getattr(query, s)]
        self._socket = web.WebSocketResponse(
            protocols=(name,) if name else (),
            compress=False,
            max_msg_size=_LARGEST_MESSAGE,
            writer_limit=_UNSENT_BYTES,
            timeout=_CLOSED_WITHIN_S,
        )

    async def open(self) -> web.WebSocketResponse:
        """Shake hands; an empty message then says that there is somebody at the other end.

        Raises:
            HTTPBadRequest: it is no WebSocket that the client asked for.
        """
        await self._socket.prepare(self._request)
        await self._send(min(self._shown, default=_ERROR), b"")
        return self._socket

    async def receive(self) -> Word | None:
        while True:
            message = await self._socket.receive()
            if message.type not in (WSMsgType.BINARY, WSMsgType.TEXT):
                return None  # closed, or no WebSocket any more
            data = message.data.encode() if isinstance(message.data, str) else message.data
            if (word := read_message(data, self._protocol)) is not None:
                return word

    async def send(self, stream: str, data: bytes) -> None:
        await self._send(_NUMBERS[stream], data)

    async def finish(self, status: RemoteStatus) -> None:
        """Tell how it ended, and close.

        Raises:
            ConnectionError: they are gone.
        """
        if self._protocol.has_status:
            await self._send(_ERROR, status.json)
        elif status.text:
            await self._send(_ERROR, status.text.encode())
        await self._socket.close()

    async def _send(self, channel: int, data: bytes) -> None:
        if self._protocol.is_text:
            await self._socket.send_str(f"{channel}{base64.b64encode(data).decode()}")
        else:
            await self._socket.send_bytes(bytes((channel,)) + data)


def read_message(message: bytes, protocol: Subprotocol) -> Word | None:
    """What a client's message says; None for one that says nothing to us, as in Kubernetes."""
    if not message:
        return None
    channel, data = message[0], message[1:]
    if protocol.can_close and channel == _CLOSE:
        return InputEnded() if data == bytes((_STDIN,)) else None
    if protocol.is_text:
        channel -= ord("0")
        try:
            data = base64.b64decode(data, validate=True)
        except binascii.Error:
            return None
    if channel == _STDIN:
        return Typed(data)
    return _size(data) if channel == _RESIZE else None


def _size(data: bytes) -> Resized | None:
    try:
        told = msgspec.json.decode(data, type=dict[str, Any])
    except msgspec.DecodeError:
        return None
    sizes = {name.lower(): size for name, size in told.items()}  # Go takes either case
    columns, rows = _whole(sizes.get("width")), _whole(sizes.get("height"))
    return Resized(columns, rows) if columns and rows else None


def _whole(number: Any) -> int:
    """A size of a terminal; 0 for what is none."""
    return number if type(number) is int and 0 < number <= _LARGEST_SIZE else 0
