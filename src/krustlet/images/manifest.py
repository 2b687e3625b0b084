"""Read manifests: which of an image's parts is the module that this node can run.

Pure. Owns the media types and the choice among the platforms of an index. Leaves fetching to
`registry.py`, and checking digests to whoever fetched.

Source: OCI image-spec v1.1, "manifest" and "image index"; CNCF TAG Runtime, "Wasm OCI Artifact
layout"; the older form is that of wasm-to-oci, which the original Krustlet ran.
"""

from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Final

import msgspec

from krustlet.images.errors import NoWasmInImage, RegistryAnswerInvalid
from krustlet.images.reference import RegistryReference

OCI_MANIFEST: Final = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX: Final = "application/vnd.oci.image.index.v1+json"
_DOCKER_MANIFEST: Final = "application/vnd.docker.distribution.manifest.v2+json"
_DOCKER_LIST: Final = "application/vnd.docker.distribution.manifest.list.v2+json"
_INDEXES: Final = (OCI_INDEX, _DOCKER_LIST)
MANIFEST_TYPES: Final = (OCI_MANIFEST, OCI_INDEX, _DOCKER_MANIFEST, _DOCKER_LIST)

WASM_CONFIG: Final = "application/vnd.wasm.config.v0+json"
WASM_LAYER: Final = "application/wasm"
_WASM_LAYERS: Final = (WASM_LAYER, "application/vnd.wasm.content.layer.v1+wasm")

TITLE: Final = "org.opencontainers.image.title"

# The best first. Nobody agrees on the names: the first is Docker's, the next two are Go's.
_SYSTEMS: Final = ("wasi", "wasip1", "wasip2")
_ARCHITECTURES: Final = ("wasm", "wasm32")

_MAX_DIGEST_CHARS: Final = 7 + 64


class Platform(msgspec.Struct, frozen=True):
    """What an entry of an index is for."""

    os: str = ""
    architecture: str = ""

    def __str__(self) -> str:
        return f"{self.os}/{self.architecture}"


class Descriptor(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """A blob or manifest: `size` bytes that hash to `digest`."""

    media_type: str
    digest: str
    size: int
    annotations: dict[str, str] | None = None
    platform: Platform | None = None
    artifact_type: str = ""


class Manifest(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, kw_only=True):
    """One image."""

    schema_version: int = 2
    media_type: str = ""
    artifact_type: str = ""
    config: Descriptor | None = None
    layers: list[Descriptor] = []
    annotations: dict[str, str] | None = None


class _Document(msgspec.Struct, frozen=True, rename="camel"):
    """A manifest or an index, before anybody knows which."""

    schema_version: int
    media_type: str = ""
    manifests: list[Descriptor] | None = None
    layers: list[Descriptor] | None = None


_documents = msgspec.json.Decoder(_Document)


class Module(msgspec.Struct, frozen=True):
    """The layer to be run.

    Attributes:
        title: the file name it was given when it was pushed; empty, if none.
    """

    layer: Descriptor
    title: str


def find_module(image: RegistryReference, body: bytes, *, content_type: str) -> Module | Descriptor:
    """The module in a manifest; or, if it is an index, the manifest to look into next.

    Args:
        image: what to name in an error.
        content_type: as the registry gave it, for old documents that do not say what they are.

    Raises:
        NoWasmInImage: there is no wasm in it, or none for this node.
        RegistryAnswerInvalid: it is no manifest.
    """
    try:
        document = _documents.decode(body)
    except msgspec.MsgspecError as exc:
        raise RegistryAnswerInvalid(
            f"{image}: what the registry sent is no manifest: {exc}"
        ) from exc
    kind = document.media_type or content_type
    if kind in _INDEXES or (document.manifests is not None and document.layers is None):
        return _checked(image, _choose(image, document.manifests or []))
    layer = _wasm_layer(image, document.layers or [])
    return Module(_checked(image, layer), _title(layer))


def _wasm_layer(image: RegistryReference, layers: Sequence[Descriptor]) -> Descriptor:
    """The first one. A component may come in several, of which the rest is for tools that compose
    them."""
    for layer in layers:
        if layer.media_type in _WASM_LAYERS:
            return layer
    raise NoWasmInImage(image, media_types=[layer.media_type for layer in layers])


def _title(layer: Descriptor) -> str:
    """A bare file name, as it becomes argv[0]; whoever pushed it may have named a whole path."""
    title = PurePosixPath((layer.annotations or {}).get(TITLE, "")).name
    return title if title.isprintable() else ""


def _choose(image: RegistryReference, entries: Sequence[Descriptor]) -> Descriptor:
    """The entry for this node; one that stands alone needs to say nothing of platforms.

    Attestations, which BuildKit adds as entries for `unknown/unknown`, do not count.
    """
    real = [e for e in entries if str(e.platform) != "unknown/unknown"]
    fitting = [e for e in real if e.platform and e.platform.architecture in _ARCHITECTURES]
    if fitting:
        return min(fitting, key=_rank)
    if len(real) == 1:
        return real[0]
    platforms = [str(e.platform) for e in real if e.platform is not None]
    raise NoWasmInImage(image, platforms=platforms)


def _rank(entry: Descriptor) -> int:
    assert entry.platform is not None
    system = entry.platform.os
    return _SYSTEMS.index(system) if system in _SYSTEMS else len(_SYSTEMS)


def _checked(image: RegistryReference, descriptor: Descriptor) -> Descriptor:
    """The same, if it can be fetched: its digest becomes a file name here."""
    algorithm, _, hexadecimal = descriptor.digest.partition(":")
    is_digest = (
        algorithm == "sha256"
        and len(descriptor.digest) == _MAX_DIGEST_CHARS
        and set(hexadecimal) <= set("0123456789abcdef")
    )
    if not is_digest or descriptor.size < 0:
        raise RegistryAnswerInvalid(
            f"{image}: the manifest names {descriptor.digest!r} of {descriptor.size} bytes",
            hint="only sha256 digests are supported",
        )
    return descriptor
