"""Bring images to this node when a container needs them.

Owns the choice of where an image comes from. Leaves the finding and hashing of local files to
`local.py`.
"""

from pathlib import Path
from typing import Protocol

from krustlet.images.errors import RegistryUnsupported
from krustlet.images.local import Image
from krustlet.images.reference import LocalReference, parse_reference
from krustlet.objects import PullPolicy


class LocalSource(Protocol):
    """Where files of this node come from; see `LocalImages`."""

    async def resolve(self, reference: LocalReference, *, relative_to: Path) -> Image: ...


class Puller:
    """Make an image be on this node, wherever it comes from."""

    def __init__(self, local: LocalSource) -> None:
        self._local = local

    async def ensure(self, reference_text: str, *, policy: PullPolicy, relative_to: Path) -> Image:
        """The image that `reference_text` names, on this node.

        Args:
            policy: of no account for local files, which are always there and always looked at.
            relative_to: where the path of a local image begins: the directory of the manifest.

        Raises:
            InvalidImageName: the text names no image.
            RegistryUnsupported: the image lies in a registry.
            ImageNotFound, ImageUnreadable: the local file cannot be used.
        """
        reference = parse_reference(reference_text)
        if isinstance(reference, LocalReference):
            return await self._local.resolve(reference, relative_to=relative_to)
        raise RegistryUnsupported(reference)
