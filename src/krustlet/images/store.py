"""Keep pulled modules on disk, addressed by digest.

Owns everything under `<root>`: the blobs, the parts of those on their way, and the index that says
which image is what. Several processes may share it. Leaves talking to registries to `registry.py`
and the choice of when to pull to `remote.py`.
"""

import asyncio
import contextlib
import fcntl
import os
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Final

import msgspec
import structlog

from krustlet.base import make_private_directory, write_atomically
from krustlet.images.manifest import Descriptor
from krustlet.images.parts import Part, is_whole, receiving, sweep, unusable
from krustlet.images.reference import RegistryReference

_BLOBS: Final = "blobs/sha256"
_PARTS: Final = "parts"
_INDEX: Final = "index.json"
_LOCK: Final = "lock"
_VERSION: Final = 1

log = structlog.get_logger(__name__)


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """An image that is here.

    Attributes:
        manifest: the digest that the registry knows it by; that of the index, if it has one.
        layer: the digest of the module.
        size_bytes: of the module.
        title: the file name it was pushed under; empty, if none.
    """

    manifest: str
    layer: str
    size_bytes: int
    title: str = ""
    media_type: str = ""


class StoredImage(msgspec.Struct, frozen=True, kw_only=True):
    """What a node's status tells of an image.

    Attributes:
        names: canonical references, those with a digest first.
    """

    names: tuple[str, ...]
    size_bytes: int


class _Index(msgspec.Struct, frozen=True, kw_only=True):
    """The file: digests of manifests by the names they are known by, and what they stand for."""

    version: int = _VERSION
    names: dict[str, str] = {}
    images: dict[str, Record] = {}


class Store:
    """Modules by digest, and images by name; made on disk when it is first used."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._index = _Index()
        self._seen: tuple[int, int, int] | None = None
        self._is_open = False
        self._opening = asyncio.Lock()
        self._turn = threading.RLock()  # of threads that read or write the index

    async def find(self, image: RegistryReference) -> Record | None:
        """The image of that name, if all of it is here. Costs one look at the module's size.

        By its digest, too, an image is known only in the repositories it was found in: a registry
        that lies about what it has must not give away what came from another.
        """
        await self._open()
        record = self._find(image)
        if record is None and self._signature() != self._seen:  # another process knows more
            await asyncio.to_thread(self._read)
            record = self._find(image)
        return record

    async def keep(self, image: RegistryReference, record: Record) -> None:
        """Know `record`, whose module is here, by the name of `image`, and by that of its digest.

        Raises:
            StoreUnusable: the disk is full, or worse; it is not known by that name then.
        """
        await self._open()
        names = _names(image, record)
        known = [self._index.names.get(name) for name in names]
        if known == [record.manifest] * len(names):
            return
        with unusable(self._root / _INDEX):
            await asyncio.to_thread(self._keep, names, record)
        log.info("image.kept", image=str(image), digest=record.manifest)

    @contextlib.asynccontextmanager
    async def receive(self, blob: Descriptor) -> AsyncIterator[Part | None]:
        """Where to write `blob`; None if it is here. Ends with `finish(blob_path(…))`.

        Raises:
            StoreUnusable: the disk is full, or worse.
        """
        await self._open()
        path = self.blob_path(blob.digest)
        async with receiving(self._root / _PARTS, blob, there=path) as part:
            yield part

    def blob_path(self, digest: str) -> Path:
        """Where the blob is, or would be."""
        return self._root / _BLOBS / digest.removeprefix("sha256:")

    async def images(self) -> list[StoredImage]:
        """All that is here, the largest first."""
        await self._open()
        if self._signature() != self._seen:
            await asyncio.to_thread(self._read)
        index = self._index
        names: dict[str, list[str]] = {}
        for name, manifest in index.names.items():
            names.setdefault(manifest, []).append(name)
        found = [
            StoredImage(
                names=tuple(sorted(names[manifest], key=lambda name: ("@" not in name, name))),
                size_bytes=record.size_bytes,
            )
            for manifest, record in index.images.items()
            if manifest in names and self._is_whole(record)
        ]
        return sorted(found, key=lambda image: (-image.size_bytes, image.names))

    def _find(self, image: RegistryReference) -> Record | None:
        record = self._index.images.get(self._index.names.get(_name(image), ""))
        return record if record is not None and self._is_whole(record) else None

    def _is_whole(self, record: Record) -> bool:
        return is_whole(self.blob_path(record.layer), record.size_bytes)

    # the files --------------------------------------------------------------------------------

    async def _open(self) -> None:
        if self._is_open:
            return
        async with self._opening:
            if not self._is_open:
                with unusable(self._root / _INDEX):
                    await asyncio.to_thread(self._make)
                self._is_open = True

    def _make(self) -> None:
        make_private_directory(self._root / _BLOBS)
        make_private_directory(self._root / _PARTS)
        sweep(self._root / _PARTS)
        self._read()

    def _read(self) -> None:
        """Take the index as it is on disk; one that makes no sense counts for nothing, as all that
        it knows can be had again."""
        with self._turn:
            signature = self._signature()
            try:
                index = msgspec.json.decode((self._root / _INDEX).read_bytes(), type=_Index)
            except FileNotFoundError:
                index = _Index()
            except msgspec.MsgspecError as exc:
                log.warning("image.index_unreadable", path=str(self._root / _INDEX), error=str(exc))
                index = _Index()
            if index.version != _VERSION:
                log.warning("image.index_of_other_version", version=index.version)
                index = _Index()
            self._index, self._seen = index, signature

    def _keep(self, names: list[str], record: Record) -> None:
        with self._turn, self._locked():
            self._read()  # what others have added meanwhile
            old = self._index
            named = {**old.names, **dict.fromkeys(names, record.manifest)}
            images = {**old.images, record.manifest: record}
            index = _Index(names=named, images=images)
            data = msgspec.json.format(msgspec.json.encode(index))
            write_atomically(self._root / _INDEX, data, durable=True)
            self._index, self._seen = index, self._signature()

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        lock = os.open(self._root / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)  # never held for longer than it takes to write
            yield
        finally:
            os.close(lock)

    def _signature(self) -> tuple[int, int, int] | None:
        try:
            status = (self._root / _INDEX).stat()
        except FileNotFoundError:
            return None
        return (status.st_ino, status.st_size, status.st_mtime_ns)


def _name(image: RegistryReference) -> str:
    """The one name that decides: a tag beside a digest does not."""
    repository = f"{image.registry}/{image.repository}"
    return f"{repository}@{image.digest}" if image.digest else f"{repository}:{image.tag}"


def _names(image: RegistryReference, record: Record) -> list[str]:
    by_digest = f"{image.registry}/{image.repository}@{record.manifest}"
    return list(dict.fromkeys([_name(image), by_digest]))
