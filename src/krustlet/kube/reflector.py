"""Keep up with a kind of objects, for ever: list once, then watch, whatever happens to the server.

Owns when to watch on, when to list again, and how long to wait. Leaves what has changed to
`changes.py`, and what came of one connection to `client.py`.
"""

import asyncio
import random
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Final, Protocol, TypeVar

import structlog

from krustlet.base import Backoff
from krustlet.kube.answers import Listing
from krustlet.kube.changes import Applied, Change, Listed, Mirror, O, Removed
from krustlet.kube.errors import ApiError, ApiUnavailable, Gone, UnreadableAnswer
from krustlet.kube.watch import WatchEvent
from krustlet.objects import Resource

T = TypeVar("T")

# Source: client-go tools/cache/reflector.go: 0.8 s, 30 s at most, and a watch that lasted less
# than a second and brought nothing counts as a failure.
_BACKOFF: Final = Backoff(initial_s=1.6, max_s=30.0)
_AT_LEAST: Final = 0.5  # of that, by chance, so that not all nodes come back at once
_HEALTHY_AFTER_S: Final = 60.0
_VERY_SHORT_S: Final = 1.0

log = structlog.get_logger(__name__)


class Source(Protocol):
    """Where lists and watches come from; see `KubeClient`."""

    async def list(
        self,
        resource: Resource[T],
        *,
        namespace: str = "",
        field_selector: str = "",
        label_selector: str = "",
    ) -> Listing[T]: ...

    def watch(
        self,
        resource: Resource[T],
        *,
        namespace: str = "",
        field_selector: str = "",
        label_selector: str = "",
        resource_version: str = "",
    ) -> AsyncGenerator[WatchEvent[T], None]: ...


def _nothing(_: ApiError) -> bool:
    return False


async def reflect(
    source: Source,
    resource: Resource[O],
    *,
    namespace: str = "",
    field_selector: str = "",
    label_selector: str = "",
    ends_with: Callable[[ApiError], bool] = _nothing,
) -> AsyncGenerator[Change[O], None]:
    """`Listed` once, as soon as the server answers; then each object that is applied or removed.

    Nothing is missed for good: what happened while the server was away is told afterwards, as
    the difference. Where an object was replaced by another of its name, `Removed` comes first.
    It never ends, and no error of the server ends it; they are logged.

    Args:
        ends_with: says of an error whether it is to end this after all; it is raised then.
    """
    chosen = {
        "namespace": namespace,
        "field_selector": field_selector,
        "label_selector": label_selector,
    }
    mirror: Mirror[O] = Mirror()
    pace = _Pace(resource.plural)
    version = ""
    while True:
        try:
            pace.begin()
            if not version:
                listing = await source.list(resource, **chosen)
                version = listing.resource_version
                pace.go_on()
                for change in mirror.take(listing):
                    yield change
                pace.begin()
            watch = source.watch(resource, **chosen, resource_version=version)
            async with aclosing(watch) as events:
                async for event in events:
                    version = event.resource_version
                    pace.go_on()
                    for change in mirror.note(event):
                        yield change
            pace.end()
        except ApiError as error:
            if ends_with(error):
                raise
            if isinstance(error, Gone | UnreadableAnswer):
                version = ""
            pace.fail(error)
        await asyncio.sleep(pace.rest_s())


async def reflect_one(
    source: Source,
    resource: Resource[O],
    name: str,
    *,
    ends_with: Callable[[ApiError], bool] = _nothing,
) -> AsyncGenerator[O | None, None]:
    """The object of that name as it is, then each change, for ever; None: it is not there, or gone.

    Of a kind that is in no namespace.

    Args:
        ends_with: as `reflect`.
    """
    only_it = f"metadata.name={name}"
    changes = reflect(source, resource, field_selector=only_it, ends_with=ends_with)
    async with aclosing(changes):
        async for change in changes:
            match change:
                case Listed(objects=objects):
                    yield objects[0] if objects else None
                case Applied(object=found):
                    yield found
                case Removed():
                    yield None


class _Pace:
    """How long to rest before the next try, and who is told of it."""

    def __init__(self, plural: str) -> None:
        self._log = log.bind(resource=plural)
        self._failures = 0
        self._began_at = 0.0
        self._error: ApiError | None = None
        self._told: tuple[type[ApiError], int] | None = None

    def begin(self) -> None:
        """A list or a watch is about to be asked for."""
        self._began_at = asyncio.get_running_loop().time()
        self._error = None

    def go_on(self) -> None:
        """The server answers."""
        if self._told is not None:
            self._told = None
            self._log.info("kube.reflect_resumed")

    def end(self) -> None:
        """The watch is over, as all are at some time."""
        lasted_s = self._lasted_s()
        if lasted_s >= _HEALTHY_AFTER_S:
            self._failures = 0
        elif lasted_s < _VERY_SHORT_S:
            self._failures += 1
            self._error = ApiUnavailable("the watch ended as soon as it began")
            self._tell(self._error)

    def fail(self, error: ApiError) -> None:
        """It was refused, or broke off with a reason."""
        if self._lasted_s() >= _HEALTHY_AFTER_S:
            self._failures = 0
        self._failures += 1
        self._error = error
        self._tell(error)

    def rest_s(self) -> float:
        """Nothing after a watch that ended in order, nor after the first that is too old."""
        if self._error is None:
            return 0.0
        tried = self._failures if isinstance(self._error, Gone) else self._failures + 1
        rest_s = _BACKOFF.wait_s(tried) * random.uniform(_AT_LEAST, 1.0)  # noqa: S311 - no secret
        return max(rest_s, self._error.retry_after_s or 0.0)

    def _lasted_s(self) -> float:
        return asyncio.get_running_loop().time() - self._began_at

    def _tell(self, error: ApiError) -> None:
        """Once for each kind of trouble, not for each try."""
        kind = type(error), error.status
        say = self._log.debug if kind == self._told else self._log.warning
        self._told = kind
        say("kube.reflect_failed", error=error.message, hint=error.hint, failures=self._failures)
