"""Answers into values.

Lenient about what is new to us, as shapes are; strict about the rest. One object that does not
look as its kind should does not keep a list from being read.
"""

from typing import Any, Final, Generic, TypeVar

import msgspec
import structlog

from krustlet.kube.errors import UnreadableAnswer
from krustlet.objects import Shape

T = TypeVar("T")

log = structlog.get_logger(__name__)


class ObjectId(Shape, frozen=True, kw_only=True):
    """What tells an object from others of its kind."""

    name: str = ""
    namespace: str = ""
    uid: str = ""


class Listing(msgspec.Struct, Generic[T], frozen=True):
    """All objects there were at one moment.

    Attributes:
        items: in no order that means anything.
        resource_version: that moment: where a watch has to begin.
        unreadable: objects that are there, but do not look as their kind should.
    """

    items: tuple[T, ...]
    resource_version: str
    unreadable: tuple[ObjectId, ...] = ()


class ListMeta(Shape, frozen=True, kw_only=True):
    """What a page says about itself.

    Attributes:
        more: the token that gets the next page; empty in the last one.
    """

    resource_version: str = ""
    more: str = msgspec.field(default="", name="continue")


class Page(Shape, Generic[T], frozen=True, kw_only=True):
    """A part of a list, as it comes over the wire; Go may write an empty one as null."""

    metadata: ListMeta = ListMeta()
    items: tuple[T, ...] | None = None


class _Identified(Shape, frozen=True, kw_only=True):
    metadata: ObjectId = ObjectId()


_decoders: Final[dict[Any, msgspec.json.Decoder[Any]]] = {}


def decoder_of(kind: type[T]) -> msgspec.json.Decoder[T]:
    """The decoder of a type; made once, as that takes a thousand times longer than using it."""
    if (decoder := _decoders.get(kind)) is None:
        decoder = _decoders[kind] = msgspec.json.Decoder(kind)
    return decoder


def decoded(body: bytes, kind: type[T], what: object) -> T:
    """`body` as a value.

    Args:
        what: the request, for the error to name.

    Raises:
        UnreadableAnswer: it is none.
    """
    try:
        return decoder_of(kind).decode(body)
    except msgspec.MsgspecError as exc:
        raise UnreadableAnswer(f"{what}: the answer is not understood: {exc}") from exc


def decoded_page(body: bytes, kind: type[T], what: object) -> tuple[Page[T], tuple[ObjectId, ...]]:
    """`body` as a part of a list, and which of its objects do not look as their kind should.

    Raises:
        UnreadableAnswer: it is no list at all.
    """
    try:
        page: Page[T] = decoder_of(Page[kind]).decode(body)  # type: ignore[valid-type]
    except msgspec.ValidationError:
        return _one_by_one(body, kind, what)
    except msgspec.DecodeError as exc:
        raise UnreadableAnswer(f"{what}: the answer is not understood: {exc}") from exc
    return page, ()


def _one_by_one(body: bytes, kind: type[T], what: object) -> tuple[Page[T], tuple[ObjectId, ...]]:
    page = decoded(body, Page[msgspec.Raw], what)
    items: list[T] = []
    unreadable: list[ObjectId] = []
    for item in page.items or ():
        try:
            items.append(decoder_of(kind).decode(item))
        except msgspec.ValidationError as exc:
            found = decoded(bytes(item), _Identified, what).metadata
            unreadable.append(found)
            name = f"{found.namespace}/{found.name}".lstrip("/")
            log.error("kube.object_unreadable", kind=kind.__name__, object=name, error=str(exc))
    return Page(metadata=page.metadata, items=tuple(items)), tuple(unreadable)
