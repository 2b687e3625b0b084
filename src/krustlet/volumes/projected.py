"""Gather the files of a projected volume from everything that it is made of.

Leaves what the files of one source are to `payload.py`, and writing them to `atomic_writer.py`.

Source: kubernetes pkg/volume/projected/projected.go, `collectData`.
"""

import asyncio
from collections.abc import Callable

import msgspec

from krustlet.base import Instant, KrustletError
from krustlet.objects import (
    Allocatable,
    ConfigMap,
    ConfigMapProjection,
    Lookups,
    ObjectMissing,
    Pod,
    Secret,
    SecretProjection,
    ServiceAccountTokenProjection,
    VolumeProjection,
)
from krustlet.volumes import payload
from krustlet.volumes.atomic_writer import File, Files
from krustlet.volumes.errors import SetUpFailed
from krustlet.volumes.plan import Projected
from krustlet.volumes.tokens import Tokens


class Gathered(msgspec.Struct, frozen=True):
    """What a volume is to show.

    Attributes:
        renewal_at: when part of it will want to be renewed; None for never.
    """

    files: Files
    renewal_at: Instant | None = None


class Gatherer:
    """Asks for what volumes are made of."""

    def __init__(
        self, lookups: Lookups, tokens: Tokens, allocatable: Callable[[], Allocatable]
    ) -> None:
        self._lookups = lookups
        self._tokens = tokens
        self._allocatable = allocatable

    async def gather(self, pod: Pod, volume: Projected) -> Gathered:
        """The volume's files as they should be now; where paths are the same, the later source's.

        Raises:
            SetUpFailed: something of it cannot be had; tells of all that cannot.
        """
        parts = await asyncio.gather(
            *(self._part_or_error(pod, source, volume.default_mode) for source in volume.sources)
        )
        if errors := [part for part in parts if isinstance(part, KrustletError)]:
            raise SetUpFailed(volume.name, errors) from errors[0]
        sound = [part for part in parts if isinstance(part, Gathered)]
        files = {path: file for part in sound for path, file in part.files.items()}
        renewals = [part.renewal_at for part in sound if part.renewal_at is not None]
        return Gathered(files, min(renewals, default=None))

    async def _part_or_error(
        self, pod: Pod, source: VolumeProjection, default_mode: int
    ) -> Gathered | KrustletError:
        try:
            return await self._part(pod, source, default_mode)
        except KrustletError as exc:
            return exc

    async def _part(self, pod: Pod, source: VolumeProjection, default_mode: int) -> Gathered:
        if source.config_map is not None:
            return Gathered(await self._config_map(pod, source.config_map, default_mode))
        if source.secret is not None:
            return Gathered(await self._secret(pod, source.secret, default_mode))
        if source.downward_api is not None:
            items = source.downward_api.items
            allocatable = self._allocatable()
            return Gathered(payload.of_pod(pod, items, allocatable, default_mode=default_mode))
        if source.service_account_token is not None:
            return await self._token(pod, source.service_account_token, default_mode)
        return Gathered({})

    async def _config_map(
        self, pod: Pod, source: ConfigMapProjection, default_mode: int
    ) -> dict[str, File]:
        optional = bool(source.optional)
        try:
            config_map = await self._lookups.config_map(pod.namespace, source.name)
        except ObjectMissing:
            if not optional:
                raise
            config_map = ConfigMap()
        return payload.of_config_map(
            config_map, source.items, default_mode=default_mode, optional=optional
        )

    async def _secret(
        self, pod: Pod, source: SecretProjection, default_mode: int
    ) -> dict[str, File]:
        optional = bool(source.optional)
        try:
            secret = await self._lookups.secret(pod.namespace, source.name)
        except ObjectMissing:
            if not optional:
                raise
            secret = Secret()
        return payload.of_secret(secret, source.items, default_mode=default_mode, optional=optional)

    async def _token(
        self, pod: Pod, source: ServiceAccountTokenProjection, default_mode: int
    ) -> Gathered:
        held = await self._tokens.get(pod, source)
        mode = payload.token_mode(pod, default_mode)
        return Gathered({source.path: File(held.token.text.encode(), mode)}, held.renewal_at)
