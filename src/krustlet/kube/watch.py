"""What comes over one watch: lines of JSON, cut anywhere, into events.

Owns the form. Leaves connections to `session.py`, and what to do when a watch ends to
`reflector.py`.
"""

from enum import StrEnum
from typing import Final, Generic, TypeVar

import msgspec

from krustlet.kube.answers import decoder_of
from krustlet.kube.errors import Status, UnreadableAnswer, error_from_status
from krustlet.objects import Shape

T = TypeVar("T")


class WatchType(StrEnum):
    """What happened to an object; a bookmark tells only how far the watch has come."""

    ADDED = "ADDED"
    MODIFIED = "MODIFIED"
    DELETED = "DELETED"
    BOOKMARK = "BOOKMARK"


class WatchEvent(msgspec.Struct, Generic[T], frozen=True):
    """One line of a watch.

    Attributes:
        object: None in a bookmark; in a deletion, the object as it was last.
        resource_version: where a watch that is to go on after this event begins.
    """

    type: WatchType
    object: T | None
    resource_version: str


class BrokenLine(Exception):
    """The line is no JSON: something on the way has cut the stream, and nothing after it counts."""


class LineSplitter:
    """Puts lines together; the work is proportional to the bytes, however long a line is."""

    def __init__(self) -> None:
        self._begun: list[bytes] = []

    def feed(self, chunk: bytes) -> list[bytes]:
        """The lines that are complete with `chunk`, without their ends; empty ones are left out."""
        *lines, rest = chunk.split(b"\n")
        if lines and self._begun:
            lines[0] = b"".join((*self._begun, lines[0]))
            self._begun.clear()
        if rest:
            self._begun.append(rest)
        return [line for line in lines if line]


class _Envelope(Shape, frozen=True, kw_only=True):
    type: str
    object: msgspec.Raw


class _Version(Shape, frozen=True, kw_only=True):
    resource_version: str = ""


class _Versioned(Shape, frozen=True, kw_only=True):
    metadata: _Version = _Version()


_envelope_decoder: Final = msgspec.json.Decoder(_Envelope)
_version_decoder: Final = msgspec.json.Decoder(_Versioned)
_status_decoder: Final = msgspec.json.Decoder(Status)


def decode_event(line: bytes, kind: type[T]) -> WatchEvent[T] | None:
    """What `line` says; None where it is of a sort that this version of us does not know.

    Raises:
        BrokenLine: it is no JSON.
        UnreadableAnswer: it is, but not what `kind` should look like.
        ApiError: the server ends the watch, and says why; `Gone` where it began too far back.
    """
    try:
        envelope = _envelope_decoder.decode(line)
        if envelope.type == "ERROR":
            raise error_from_status(_status_decoder.decode(envelope.object))
        version = _version_decoder.decode(envelope.object).metadata.resource_version
        if envelope.type not in WatchType.__members__:
            return None
        seen = WatchType(envelope.type)
        if seen is WatchType.BOOKMARK:
            return WatchEvent(seen, None, version)
        return WatchEvent(seen, decoder_of(kind).decode(envelope.object), version)
    except msgspec.ValidationError as exc:
        raise UnreadableAnswer(f"an event of the watch is not understood: {exc}") from exc
    except msgspec.DecodeError as exc:
        raise BrokenLine from exc
