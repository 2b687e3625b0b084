"""Bring images to this node when a container needs them.

Owns the choice of where an image comes from. Leaves the finding and hashing of local files to
`local.py`, and what is pulled from registries, and when, to `remote.py`.
"""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from krustlet.images.ensured import DEFAULT_PARALLEL_PULLS, Ensured
from krustlet.images.errors import LocalImagesForbidden, RegistryUnsupported
from krustlet.images.keyring import Keyring
from krustlet.images.local import Image
from krustlet.images.reference import LocalReference, parse_reference
from krustlet.objects import PullPolicy

if TYPE_CHECKING:
    from krustlet.images.remote import RemoteImages, Source
    from krustlet.images.store import Store, StoredImage


class LocalSource(Protocol):
    """Where files of this node come from; see `LocalImages`."""

    async def resolve(self, reference: LocalReference, *, relative_to: Path) -> Image: ...


def _nobody_cares() -> None: ...


class Puller:
    """Make an image be on this node, wherever it comes from."""

    def __init__(
        self,
        local: LocalSource | None = None,
        *,
        store: "Store | None" = None,
        registry: "Source | None" = None,
        keyring: Keyring | None = None,
        parallel_pulls: int = DEFAULT_PARALLEL_PULLS,
    ) -> None:
        """Keep what it is given.

        Args:
            local: None, where pods may not run files of this node.
            store: where images of registries are kept; without it and `registry`, there are none.
            registry: where they come from.
            keyring: the node's own credentials, tried after those that come with a pod.
            parallel_pulls: how many modules are downloaded at once.
        """
        self._local = local
        self._remote: RemoteImages | None = None
        if store is not None and registry is not None:
            # Here, as local files need no HTTP, and it takes a while to load.
            from krustlet.images import remote

            self._remote = remote.RemoteImages(
                store, registry, keyring=keyring, parallel_pulls=parallel_pulls
            )

    async def obtain(
        self,
        reference_text: str,
        *,
        policy: PullPolicy,
        relative_to: Path,
        keyring: Keyring | None = None,
        on_pulling: Callable[[], None] = _nobody_cares,
    ) -> Ensured:
        """The image that `reference_text` names, on this node, and how it came.

        Whoever asks for the same shares the work; cancelled, all others go on.

        Args:
            policy: of no account for local files, which are always there and always looked at.
                Always asks the registry each time what a tag stands for, and downloads only what
                is missing; what a digest stands for never changes.
            relative_to: where the path of a local image begins: the directory of the manifest.
            keyring: credentials that come with the pod; each that fits is tried in turn.
            on_pulling: called before a registry is asked for anything.

        Raises:
            InvalidImageName: the text names no image.
            LocalImagesForbidden, ImageNotFound, ImageUnreadable: the local file cannot be used.
            ImageNeverPull: it is not here, and must not be pulled.
            NotInRegistry, AccessDenied, RegistryUnavailable, RegistryUntrusted,
                RegistryAnswerInvalid, DigestMismatch: the registry will not or cannot send it.
            NoWasmInImage: it holds nothing that can run here.
            StoreUnusable: it cannot be kept.
        """
        reference = parse_reference(reference_text)
        if isinstance(reference, LocalReference):
            if self._local is None:
                raise LocalImagesForbidden(reference)
            return Ensured(image=await self._local.resolve(reference, relative_to=relative_to))
        if self._remote is None:
            raise RegistryUnsupported(reference)
        return await self._remote.obtain(
            reference,
            text=reference_text,
            policy=policy,
            keyring=keyring or Keyring.empty(),
            on_pulling=on_pulling,
        )

    async def images(self) -> "list[StoredImage]":
        """The images of registries that are on this node, the largest first."""
        return await self._remote.images() if self._remote is not None else []
