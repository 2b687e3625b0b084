"""Images: their names, and the modules they stand for on this node."""

from krustlet.images.errors import (
    AccessDenied,
    DigestMismatch,
    ImageChanging,
    ImageError,
    ImageNeverPull,
    ImageNotFound,
    ImageUnreadable,
    InvalidImageName,
    LocalImagesForbidden,
    NotInRegistry,
    NoWasmInImage,
    PullSecretInvalid,
    RegistryAnswerInvalid,
    RegistryUnavailable,
    RegistryUnsupported,
    RegistryUntrusted,
    StoreUnusable,
)
from krustlet.images.keyring import Credentials, Keyring
from krustlet.images.local import Image, LocalImages
from krustlet.images.login import docker_config, users_credentials
from krustlet.images.puller import Puller
from krustlet.images.pushing import Artifact, NotAModule, Pusher, make_artifact
from krustlet.images.reference import (
    LocalReference,
    Reference,
    RegistryReference,
    parse_reference,
)
from krustlet.images.registry import Registry
from krustlet.images.remote import DEFAULT_PARALLEL_PULLS, Ensured
from krustlet.images.store import Store, StoredImage
from krustlet.images.trust import RegistrySettings
from krustlet.objects import PullPolicy

__all__ = [
    "DEFAULT_PARALLEL_PULLS",
    "AccessDenied",
    "Artifact",
    "Credentials",
    "DigestMismatch",
    "Ensured",
    "Image",
    "ImageChanging",
    "ImageError",
    "ImageNeverPull",
    "ImageNotFound",
    "ImageUnreadable",
    "InvalidImageName",
    "Keyring",
    "LocalImages",
    "LocalImagesForbidden",
    "LocalReference",
    "NoWasmInImage",
    "NotAModule",
    "NotInRegistry",
    "PullPolicy",
    "PullSecretInvalid",
    "Puller",
    "Pusher",
    "Reference",
    "Registry",
    "RegistryAnswerInvalid",
    "RegistryReference",
    "RegistrySettings",
    "RegistryUnavailable",
    "RegistryUnsupported",
    "RegistryUntrusted",
    "Store",
    "StoreUnusable",
    "StoredImage",
    "docker_config",
    "make_artifact",
    "parse_reference",
    "users_credentials",
]
