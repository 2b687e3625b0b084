"""What can go wrong between an image's name and its bytes."""

from krustlet.base import KrustletError


class ImageError(KrustletError):
    """An image cannot be had; the container waits."""

    reason = "ErrImagePull"


class InvalidImageName(ImageError):
    """The text names no image, whatever is on this node or in any registry."""

    reason = "InvalidImageName"

    def __init__(self, text: str, why: str, *, hint: str) -> None:
        super().__init__(f"{text!r} is no image name: {why}", hint=hint)
        self.text = text


class ImageNotFound(ImageError):
    """No file of that name."""


class ImageUnreadable(ImageError):
    """Something is there, but its bytes are not to be had."""


class ImageChanging(ImageUnreadable):
    """The file was written to while it was read, so its digest would be of no version of it."""

    retryable = True


class RegistryUnsupported(ImageError):
    """The image lies in a registry."""

    def __init__(self, reference: object) -> None:
        super().__init__(
            f"{reference}: this build pulls no images from registries yet",
            hint="put the module on this node and name it as file:path/to/module.wasm",
        )
