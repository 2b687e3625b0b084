"""Find what pods refer to by name, by asking the API server.

Owns how often it is asked: all who want the same object at the same time share one answer, and none
gets an answer that was given before he asked. Nothing is kept.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, Protocol, TypeVar

from krustlet.base import Instant
from krustlet.kube import ApiError, Forbidden, NotFound
from krustlet.objects import (
    CONFIG_MAPS,
    SECRETS,
    SERVICE_ACCOUNTS,
    BoundObjectReference,
    ConfigMap,
    LookupFailed,
    ObjectError,
    ObjectMissing,
    Pod,
    Resource,
    Secret,
    Shape,
    Token,
    TokenRequest,
    TokenRequestSpec,
    from_rfc3339,
)
from krustlet.sources.sharing import Shared

# After a pod was bound here it takes the server's node authorizer a moment to hear of it, and until
# then it lets us read nothing for that pod.
_PAUSES_S: Final = (0.05, 0.1, 0.2, 0.4, 0.6, 0.65)
_NO_NAMES: Final = ("", ".", "..")  # a pod may have them, and no object has
_DEFAULT_ACCOUNT: Final = "default"

T = TypeVar("T")
R = TypeVar("R")


class Client(Protocol):
    """Of a `KubeClient`, what is needed here."""

    async def get(self, resource: Resource[T], name: str, *, namespace: str = "") -> T: ...

    async def create_sub(
        self,
        resource: Resource[Any],
        name: str,
        subresource: str,
        obj: Shape,
        answer: type[R],
        *,
        namespace: str = "",
    ) -> R: ...


class ApiLookups:
    """What is true in the cluster when it is asked, or a moment later."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._config_maps: Shared[ConfigMap] = Shared()
        self._secrets: Shared[Secret] = Shared()

    async def config_map(self, namespace: str, name: str) -> ConfigMap:
        return await self._get(self._config_maps, CONFIG_MAPS, namespace, name)

    async def secret(self, namespace: str, name: str) -> Secret:
        return await self._get(self._secrets, SECRETS, namespace, name)

    async def service_account_token(
        self, pod: Pod, *, audiences: Sequence[str], expiration_s: int | None
    ) -> Token:
        request = TokenRequest(
            spec=TokenRequestSpec(
                audiences=tuple(audiences),
                expiration_seconds=expiration_s,
                bound_object_ref=BoundObjectReference(
                    kind=pod.kind, api_version=pod.api_version, name=pod.name, uid=pod.uid
                ),
            )
        )

        async def ask() -> TokenRequest:
            return await self._client.create_sub(
                SERVICE_ACCOUNTS,
                pod.spec.service_account_name or _DEFAULT_ACCOUNT,
                "token",
                request,
                TokenRequest,
                namespace=pod.namespace,
            )

        try:
            # The server looks for the pod, too, and it may not have heard of it either.
            return _token(await _patiently(ask, Forbidden, NotFound))
        except (ApiError, ObjectError) as exc:
            raise LookupFailed(f"failed to fetch token: {exc.message}", hint=exc.hint) from exc

    async def _get(self, shared: Shared[T], resource: Resource[T], namespace: str, name: str) -> T:
        kind = resource.kind.lower()
        if name in _NO_NAMES:
            raise ObjectMissing(kind, namespace=namespace, name=name)

        async def ask() -> T:
            return await self._client.get(resource, name, namespace=namespace)

        try:
            return await _patiently(lambda: shared.answer((namespace, name), ask), Forbidden)
        except NotFound as exc:
            raise ObjectMissing(kind, namespace=namespace, name=name) from exc
        except ApiError as exc:
            raise LookupFailed(exc.message, hint=exc.hint) from exc


async def _patiently(ask: Callable[[], Awaitable[T]], *too_early: type[ApiError]) -> T:
    """The answer; while it is one of `too_early`, ask again for a while."""
    for pause_s in _PAUSES_S:
        try:
            return await ask()
        except too_early:
            await asyncio.sleep(pause_s)
    return await ask()


def _token(granted: TokenRequest) -> Token:
    expires_at = from_rfc3339(granted.status.expiration_timestamp or "")
    lasts_s = granted.spec.expiration_seconds or 0
    return Token(
        text=granted.status.token,
        issued_at=Instant(expires_at - lasts_s),
        expires_at=expires_at,
    )
