"""A registry without a network, which counts what it is asked and does as it is told."""

import asyncio
import contextlib
import hashlib
import json
from collections import Counter
from collections.abc import AsyncIterator

from krustlet.images import (
    AccessDenied,
    Credentials,
    NotInRegistry,
    RegistryReference,
    RegistryUnavailable,
)
from krustlet.images.manifest import Descriptor
from krustlet.images.registry import BlobStream, Fetched

MANIFEST = "application/vnd.oci.image.manifest.v1+json"


def digest_of(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


class FakeSource:
    """Holds images under `<repository>:<tag>`.

    Attributes:
        asked: how often for what: `head`, `manifest`, `blob`.
        takes_s: how long each blob is on its way.
        breaks_at: where each of the next blobs breaks off.
        does_parts: whether a blob may begin anywhere but at its start.
        user: the only one who is let in, if any.
    """

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        self.takes_s = 10.0
        self.breaks_at: list[int] = []
        self.does_parts = True
        self.offsets: list[int] = []
        self.user = ""
        self.running = self.most_running = 0
        self._tags: dict[str, str] = {}
        self._manifests: dict[str, bytes] = {}
        self._blobs: dict[str, bytes] = {}

    def put(self, name: str, module: bytes, *, says: bytes | None = None) -> str:
        """Have an image; `says` is what the manifest speaks of, where that is another module."""
        told = module if says is None else says
        layer = {"mediaType": "application/wasm", "digest": digest_of(told), "size": len(told)}
        body = json.dumps({"schemaVersion": 2, "mediaType": MANIFEST, "layers": [layer]}).encode()
        self._blobs[digest_of(told)] = module
        self._manifests[digest_of(body)] = body
        self._tags[name] = digest_of(body)
        return digest_of(body)

    async def digest_of(
        self, image: RegistryReference, which: str, credentials: Credentials
    ) -> str | None:
        self.asked["head"] += 1
        await asyncio.sleep(1)
        return self._find(image, which, credentials)

    async def manifest(
        self, image: RegistryReference, which: str, credentials: Credentials
    ) -> Fetched:
        self.asked["manifest"] += 1
        await asyncio.sleep(1)
        digest = self._find(image, which, credentials)
        return Fetched(self._manifests[digest], digest, MANIFEST)

    @contextlib.asynccontextmanager
    async def blob(
        self,
        image: RegistryReference,
        blob: Descriptor,
        credentials: Credentials,
        *,
        offset: int = 0,
    ) -> AsyncIterator[BlobStream]:
        self.asked["blob"] += 1
        self.offsets.append(offset)
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        try:
            await asyncio.sleep(self.takes_s)
            begins = offset if self.does_parts else 0
            yield _Stream(self._blobs[blob.digest], begins, self.breaks_at)
        finally:
            self.running -= 1

    def _find(self, image: RegistryReference, which: str, credentials: Credentials) -> str:
        if self.user and credentials.username != self.user:
            raise AccessDenied(
                image, registry=image.registry, with_credentials=bool(credentials.username)
            )
        digest = which if ":" in which else self._tags.get(f"{image.repository}:{which}", "")
        if digest not in self._manifests:
            raise NotInRegistry(image)
        return digest


class _Stream(BlobStream):
    def __init__(self, data: bytes, offset: int, breaks_at: list[int]) -> None:
        self.offset = offset
        self._data = data
        self._breaks_at = breaks_at

    async def chunks(self) -> AsyncIterator[bytes]:
        if not self._breaks_at:
            yield self._data[self.offset :]
            return
        yield self._data[self.offset : self._breaks_at.pop(0)]
        raise RegistryUnavailable("the connection broke")
