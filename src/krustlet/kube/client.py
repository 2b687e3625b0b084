"""The verbs of the API: get, list, create, patch, replace, delete, watch.

Owns paths, queries and bodies. Leaves sockets to `session.py`, and keeping up with a kind of
objects for ever to `reflector.py`.
"""

import random
from collections.abc import AsyncGenerator, Mapping
from enum import StrEnum
from typing import Any, Final, Self, TypeVar

import aiohttp
import msgspec
import structlog

from krustlet.kube.answers import Listing, ObjectId, decoded, decoded_page
from krustlet.kube.calls import JSON, Call, body_of, collection_path, object_path, selection
from krustlet.kube.config import KubeConfig
from krustlet.kube.errors import Gone
from krustlet.kube.limiter import RateLimiter
from krustlet.kube.session import Session
from krustlet.kube.watch import BrokenLine, LineSplitter, WatchEvent, decode_event
from krustlet.objects import Resource

T = TypeVar("T")
R = TypeVar("R")

FIELD_MANAGER: Final = "krustlet"

_REQUEST_WITHIN_S: Final = 30.0
_PAGE: Final = 500
_WATCH_AT_LEAST_S: Final = 300  # and at most twice that; nodes must not all come back at once
_WATCH_SILENCE_S: Final = 30.0  # beyond that time: the server should have ended the watch

log = structlog.get_logger(__name__)


class PatchKind(StrEnum):
    """How a patch is to be understood."""

    STRATEGIC = "application/strategic-merge-patch+json"
    MERGE = "application/merge-patch+json"
    JSON = "application/json-patch+json"
    APPLY = "application/apply-patch+yaml"  # JSON is YAML, too


class KubeClient:
    """Speaks to the API server of `config`; use as `async with`.

    All raise `ApiError`: what the server refused, or that it could not be reached in time. A name
    or namespace that cannot be one is a mistake of the caller: `ValueError`.
    """

    def __init__(
        self,
        config: KubeConfig,
        *,
        qps: float = 50.0,
        burst: float = 100.0,
        timeout_s: float = _REQUEST_WITHIN_S,
    ) -> None:
        """Keep what it is given.

        Args:
            qps: requests a second in the long run; 0: as many as one likes. Watches that begin
                are counted apart, so that many of them delay no request.
            burst: how many may go out at once.
            timeout_s: longest time for one answer, once the request is on its way.
        """
        self.config = config
        self._session = Session(config, timeout_s=timeout_s)
        self._requests = RateLimiter(qps=qps, burst=burst)
        self._watches = RateLimiter(qps=qps, burst=burst)

    async def __aenter__(self) -> Self:
        await self._session.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.__aexit__()

    # reading ----------------------------------------------------------------------------------

    async def get(
        self,
        resource: Resource[T],
        name: str,
        *,
        namespace: str = "",
        params: Mapping[str, str] | None = None,
    ) -> T:
        """The object of that name."""
        return await self._object(
            resource, Call("GET", object_path(resource, namespace, name, "", params))
        )

    async def list(
        self,
        resource: Resource[T],
        *,
        namespace: str = "",
        field_selector: str = "",
        label_selector: str = "",
    ) -> Listing[T]:
        """All objects that the selectors choose, of one namespace or of all of them."""
        params = selection(field_selector, label_selector)
        try:
            return await self._pages(resource, namespace, {**params, "limit": str(_PAGE)})
        except Gone:  # it took so long that the server forgot how things were at the beginning
            return await self._pages(resource, namespace, params)

    async def watch(
        self,
        resource: Resource[T],
        *,
        namespace: str = "",
        field_selector: str = "",
        label_selector: str = "",
        resource_version: str = "",
    ) -> AsyncGenerator[WatchEvent[T], None]:
        """What happens after `resource_version`, for as long as one connection lasts.

        It ends without an error when the server ends it, after five to ten minutes, and when the
        connection breaks: the caller goes on from the last event's resource version.

        Raises:
            Gone: `resource_version` is too old; list again.
            UnreadableAnswer: an object does not look as its kind should.
        """
        lasts_s = random.randint(_WATCH_AT_LEAST_S, 2 * _WATCH_AT_LEAST_S)  # noqa: S311 - no secret
        params = {
            **selection(field_selector, label_selector),
            "watch": "true",
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(lasts_s),
            "resourceVersion": resource_version,
        }
        await self._watches.pass_through()
        call = Call("GET", collection_path(resource, namespace, params))
        lines = LineSplitter()
        async with self._session.stream(call, silence_s=lasts_s + _WATCH_SILENCE_S) as stream:
            try:
                async for chunk in stream.iter_any():
                    for line in lines.feed(chunk):
                        if (event := decode_event(line, resource.type)) is not None:
                            yield event
            except (aiohttp.ClientError, OSError, BrokenLine) as exc:
                log.debug("kube.watch_broken", resource=resource.plural, error=repr(exc))

    # writing ----------------------------------------------------------------------------------

    async def create(
        self,
        resource: Resource[T],
        obj: object,
        *,
        namespace: str = "",
        params: Mapping[str, str] | None = None,
    ) -> T:
        """The object as the server made it.

        Args:
            obj: a shape, or anything else that JSON can say; kind and apiVersion may be left out.
        """
        path = collection_path(resource, namespace, params)
        call = Call("POST", path, body_of(resource, obj), JSON, repeatable=False)
        return await self._object(resource, call)

    async def create_sub(
        self,
        resource: Resource[Any],
        name: str,
        subresource: str,
        obj: object,
        answer: type[R],
        *,
        namespace: str = "",
    ) -> R:
        """What the server says to `obj`, such as the token that a TokenRequest asks for."""
        path = object_path(resource, namespace, name, subresource)
        call = Call("POST", path, msgspec.json.encode(obj), JSON, repeatable=False)
        return decoded(await self._exchange(call), answer, call)

    async def patch(
        self,
        resource: Resource[T],
        name: str,
        patch: Any,
        *,
        namespace: str = "",
        subresource: str = "",
        kind: PatchKind = PatchKind.STRATEGIC,
        field_manager: str = "",
        force: bool = False,
    ) -> T:
        """The object as it is now.

        Args:
            patch: what JSON can say, or the JSON itself as bytes.
            field_manager: whom the server notes down for the fields; `krustlet` if not said.
            force: take fields over from others, where the kind is `APPLY`.
        """
        params = {}
        if field_manager or kind is PatchKind.APPLY:  # from others it takes our User-Agent's
            params["fieldManager"] = field_manager or FIELD_MANAGER
        if force:
            params["force"] = "true"
        call = Call(
            "PATCH",
            object_path(resource, namespace, name, subresource, params),
            patch if isinstance(patch, bytes) else msgspec.json.encode(patch),
            kind.value,
            repeatable=kind is not PatchKind.JSON,  # that one may add to the end of a list
        )
        return await self._object(resource, call)

    async def replace(
        self,
        resource: Resource[T],
        name: str,
        obj: object,
        *,
        namespace: str = "",
        subresource: str = "",
    ) -> T:
        """The object as it is now; a `Conflict` if `obj` is of an older resource version."""
        path = object_path(resource, namespace, name, subresource)
        return await self._object(resource, Call("PUT", path, body_of(resource, obj), JSON))

    async def delete(
        self,
        resource: Resource[Any],
        name: str,
        *,
        namespace: str = "",
        grace_period_s: int | None = None,
        uid: str = "",
        resource_version: str = "",
    ) -> None:
        """The object is gone, or going.

        Args:
            grace_period_s: None: as the object says itself; 0: at once.
            uid: only this one, and not a later one of the name; a `Conflict` otherwise.
            resource_version: only if it is as it was then; a `Conflict` otherwise.
        """
        options: dict[str, Any] = {"kind": "DeleteOptions", "apiVersion": "v1"}
        if grace_period_s is not None:
            options["gracePeriodSeconds"] = grace_period_s
        required = {"uid": uid, "resourceVersion": resource_version}
        if preconditions := {key: value for key, value in required.items() if value}:
            options["preconditions"] = preconditions
        path = object_path(resource, namespace, name)
        await self._exchange(Call("DELETE", path, msgspec.json.encode(options), JSON))

    # how --------------------------------------------------------------------------------------

    async def _object(self, resource: Resource[T], call: Call) -> T:
        return decoded(await self._exchange(call), resource.type, call)

    async def _exchange(self, call: Call) -> bytes:
        await self._requests.pass_through()
        return await self._session.exchange(call)

    async def _pages(
        self, resource: Resource[T], namespace: str, params: Mapping[str, str]
    ) -> Listing[T]:
        items: list[T] = []
        unreadable: list[ObjectId] = []
        more = ""
        while True:
            asked = {**params, "continue": more} if more else params
            call = Call("GET", collection_path(resource, namespace, asked))
            page, not_understood = decoded_page(await self._exchange(call), resource.type, call)
            items += page.items or ()
            unreadable += not_understood
            if not (more := page.metadata.more):
                return Listing(tuple(items), page.metadata.resource_version, tuple(unreadable))
