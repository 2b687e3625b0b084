"""What this room needs from outside: the API server, and somebody to tell."""

from collections.abc import Mapping
from typing import Any, Protocol, TypeVar

from krustlet.kube import PatchKind, Source
from krustlet.objects import Resource

T = TypeVar("T")
R = TypeVar("R")


class Api(Source, Protocol):
    """Of a `KubeClient`, what an administrator's work takes."""

    async def get(
        self,
        resource: Resource[T],
        name: str,
        *,
        namespace: str = "",
        params: Mapping[str, str] | None = None,
    ) -> T: ...

    async def create(
        self,
        resource: Resource[T],
        obj: object,
        *,
        namespace: str = "",
        params: Mapping[str, str] | None = None,
    ) -> T: ...

    async def create_sub(
        self,
        resource: Resource[Any],
        name: str,
        subresource: str,
        obj: object,
        answer: type[R],
        *,
        namespace: str = "",
    ) -> R: ...

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
    ) -> T: ...

    async def replace(
        self,
        resource: Resource[T],
        name: str,
        obj: object,
        *,
        namespace: str = "",
        subresource: str = "",
    ) -> T: ...

    async def delete(
        self,
        resource: Resource[Any],
        name: str,
        *,
        namespace: str = "",
        grace_period_s: int | None = None,
        uid: str = "",
        resource_version: str = "",
    ) -> None: ...


class Voice(Protocol):
    """Whoever reads along."""

    def say(self, text: str) -> None:
        """Something was done, or is waited for."""
        ...

    def warn(self, text: str, hint: str = "") -> None:
        """Something is not as one would think."""
        ...
