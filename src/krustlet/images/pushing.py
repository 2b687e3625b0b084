"""Push a module to a registry, as the CNCF's wasm artifact.

Owns what such an artifact looks like, and the order of an upload. Leaves the requests to
`registry.py`.

Source: CNCF TAG Runtime, "Wasm OCI Artifact layout"; OCI distribution-spec v1.1, "Pushing a blob
monolithically" and "Pushing manifests".
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from functools import partial
from typing import Final
from urllib.parse import quote

import msgspec
import structlog
from yarl import URL

from krustlet.images.components import MAGIC, Interfaces, NotReadable, interfaces_of
from krustlet.images.errors import ImageError, RegistryAnswerInvalid, RegistryUnavailable
from krustlet.images.keyring import Credentials
from krustlet.images.manifest import (
    OCI_MANIFEST,
    TITLE,
    WASM_CONFIG,
    WASM_LAYER,
    Descriptor,
    Manifest,
)
from krustlet.images.reference import RegistryReference
from krustlet.images.registry import PUSH, Registry, complaint

_PIECE_BYTES: Final = 256 * 1024
_OCTETS: Final = {"Content-Type": "application/octet-stream"}

log = structlog.get_logger(__name__)


class NotAModule(ImageError):
    """What is to be pushed is no WebAssembly, or not all of it."""

    def __init__(self, name: str, wasm: bytes) -> None:
        why = "is no WebAssembly module or component"
        hint = "it should begin with \\0asm, or be text in a file whose name ends in .wat"
        if not wasm:
            why, hint = "is empty", "did the build get as far as writing it?"
        elif wasm.startswith(MAGIC):
            why = "begins like WebAssembly, and then breaks off or makes no sense"
            hint = "build or copy it again: it was cut short or damaged, or is too new a format"
        super().__init__(f"{name} {why}", hint=hint)


class Artifact(msgspec.Struct, frozen=True):
    """All that is pushed.

    Attributes:
        digest: of the manifest.
    """

    manifest: bytes
    digest: str
    config: tuple[Descriptor, bytes]
    layer: tuple[Descriptor, bytes]


class _Config(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    created: str
    architecture: str
    os: str
    layer_digests: list[str]
    component: Interfaces | None = None


def make_artifact(name: str, wasm: bytes, *, created: datetime) -> Artifact:
    """The artifact of a module or component.

    Args:
        name: of its file; what it will find as argv[0].
        created: with its time zone; part of what is pushed, so another time is another digest.

    Raises:
        NotAModule: `wasm` is neither, or not whole.
    """
    try:
        interfaces = interfaces_of(wasm)
    except NotReadable:
        raise NotAModule(name, wasm) from None
    layer = _describe(WASM_LAYER, wasm, annotations={TITLE: name})
    config = msgspec.json.encode(
        _Config(
            created=created.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            architecture="wasm",
            os="wasip1" if interfaces is None else "wasip2",
            layer_digests=[layer.digest],
            component=interfaces,
        )
    )
    described = _describe(WASM_CONFIG, config)
    manifest = _manifest(described, layer)
    return Artifact(manifest, _digest(manifest), (described, config), (layer, wasm))


def _manifest(config: Descriptor, layer: Descriptor) -> bytes:
    manifest = Manifest(media_type=OCI_MANIFEST, config=config, layers=[layer])
    fields = {"schemaVersion": manifest.schema_version, **msgspec.to_builtins(manifest)}
    return msgspec.json.encode(fields)


def _describe(
    media_type: str, data: bytes, *, annotations: dict[str, str] | None = None
) -> Descriptor:
    return Descriptor(media_type, _digest(data), len(data), annotations)


def _digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


class Pusher:
    """Gives a registry what it does not have yet."""

    def __init__(self, registry: Registry, image: RegistryReference, credentials: Credentials):
        self._registry = registry
        self._image = image
        self._credentials = credentials

    async def push(self, artifact: Artifact, *, on_sent: Callable[[int], None]) -> None:
        """The registry has the artifact, under the tag of the reference if it has one.

        Args:
            on_sent: told how many more bytes of the module were sent, or were there already.

        Raises:
            NotInRegistry, AccessDenied, RegistryUnavailable, RegistryUntrusted,
                RegistryAnswerInvalid: as they say; what was sent by then may stay there.
        """
        await self._blob(*artifact.layer, on_sent=on_sent)
        await self._blob(*artifact.config, on_sent=lambda _: None)
        await self._tag(artifact)

    async def _blob(self, blob: Descriptor, data: bytes, *, on_sent: Callable[[int], None]) -> None:
        if await self._has(blob):
            log.debug("push.blob_is_there", digest=blob.digest, media_type=blob.media_type)
            on_sent(len(data))
            return
        url = await self._begin_upload()
        glue = "&" if url.query_string else "?"
        target = f"{url}{glue}digest={quote(blob.digest, safe='')}"

        headers = {**_OCTETS, "Content-Length": str(len(data))}
        try:
            async with asyncio.timeout(self._registry.stall_s) as limit:
                body = partial(self._pieces, data, limit, on_sent)
                async with self._registry.request(
                    "PUT",
                    self._image,
                    target,
                    self._credentials,
                    headers=headers,
                    body=body,
                    scope=PUSH,
                ) as answer:
                    if answer.status != 201:
                        raise await complaint(self._image, answer, self._credentials)
        except TimeoutError as exc:
            raise RegistryUnavailable(
                f"{self._image}: {self._image.registry} has taken nothing for "
                f"{self._registry.stall_s:g} s"
            ) from exc
        log.debug("push.blob_sent", digest=blob.digest, size_bytes=len(data))

    async def _pieces(
        self, data: bytes, limit: asyncio.Timeout, on_sent: Callable[[int], None]
    ) -> AsyncIterator[bytes]:
        """The body; each piece that the registry takes puts the time limit off."""
        loop = asyncio.get_running_loop()
        for at in range(0, len(data), _PIECE_BYTES):
            piece = data[at : at + _PIECE_BYTES]
            yield piece
            limit.reschedule(loop.time() + self._registry.stall_s)
            on_sent(len(piece))
        limit.reschedule(None)  # from here on its silence is limited where its answer is read

    async def _has(self, blob: Descriptor) -> bool:
        async with self._registry.request(
            "HEAD", self._image, f"blobs/{blob.digest}", self._credentials, scope=PUSH
        ) as answer:
            if answer.status in (200, 404):
                return answer.status == 200
            raise await complaint(self._image, answer, self._credentials)

    async def _begin_upload(self) -> URL:
        async with self._registry.request(
            "POST", self._image, "blobs/uploads/", self._credentials, scope=PUSH
        ) as answer:
            if answer.status != 202:
                raise await complaint(self._image, answer, self._credentials)
            location = answer.headers.get("Location", "")
            if not location:
                raise RegistryAnswerInvalid(f"{self._image}: the registry does not say where to")
            there = answer.url.join(URL(location, encoded=True))
            if there.scheme == "http" != answer.url.scheme:
                # Many a registry behind a proxy does not know that it is spoken to with TLS.
                there = there.with_scheme("https")
            return there

    async def _tag(self, artifact: Artifact) -> None:
        which = self._image.tag or artifact.digest
        async with self._registry.request(
            "PUT",
            self._image,
            f"manifests/{which}",
            self._credentials,
            headers={"Content-Type": OCI_MANIFEST},
            body=artifact.manifest,
            scope=PUSH,
        ) as answer:
            if answer.status != 201:
                raise await complaint(self._image, answer, self._credentials)
