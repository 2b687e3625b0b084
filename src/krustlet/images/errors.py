"""What can go wrong between an image's name and its bytes."""

from collections.abc import Iterable

from krustlet.base import KrustletError


class ImageError(KrustletError):
    """An image cannot be had; the container waits."""

    reason = "ErrImagePull"


class InvalidImageName(ImageError):
    """The text names no image, whatever is on this node or in any registry."""

    reason = "InvalidImageName"

    def __init__(self, text: str, why: str, *, hint: str = "", file_hint: str = "") -> None:
        """Say it.

        Args:
            hint: what to write for an image of a registry.
            file_hint: what to write for a file of this node, if that may be meant.
        """
        both = ", or ".join(words for words in (hint, file_hint) if words)
        super().__init__(f"{text!r} is no image name: {why}", hint=both)
        self.text = text
        self.registry_hint = hint


# local files --------------------------------------------------------------------------------------


class ImageNotFound(ImageError):
    """No file of that name."""


class ImageUnreadable(ImageError):
    """Something is there, but its bytes are not to be had."""


class ImageChanging(ImageUnreadable):
    """The file was written to while it was read, so its digest would be of no version of it."""

    retryable = True


class LocalImagesForbidden(ImageError):
    """The image is a file of this node, and pods may not run those here."""

    def __init__(self, reference: object) -> None:
        super().__init__(
            f"{reference}: this node runs no files of its own",
            hint="push the module to a registry, or start the node with --allow-local-modules",
        )


# registries ---------------------------------------------------------------------------------------


class RegistryUnsupported(ImageError):
    """The image lies in a registry, and the puller was given none."""

    def __init__(self, reference: object) -> None:
        super().__init__(
            f"{reference}: this build pulls no images from registries yet",
            hint="put the module on this node and name it as file:path/to/module.wasm",
        )


class ImageNeverPull(ImageError):
    """It is not here, and is not to be pulled."""

    reason = "ErrImageNeverPull"

    def __init__(self, reference_text: str) -> None:
        super().__init__(  # the kubelet's own words
            f'Container image "{reference_text}" is not present with pull policy of Never',
            hint="pull it before, or set imagePullPolicy to IfNotPresent",
        )


class NotInRegistry(ImageError):
    """The registry has no such image, or does not admit that it has."""

    def __init__(self, reference: object) -> None:
        super().__init__(
            f"{reference}: not found in registry (wrong name or tag?)",
            hint="see which tags there are; some registries say so of private images, too: "
            "those need imagePullSecrets",
        )


class AccessDenied(ImageError):
    """The registry wants other credentials, or any."""

    def __init__(
        self, reference: object, *, registry: str, with_credentials: bool, said: str = ""
    ) -> None:
        if with_credentials:
            with_what = "with the credentials it was given"
            hint = f"check that the credentials are for {registry} and may do this"
        else:
            with_what = "without credentials"
            hint = f"name a docker-registry Secret for {registry} in the pod's imagePullSecrets"
        super().__init__(
            f"{reference}: {registry} denies access {with_what}{f' ({said})' if said else ''}",
            hint=hint,
        )


class RegistryUnavailable(ImageError):
    """The registry cannot be talked to, or is out of order; worth another try."""

    retryable = True


class RegistryUntrusted(ImageError):
    """TLS to the registry cannot be set up; nothing was asked or sent."""


class RegistryAnswerInvalid(ImageError):
    """The registry says what no registry should."""


class DigestMismatch(ImageError):
    """The registry sent other bytes than it promised; none of them are kept."""

    def __init__(self, what: object, *, expected: str, found: str) -> None:
        super().__init__(
            f"{what}: wrong content: expected {expected}, got {found}",
            hint="somebody changed it on its way, or the registry's storage is damaged",
        )
        self.found = found


class NoWasmInImage(ImageError):
    """The manifest is fine, but nothing that it names can run on this node."""

    def __init__(
        self,
        reference: object,
        *,
        media_types: Iterable[str] = (),
        platforms: Iterable[str] = (),
    ) -> None:
        found = []
        if kinds := sorted(set(media_types)):
            found.append(f"layers of {', '.join(kinds)}")
        if systems := sorted(set(platforms)):
            found.append(f"platforms {', '.join(systems)}")
        holds = f"; it holds {' and '.join(found)}" if found else ""
        super().__init__(
            f"{reference}: no wasm in this image{holds}",
            hint="this node runs only WebAssembly: push the module as a layer of application/wasm "
            "(krustlet push), or let the pod run on another node",
        )


class PullSecretInvalid(ImageError):
    """A Secret or file with credentials of registries is none; its content is not shown."""

    def __init__(self, where: str, why: str, *, hint: str) -> None:
        super().__init__(f"{where} holds no credentials of registries: {why}", hint=hint)


class StoreUnusable(ImageError):
    """Images cannot be kept on this node's disk."""

    retryable = True
