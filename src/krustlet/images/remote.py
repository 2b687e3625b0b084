"""Pull images from registries, when they are needed and no more often than that.

Owns what each pull policy means, which credentials are tried, how many downloads run at once, and
going on with those that broke off. Leaves the protocol to `registry.py` and the disk to `store.py`.
"""

import asyncio
from collections.abc import Callable, Iterable
from contextlib import AbstractAsyncContextManager
from pathlib import PurePosixPath
from typing import Final, Protocol

import msgspec
import structlog

from krustlet.images.ensured import DEFAULT_PARALLEL_PULLS, Ensured
from krustlet.images.errors import (
    AccessDenied,
    DigestMismatch,
    ImageError,
    ImageNeverPull,
    NotInRegistry,
    RegistryAnswerInvalid,
    RegistryUnavailable,
)
from krustlet.images.flights import Flights
from krustlet.images.keyring import Credentials, Keyring
from krustlet.images.local import Image
from krustlet.images.manifest import Descriptor, Module, find_module
from krustlet.images.parts import Part
from krustlet.images.reference import RegistryReference
from krustlet.images.registry import BlobStream, Fetched
from krustlet.images.store import Record, Store, StoredImage
from krustlet.objects import PullPolicy

_MAX_DEPTH: Final = 3  # an index of indexes is legal; one in circles is not
_MAX_FRUITLESS_TRIES: Final = 3
_RETRY_S: Final = 0.5

log = structlog.get_logger(__name__)


class Source(Protocol):
    """Where images come from; see `Registry`."""

    async def digest_of(
        self, image: RegistryReference, which: str, credentials: Credentials
    ) -> str | None: ...

    async def manifest(
        self, image: RegistryReference, which: str, credentials: Credentials
    ) -> Fetched: ...

    def blob(
        self,
        image: RegistryReference,
        blob: Descriptor,
        credentials: Credentials,
        *,
        offset: int = 0,
    ) -> AbstractAsyncContextManager[BlobStream]: ...


class _Pulled(msgspec.Struct, frozen=True):
    record: Record
    queued_s: float


class RemoteImages:
    """Images of registries, kept in a store."""

    def __init__(
        self,
        store: Store,
        source: Source,
        *,
        keyring: Keyring | None = None,
        parallel_pulls: int = DEFAULT_PARALLEL_PULLS,
    ) -> None:
        """Keep what it is given.

        Args:
            keyring: the node's own credentials, tried after those that come with a pod.
            parallel_pulls: how many modules are downloaded at once.
        """
        self._store = store
        self._source = source
        self._keyring = keyring or Keyring.empty()
        self._slots = asyncio.Semaphore(parallel_pulls)
        self._pulls: Flights[object, _Pulled] = Flights("image.pull")
        self._downloads: Flights[str, float] = Flights("image.download")

    async def obtain(
        self,
        reference: RegistryReference,
        *,
        text: str,
        policy: PullPolicy,
        keyring: Keyring,
        on_pulling: Callable[[], None],
    ) -> Ensured:
        """See `Puller.obtain`."""
        may_be_here = policy is not PullPolicy.ALWAYS or reference.digest is not None
        if may_be_here and (record := await self._store.find(reference)) is not None:
            return Ensured(image=self._image(reference, record))
        if policy is PullPolicy.NEVER:
            raise ImageNeverPull(text)
        on_pulling()
        loop = asyncio.get_running_loop()
        begun = loop.time()
        pulled = await self._pull(reference, policy, self._credentials(reference, keyring))
        waited_s = loop.time() - begun
        took_s = max(0.0, waited_s - pulled.queued_s)
        return Ensured(
            image=self._image(reference, pulled.record),
            pulled=True,
            took_s=took_s,
            waited_s=waited_s,
        )

    async def images(self) -> list[StoredImage]:
        """All that is here; see `Store.images`."""
        return await self._store.images()

    def _image(self, reference: RegistryReference, record: Record) -> Image:
        repository = f"{reference.registry}/{reference.repository}"
        return Image(
            reference=str(reference),
            digest=record.layer,
            path=str(self._store.blob_path(record.layer)),
            size_bytes=record.size_bytes,
            entrypoint_name=record.title or f"{PurePosixPath(reference.repository).name}.wasm",
            image_id=f"{repository}@{record.manifest}",
        )

    def _credentials(
        self, reference: RegistryReference, keyring: Keyring
    ) -> tuple[Credentials, ...]:
        found = [*keyring.look_up(reference), *self._keyring.look_up(reference)]
        return tuple(dict.fromkeys(found)) or (Credentials(),)

    # the pull ---------------------------------------------------------------------------------

    async def _pull(
        self,
        reference: RegistryReference,
        policy: PullPolicy,
        all_credentials: Iterable[Credentials],
    ) -> _Pulled:
        credentials = tuple(all_credentials)
        if policy is PullPolicy.ALWAYS:
            # On its own: who asks now must not be answered what was true a moment ago.
            return await self._try_each(reference, credentials, ask_first=True)
        return await self._pulls.join(
            (reference, credentials),
            lambda: self._try_each(reference, credentials, ask_first=False),
        )

    async def _try_each(
        self, reference: RegistryReference, credentials: tuple[Credentials, ...], *, ask_first: bool
    ) -> _Pulled:
        refused: ImageError | None = None
        for candidate in credentials:
            try:
                return await self._pull_with(reference, candidate, ask_first=ask_first)
            except (AccessDenied, NotInRegistry) as exc:  # some deny by saying that it is not there
                refused = refused or exc
        assert refused is not None
        raise refused

    async def _pull_with(
        self, reference: RegistryReference, credentials: Credentials, *, ask_first: bool
    ) -> _Pulled:
        which = reference.digest or reference.tag
        assert which is not None
        if ask_first and reference.digest is None:
            digest = await self._source.digest_of(reference, which, credentials)
            if digest is not None:
                which = digest
                known = msgspec.structs.replace(reference, digest=digest)
                if (record := await self._store.find(known)) is not None:
                    await self._store.keep(reference, record)
                    return _Pulled(record, queued_s=0.0)
        top, module = await self._module(reference, which, credentials)
        layer = module.layer
        queued_s = await self._downloads.join(
            layer.digest, lambda: self._download(reference, layer, credentials)
        )
        record = Record(
            manifest=top.digest,
            layer=layer.digest,
            size_bytes=layer.size,
            title=module.title,
            media_type=layer.media_type,
        )
        await self._store.keep(reference, record)
        return _Pulled(record, queued_s)

    async def _module(
        self, reference: RegistryReference, which: str, credentials: Credentials
    ) -> tuple[Fetched, Module]:
        """The manifest asked for, and the module that it leads to."""
        top = fetched = await self._source.manifest(reference, which, credentials)
        for _ in range(_MAX_DEPTH):
            found = find_module(reference, fetched.body, content_type=fetched.content_type)
            if isinstance(found, Module):
                return top, found
            fetched = await self._source.manifest(reference, found.digest, credentials)
        raise RegistryAnswerInvalid(f"{reference}: its index leads to indexes only")

    async def _download(
        self, reference: RegistryReference, blob: Descriptor, credentials: Credentials
    ) -> float:
        """All of `blob` is in the store; returns how long it waited for others to make room."""
        loop = asyncio.get_running_loop()
        begun = loop.time()
        async with self._slots:
            queued_s = loop.time() - begun
            async with self._store.receive(blob) as part:
                if part is not None:
                    await part.recall()
                    await self._fill_and_finish(part, reference, blob, credentials)
                    took_s = round(loop.time() - begun - queued_s, 3)
                    size = blob.size
                    log.info("image.pulled", image=str(reference), size_bytes=size, took_s=took_s)
        return queued_s

    async def _fill_and_finish(
        self, part: Part, reference: RegistryReference, blob: Descriptor, credentials: Credentials
    ) -> None:
        path = self._store.blob_path(blob.digest)
        went_on = part.offset > 0
        await self._fill(part, reference, blob, credentials)
        try:
            await part.finish(path)
        except DigestMismatch as exc:
            if not went_on:
                raise DigestMismatch(reference, expected=blob.digest, found=exc.found) from exc
            # What an earlier try had left may be to blame: a power cut spoils what was written.
            await self._fill_and_finish(part, reference, blob, credentials)

    async def _fill(
        self, part: Part, reference: RegistryReference, blob: Descriptor, credentials: Credentials
    ) -> None:
        """All bytes have come; going on where a connection broke off, while that gets further."""
        fruitless = 0
        while part.offset < blob.size:
            had = part.offset
            try:
                await self._fetch(part, reference, blob, credentials)
            except RegistryUnavailable as exc:
                fruitless = fruitless + 1 if part.offset <= had else 0
                if fruitless >= _MAX_FRUITLESS_TRIES:
                    raise
                log.debug("image.resumed", image=str(reference), at=part.offset, error=str(exc))
                await asyncio.sleep(_RETRY_S)

    async def _fetch(
        self, part: Part, reference: RegistryReference, blob: Descriptor, credentials: Credentials
    ) -> None:
        source = self._source
        async with source.blob(reference, blob, credentials, offset=part.offset) as stream:
            if stream.offset != part.offset:
                await part.begin_again()
            async for chunk in stream.chunks():
                await part.write(chunk)
        if part.offset < blob.size:
            raise RegistryUnavailable(
                f"{reference}: {reference.registry} sent {part.offset} bytes of {blob.size}"
            )
