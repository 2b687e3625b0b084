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
        path = "".join(f"/{quote(part, safe='')}" for part in parts)
        with self._answer(f"{path}?{urlencode(query)}", follow=follow) as answer:
            while chunk := answer.read1(_READ_BYTES):
                yield chunk

    @contextlib.contextmanager
    def _answer(self, target: str, *, follow: bool = False) -> Iterator[HTTPResponse]:
        connection = _Connection(self.path)
        try:
            with connection.answer(target, follow=follow) as answer:
                yield answer
        except (HTTPException, ConnectionError, TimeoutError) as exc:
            raise NodeLost(
                f"the node at {self.path} went away before its answer was complete",
                hint="it may have been stopped: try again",
            ) from exc
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

    def answer(self, target: str, *, follow: bool) -> HTTPResponse:
        self.request("GET", target)
        answer = self.getresponse()
        if answer.status != HTTPStatus.OK:
            text = answer.read().decode(errors="replace").strip()
            raise NodeRefused(text or f"the node answered {answer.status}")
        if follow:
            self.sock.settimeout(None)  # a container may be silent for days
        return answer


def one_of(pods: Sequence[Pod], *, namespace: str, name: str) -> Pod | None:
    """The pod of that name; None if there is none."""
    return next((p for p in pods if p.namespace == namespace and p.name == name), None)
