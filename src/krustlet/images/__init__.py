"""Images: their names, and the modules they stand for on this node.

What registries need is loaded when it is first asked for: a local file needs no HTTP.
"""

from typing import TYPE_CHECKING, Any

from krustlet.base.lazy import load_on_demand
from krustlet.images.ensured import DEFAULT_PARALLEL_PULLS, Ensured
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
from krustlet.images.puller import Puller
from krustlet.images.reference import (
    LocalReference,
    Reference,
    RegistryReference,
    parse_reference,
)
from krustlet.objects import PullPolicy

if TYPE_CHECKING:
    from krustlet.images.login import docker_config, users_credentials
    from krustlet.images.pushing import Artifact, NotAModule, Pusher, make_artifact
    from krustlet.images.registry import Registry
    from krustlet.images.store import Store, StoredImage
    from krustlet.images.trust import RegistrySettings

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

_HOMES = {
    "Artifact": "pushing",
    "NotAModule": "pushing",
    "Pusher": "pushing",
    "Registry": "registry",
    "RegistrySettings": "trust",
    "Store": "store",
    "StoredImage": "store",
    "docker_config": "login",
    "make_artifact": "pushing",
    "users_credentials": "login",
}


def __getattr__(name: str) -> Any:
    return load_on_demand(__name__, _HOMES)(name)
