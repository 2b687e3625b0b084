"""Talk to the node that runs on this machine, over its socket.

With the standard library alone: commands that only ask start fast.
"""

import contextlib
import socket
from collections.abc import Iterator, Mapping, Sequence
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException, HTTPResponse
from pathlib import Path
from typing import Final
from urllib.parse import quote, urlencode

import msgspec

from krustlet.base import KrustletError
from krustlet.cli.websocket import WebSocket, accepted, new_key
from krustlet.objects import Pod
from krustlet.server import SOCKET_NAME, short_address
from krustlet.settings import default_data_dir

_LIMIT_S: Final = 30.0  # for an answer to begin, and for each part of one that is not followed
_READ_BYTES: Final = 64 * 1024


class NodeAbsent(KrustletError):
    """No node answers at the socket of a data directory."""


class NodeRefused(KrustletError):
    """The node answered, and not with what was asked for."""


class NodeLost(KrustletError):
    """The node went away in the middle of its answer."""


class _PodList(msgspec.Struct):
    items: list[Pod] = []


class LocalApi:
    """The API of the node that keeps its data in one directory."""

    def __init__(self, data_dir: Path | None) -> None:
        """Keep what it is given; None is the default directory."""
        self._data_dir = data_dir

    @property
    def path(self) -> Path:
        """The node's socket.

        Raises:
            NodeAbsent: there is no place for one.
        """
        try:
            return (self._data_dir or default_data_dir()).absolute() / SOCKET_NAME
        except RuntimeError as exc:
            raise NodeAbsent(f"no data directory: {exc}", hint="name it with --data-dir") from exc

    def pods(self) -> list[Pod]:
        """All pods of the node.

        Raises:
            NodeAbsent, NodeRefused, NodeLost: they cannot be had.
        """
        with self._answer("/pods") as answer:
            return msgspec.json.decode(answer.read(), type=_PodList).items

    def stream(
        self, *parts: str, query: Mapping[str, str], follow: bool = False
    ) -> Iterator[bytes]:
        """What the path of `parts` answers, as it comes.

        Raises:
            NodeAbsent, NodeRefused, NodeLost: it does not, or not to the end.
        """
        with self._answer(_target(parts, list(query.items())), follow=follow) as answer:
            while chunk := answer.read1(_READ_BYTES):
                yield chunk

    def change(self, method: str, *parts: str, query: Mapping[str, str]) -> Pod:
        """Have the node change the pod at the path of `parts`; returns it as it is then.

        Raises:
            NodeAbsent, NodeRefused, NodeLost: it does not.
        """
        target = _target(parts, list(query.items()))
        with self._answer(target, method=method, follow=True) as answer:
            return msgspec.json.decode(answer.read(), type=Pod)

    def converse(
        self, *parts: str, query: Sequence[tuple[str, str]], subprotocol: str
    ) -> WebSocket:
        """A WebSocket at the path of `parts`; whoever has it closes it.

        Raises:
            NodeAbsent, NodeRefused, NodeLost: it cannot be had.
        """
        connection = _Connection(self.path)
        try:
            return connection.upgrade(_target(parts, query), subprotocol)
        except (HTTPException, ConnectionError, TimeoutError) as exc:
            raise _lost(self.path) from exc
        finally:
            connection.close()

    @contextlib.contextmanager
    def _answer(
        self, target: str, *, method: str = "GET", follow: bool = False
    ) -> Iterator[HTTPResponse]:
        connection = _Connection(self.path)
        try:
            with connection.answer(target, method=method, follow=follow) as answer:
                yield answer
        except (HTTPException, ConnectionError, TimeoutError) as exc:
            raise _lost(self.path) from exc
        finally:
            connection.close()


class _Connection(HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=_LIMIT_S)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(_LIMIT_S)
        try:
            with short_address(self._path) as address:
                self.sock.connect(address)
        except PermissionError as exc:
            raise NodeAbsent(
                f"the node at {self._path} is another user's", hint="be that user, or root"
            ) from exc
        except OSError as exc:
            raise NodeAbsent(
                f"no node answers at {self._path}",
                hint="start one with `krustlet node`, or name its directory with --data-dir",
            ) from exc

    def answer(self, target: str, *, method: str, follow: bool) -> HTTPResponse:
        self.request(method, target)
        if follow:
            self.sock.settimeout(None)  # a container may be silent for days
        answer = self.getresponse()
        if answer.status != HTTPStatus.OK:
            raise _refusal(answer)
        return answer

    def upgrade(self, target: str, subprotocol: str) -> WebSocket:
        key = new_key()
        headers = {
            "Connection": "Upgrade",
            "Upgrade": "websocket",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": key,
            "Sec-WebSocket-Protocol": subprotocol,
        }
        self.request("GET", target, headers=headers)
        answer = self.getresponse()
        if answer.status != HTTPStatus.SWITCHING_PROTOCOLS:
            raise _refusal(answer)
        if answer.getheader("Sec-WebSocket-Accept") != accepted(key):
            raise HTTPException("whoever answered knows no WebSockets")
        connection = self.sock.dup()
        connection.setblocking(False)  # both: they are one to the kernel
        return WebSocket(connection, early=answer.fp.read1(_READ_BYTES))


def _target(parts: Sequence[str], query: Sequence[tuple[str, str]]) -> str:
    path = "".join(f"/{quote(part, safe='')}" for part in parts)
    return f"{path}?{urlencode(query)}"


def _refusal(answer: HTTPResponse) -> NodeRefused:
    text = answer.read().decode(errors="replace").strip()
    return NodeRefused(text or f"the node answered {answer.status}")


def _lost(path: Path) -> NodeLost:
    return NodeLost(
        f"the node at {path} went away before its answer was complete",
        hint="it may have been stopped: try again",
    )


def one_of(pods: Sequence[Pod], *, namespace: str, name: str) -> Pod | None:
    """The pod of that name; None if there is none."""
    return next((p for p in pods if p.namespace == namespace and p.name == name), None)
