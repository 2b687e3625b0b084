"""Images: their names, and the modules they stand for on this node."""

from krustlet.images.errors import (
    ImageChanging,
    ImageError,
    ImageNotFound,
    ImageUnreadable,
    InvalidImageName,
    RegistryUnsupported,
)
from krustlet.images.local import Image, LocalImages
from krustlet.images.puller import Puller
from krustlet.images.reference import (
    LocalReference,
    Reference,
    RegistryReference,
    parse_reference,
)
from krustlet.objects import PullPolicy

__all__ = [
    "Image",
    "ImageChanging",
    "ImageError",
    "ImageNotFound",
    "ImageUnreadable",
    "InvalidImageName",
    "LocalImages",
    "LocalReference",
    "PullPolicy",
    "Puller",
    "Reference",
    "RegistryReference",
    "RegistryUnsupported",
    "parse_reference",
]
