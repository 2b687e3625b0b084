"""Events: told to the API server once, counted when they come again, and never in a storm.

Owns which events were told, and how often. The bounds are those of a kubelet.

Source: client-go tools/record/events_cache.go; kubernetes pkg/kubelet/apis/config, `eventBurst`.
"""

import asyncio
from collections import OrderedDict
from typing import Any, Final, Protocol

import msgspec
import structlog

from krustlet.base import Clock, Instant
from krustlet.kube import ApiError, Forbidden, NamespaceEnding, NotFound
from krustlet.objects import (
    EVENTS,
    Event,
    EventSource,
    ObjectMeta,
    ObjectReference,
    Resource,
    to_rfc3339,
)

_COMPONENT: Final = "kubelet"
_KNOWN: Final = 4096  # events, and objects, that are remembered
_QUEUE: Final = 2000
_PER_OBJECT_BURST: Final = 25.0
_PER_OBJECT_REFILL_S: Final = 300.0
_SIMILAR: Final = 10  # different messages of one reason about one object, before they are combined
_SIMILAR_WITHIN_S: Final = 600.0
_COMBINED: Final = "(combined from similar events): "
_TRIES: Final = 12  # as client-go's `maxTriesPerEvent`
_RETRY_S: Final = 10.0
_MESSAGE_CHARS: Final = 1024

log = structlog.get_logger(__name__)


class Api(Protocol):
    """What is needed of `KubeClient`."""

    async def create(
        self, resource: Resource[Event], obj: object, *, namespace: str = ""
    ) -> Event: ...

    async def patch(
        self, resource: Resource[Event], name: str, patch: object, *, namespace: str = ""
    ) -> Event: ...


class _Key(msgspec.Struct, frozen=True):
    """What makes two events the same."""

    uid: str
    field_path: str
    type: str
    reason: str
    message: str


class _Known(msgspec.Struct):
    """An event that was told, or is about to be."""

    event: Event
    is_told: bool = False


class _Similar(msgspec.Struct):
    """The different messages of one reason about one object."""

    last: Instant
    messages: set[str]


class _Bucket(msgspec.Struct):
    """How much an object may still be told about."""

    tokens: float
    at: Instant


class EventRecorder:
    """Takes events in at any rate; `run` tells them, in order."""

    def __init__(self, api: Api, *, node: str, clock: Clock) -> None:
        """Keep what it is given.

        Args:
            api: with a rate limit of its own, so that events never hold up anything else.
            node: the name that events come from.
        """
        self._api = api
        self._node = node
        self._clock = clock
        self._known: OrderedDict[_Key, _Known] = OrderedDict()
        self._similar: OrderedDict[tuple[str, str, str], _Similar] = OrderedDict()
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()
        self._queue: asyncio.Queue[_Key] = asyncio.Queue(_QUEUE)
        self._queued: set[_Key] = set()
        self._is_forbidden = False

    def emit(self, about: ObjectReference, *, kind: str, reason: str, message: str) -> None:
        """Have it told, or counted; what is beyond the bounds is dropped.

        Args:
            kind: `Normal` or `Warning`.
        """
        now = self._clock.now()
        if not self._has_token(about.uid, now):
            log.debug("event.dropped", reason=reason, about=about.name)
            return
        key = _Key(about.uid, about.field_path, kind, reason, message)
        if self._is_one_of_many(key, now):
            key = msgspec.structs.replace(key, message=_COMBINED)
            message = _COMBINED + message
        self._count(key, about, message[:_MESSAGE_CHARS], now)
        if key in self._queued:
            return
        try:
            self._queue.put_nowait(key)
        except asyncio.QueueFull:
            log.warning("event.dropped", reason=reason, about=about.name)
        else:
            self._queued.add(key)

    async def run(self) -> None:
        """Tell them, until cancelled."""
        while True:
            key = await self._queue.get()
            self._queued.discard(key)
            if (known := self._known.get(key)) is not None:
                await self._tell(known)

    # counting ---------------------------------------------------------------------------------

    def _count(self, key: _Key, about: ObjectReference, message: str, now: Instant) -> None:
        time = to_rfc3339(now)
        known = self._known.get(key)
        if known is None:
            known = self._known[key] = _Known(self._new(key, about, message, now))
            _forget_oldest(self._known)
        else:
            known.event = msgspec.structs.replace(
                known.event, message=message, count=known.event.count + 1, last_timestamp=time
            )
            self._known.move_to_end(key)

    def _new(self, key: _Key, about: ObjectReference, message: str, now: Instant) -> Event:
        time = to_rfc3339(now)
        namespace = about.namespace or "default"
        return Event(
            metadata=ObjectMeta(name=f"{about.name}.{int(now * 1e9):x}", namespace=namespace),
            involved_object=about,
            reason=key.reason,
            message=message,
            source=EventSource(component=_COMPONENT, host=self._node),
            first_timestamp=time,
            last_timestamp=time,
            count=1,
            type=key.type,
            reporting_component=_COMPONENT,
            reporting_instance=self._node,
        )

    def _has_token(self, uid: str, now: Instant) -> bool:
        bucket = self._buckets.get(uid)
        if bucket is None:
            bucket = self._buckets[uid] = _Bucket(_PER_OBJECT_BURST, now)
            _forget_oldest(self._buckets)
        gained = max(0.0, now - bucket.at) / _PER_OBJECT_REFILL_S
        bucket.tokens = min(_PER_OBJECT_BURST, bucket.tokens + gained)
        bucket.at = now
        self._buckets.move_to_end(uid)
        if bucket.tokens < 1:
            return False
        bucket.tokens -= 1
        return True

    def _is_one_of_many(self, key: _Key, now: Instant) -> bool:
        """Whether its like has been told so often that it is only counted."""
        of = (key.uid, key.type, key.reason)
        similar = self._similar.get(of)
        if similar is None or now - similar.last > _SIMILAR_WITHIN_S:
            similar = self._similar[of] = _Similar(now, set())
            _forget_oldest(self._similar)
        similar.last = now
        if key.message not in similar.messages and len(similar.messages) >= _SIMILAR:
            return True
        similar.messages.add(key.message)
        return False

    # telling ----------------------------------------------------------------------------------

    async def _tell(self, known: _Known) -> None:
        for _ in range(_TRIES):
            try:
                await self._write(known)
            except NotFound:  # it has expired, or its namespace is gone
                if not known.is_told:
                    return
                known.is_told = False
            except ApiError as exc:
                if not exc.retryable:
                    self._note_refusal(known, exc)
                    return
                await asyncio.sleep(_RETRY_S)
            else:
                self._is_forbidden = False
                return
        log.warning("event.not_written", reason=known.event.reason)

    def _note_refusal(self, known: _Known, error: ApiError) -> None:
        """Whatever it is, it stays so. An administrator hears once of a right that is missing."""
        is_forbidden = isinstance(error, Forbidden) and not isinstance(error, NamespaceEnding)
        is_news = is_forbidden and not self._is_forbidden
        self._is_forbidden |= is_forbidden
        (log.warning if is_news else log.debug)(
            "event.refused", reason=known.event.reason, error=error.message, hint=error.hint
        )

    async def _write(self, known: _Known) -> None:
        event = known.event
        namespace = event.metadata.namespace
        if not known.is_told:
            await self._api.create(EVENTS, event, namespace=namespace)
            known.is_told = True
            return
        counted = {
            "count": event.count,
            "lastTimestamp": event.last_timestamp,
            "message": event.message,
        }
        await self._api.patch(EVENTS, event.metadata.name, counted, namespace=namespace)


def _forget_oldest(known: OrderedDict[Any, Any]) -> None:
    if len(known) > _KNOWN:
        known.popitem(last=False)
