"""A cluster of a few objects, to look things up in."""

import asyncio
from collections.abc import Mapping, Sequence

from krustlet.base import Instant
from krustlet.objects import (
    ConfigMap,
    LookupFailed,
    ObjectMeta,
    ObjectMissing,
    Pod,
    Secret,
    Token,
)
from tests.support.virtual_time import EPOCH


class FakeLookups:
    """Knows what is put into it; by name, whatever the namespace.

    Attributes:
        asked: every question, in order: `configmap shop/settings`.
        unavailable: whether all questions fail.
        takes_s: how long each answer takes.
        life_s: of each token.
    """

    def __init__(
        self,
        config_maps: Mapping[str, ConfigMap] | None = None,
        secrets: Mapping[str, Secret] | None = None,
    ) -> None:
        self.config_maps = dict(config_maps or {})
        self.secrets = dict(secrets or {})
        self.asked: list[str] = []
        self.unavailable = False
        self.takes_s = 0.0
        self.life_s = 3607.0
        self.tokens = 0

    async def config_map(self, namespace: str, name: str) -> ConfigMap:
        await self._ask(f"configmap {namespace}/{name}")
        if name not in self.config_maps:
            raise ObjectMissing("configmap", namespace=namespace, name=name)
        return self.config_maps[name]

    async def secret(self, namespace: str, name: str) -> Secret:
        await self._ask(f"secret {namespace}/{name}")
        if name not in self.secrets:
            raise ObjectMissing("secret", namespace=namespace, name=name)
        return self.secrets[name]

    async def service_account_token(
        self, pod: Pod, *, audiences: Sequence[str], expiration_s: int | None
    ) -> Token:
        await self._ask(f"token {pod.name} {','.join(audiences)} {expiration_s}")
        self.tokens += 1
        now = self.now()
        return Token(
            text=f"token-{self.tokens}", issued_at=now, expires_at=Instant(now + self.life_s)
        )

    def now(self) -> Instant:
        return Instant(EPOCH + asyncio.get_running_loop().time())

    async def _ask(self, what: str) -> None:
        self.asked.append(what)
        if self.takes_s:
            await asyncio.sleep(self.takes_s)
        if self.unavailable:
            raise LookupFailed("the API server is away")


def a_config_map(name: str, **data: str | bytes) -> ConfigMap:
    return ConfigMap(
        metadata=ObjectMeta(name=name, namespace="shop"),
        data={key: value for key, value in data.items() if isinstance(value, str)},
        binary_data={key: value for key, value in data.items() if isinstance(value, bytes)},
    )


def a_secret(name: str, **data: bytes) -> Secret:
    return Secret(metadata=ObjectMeta(name=name, namespace="shop"), data=data)
