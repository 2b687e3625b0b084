"""What a reflected kind of objects looks like now, and what has changed since.

Pure: lists and events go in, changes come out. Leaves getting them to `reflector.py`.
"""

from collections.abc import Iterator
from typing import Generic, Protocol, TypeAlias, TypeVar

import msgspec

from krustlet.kube.answers import Listing
from krustlet.kube.watch import WatchEvent, WatchType
from krustlet.objects import ObjectMeta


class Object(Protocol):
    """What has metadata, as all objects of the API have."""

    @property
    def metadata(self) -> ObjectMeta: ...


O = TypeVar("O", bound=Object)  # noqa: E741 - an object, not a zero


class Listed(msgspec.Struct, Generic[O], frozen=True):
    """All there is at first; what happens from now on follows.

    Attributes:
        is_complete: False where there are more, which could not be read.
    """

    objects: tuple[O, ...]
    is_complete: bool = True


class Applied(msgspec.Struct, Generic[O], frozen=True):
    """An object is new, or has changed."""

    object: O


class Removed(msgspec.Struct, Generic[O], frozen=True):
    """An object is gone; this is how it was last seen."""

    object: O


Change: TypeAlias = Listed[O] | Applied[O] | Removed[O]

_Key: TypeAlias = tuple[str, str]


class Mirror(Generic[O]):
    """The objects that are known, by namespace and name."""

    def __init__(self) -> None:
        self._known: dict[_Key, O] = {}
        self._is_empty_yet = True

    def take(self, listing: Listing[O]) -> Iterator[Change[O]]:
        """What is different from what was known, however much was missed since.

        An object that cannot be read any more stays as it was: it is not gone.
        """
        if self._is_empty_yet:
            self._is_empty_yet = False
            self._known = {_key(one): one for one in listing.items}
            yield Listed(listing.items, is_complete=not listing.unreadable)
            return
        there = {_key(one) for one in listing.items}
        there.update((one.namespace, one.name) for one in listing.unreadable)
        for key in [key for key in self._known if key not in there]:
            yield Removed(self._known.pop(key))
        for one in listing.items:
            yield from self._put(one)

    def note(self, event: WatchEvent[O]) -> Iterator[Change[O]]:
        """What is different after `event`; nothing if it is known already."""
        if event.object is None:
            return
        if event.type is not WatchType.DELETED:
            yield from self._put(event.object)
            return
        known = self._known.get(key := _key(event.object))
        if known is not None and _is_same(known, event.object):
            del self._known[key]
            yield Removed(event.object)

    def _put(self, one: O) -> Iterator[Change[O]]:
        known = self._known.get(key := _key(one))
        if known is not None and not _is_same(known, one):
            yield Removed(known)  # another one of that name: its deletion was missed
        elif known is not None and _version(known) == _version(one):
            return
        self._known[key] = one
        yield Applied(one)


def _key(one: Object) -> _Key:
    return one.metadata.namespace, one.metadata.name


def _is_same(one: Object, other: Object) -> bool:
    return one.metadata.uid == other.metadata.uid


def _version(one: Object) -> str:
    return one.metadata.resource_version
