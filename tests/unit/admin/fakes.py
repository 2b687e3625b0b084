"""An API server in memory, and somebody who listens: what this room's tests hand in."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from typing import Any

import msgspec

from krustlet.kube import Listing, NotFound, PatchKind, WatchEvent, WatchType
from krustlet.objects import ObjectMeta, Resource

_Key = tuple[str, str, str]


class Listener:
    """Remembers all that was said."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.warned: list[str] = []

    def say(self, text: str) -> None:
        self.said.append(text)

    def warn(self, text: str, hint: str = "") -> None:
        self.warned.append(f"{text} | {hint}" if hint else text)


class MemoryApi:
    """Keeps objects, and tells of changes; `faults` are raised in place of answers, once each.

    Attributes:
        calls: what was asked for, as `verb plural name`.
        faults: by such a call, what to raise the next times.
        on_call: told of each call before it is answered.
    """

    def __init__(self) -> None:
        self.objects: dict[_Key, Any] = {}
        self.calls: list[str] = []
        self.faults: dict[str, list[Exception]] = {}
        self.on_call: Callable[[str], None] = lambda _: None
        self._events: list[tuple[str, WatchEvent[Any]]] = []
        self._news = asyncio.Event()
        self._version = 0

    def put(self, resource: Resource[Any], obj: Any, *, gone: bool = False) -> Any:
        """The object is there, or gone, and whoever watches hears of it."""
        self._version += 1
        version = str(self._version)
        metadata: ObjectMeta = msgspec.structs.replace(
            obj.metadata, resource_version=version, uid=obj.metadata.uid or f"uid-{version}"
        )
        new = msgspec.structs.replace(obj, metadata=metadata)
        key = (resource.plural, metadata.namespace, metadata.name)
        kind = WatchType.MODIFIED if key in self.objects else WatchType.ADDED
        if gone:
            kind = WatchType.DELETED
            del self.objects[key]
        else:
            self.objects[key] = new
        self._events.append((resource.plural, WatchEvent(kind, new, version)))
        self._news.set()
        return new

    async def get(
        self,
        resource: Resource[Any],
        name: str,
        *,
        namespace: str = "",
        params: Mapping[str, str] | None = None,
    ) -> Any:
        self._called("get", resource, name)
        return self._there(resource, namespace, name)

    async def list(
        self,
        resource: Resource[Any],
        *,
        namespace: str = "",
        field_selector: str = "",
        label_selector: str = "",
    ) -> Listing[Any]:
        self._called("list", resource, "")
        found = [obj for (plural, _, _), obj in self.objects.items() if plural == resource.plural]
        chosen = tuple(obj for obj in found if _is_chosen(obj, field_selector))
        return Listing(chosen, str(self._version))

    async def watch(
        self,
        resource: Resource[Any],
        *,
        namespace: str = "",
        field_selector: str = "",
        label_selector: str = "",
        resource_version: str = "",
    ) -> AsyncGenerator[WatchEvent[Any], None]:
        seen = 0
        while True:
            while seen < len(self._events):
                plural, event = self._events[seen]
                seen += 1
                is_new = int(event.resource_version) > int(resource_version)
                if (
                    plural == resource.plural
                    and is_new
                    and _is_chosen(event.object, field_selector)
                ):
                    yield event
            self._news.clear()
            await self._news.wait()

    async def create(
        self,
        resource: Resource[Any],
        obj: Any,
        *,
        namespace: str = "",
        params: Mapping[str, str] | None = None,
    ) -> Any:
        self._called("create", resource, obj.metadata.name)
        return self.put(resource, obj)

    async def create_sub(
        self,
        resource: Resource[Any],
        name: str,
        subresource: str,
        obj: Any,
        answer: type[Any],
        *,
        namespace: str = "",
    ) -> Any:
        self._called(subresource, resource, name)
        there = self._there(resource, namespace, name)
        return self.put(resource, there, gone=True)

    async def patch(
        self,
        resource: Resource[Any],
        name: str,
        patch: Any,
        *,
        namespace: str = "",
        subresource: str = "",
        kind: PatchKind = PatchKind.STRATEGIC,
        field_manager: str = "",
        force: bool = False,
    ) -> Any:
        self._called("patch", resource, name)
        if kind is PatchKind.APPLY:
            return self.put(resource, msgspec.convert(patch, resource.type))
        merged = _merged(msgspec.to_builtins(self._there(resource, namespace, name)), patch)
        return self.put(resource, msgspec.convert(merged, resource.type))

    async def replace(
        self,
        resource: Resource[Any],
        name: str,
        obj: Any,
        *,
        namespace: str = "",
        subresource: str = "",
    ) -> Any:
        self._called("replace", resource, name)
        self._there(resource, namespace, name)
        return self.put(resource, obj)

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
        self._called("delete", resource, name)
        self.put(resource, self._there(resource, namespace, name), gone=True)

    def _called(self, verb: str, resource: Resource[Any], name: str) -> None:
        call = f"{verb} {resource.plural} {name}".rstrip()
        self.calls.append(call)
        self.on_call(call)
        if waiting := self.faults.get(call):
            raise waiting.pop(0)

    def _there(self, resource: Resource[Any], namespace: str, name: str) -> Any:
        try:
            return self.objects[resource.plural, namespace, name]
        except KeyError:
            raise NotFound(f"{resource.plural} {name!r} not found", status=404) from None


def _is_chosen(obj: Any, selector: str) -> bool:
    field, _, value = selector.partition("=")
    if field == "metadata.name":
        return bool(obj.metadata.name == value)
    if field == "spec.nodeName":
        return bool(obj.spec.node_name == value)
    return True


def _merged(into: Any, patch: Any) -> Any:
    if not isinstance(patch, dict):
        return patch
    return {**into, **{key: _merged(into.get(key, {}), value) for key, value in patch.items()}}
