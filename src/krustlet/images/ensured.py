"""What is told of an image once it is here, and how many may be on their way at once."""

from typing import Final

import msgspec

from krustlet.images.local import Image

DEFAULT_PARALLEL_PULLS: Final = 5
"""The kubelet pulls one by one, for the sake of gigabytes on one disk. Modules are small: what they
wait for is the registry, and a slow one must not keep all others waiting."""


class Ensured(msgspec.Struct, frozen=True, kw_only=True):
    """An image that is here, and how it came.

    Attributes:
        pulled: a registry was asked for it, whether or not anything had to be downloaded.
        took_s: the pull alone.
        waited_s: that, and waiting for other pulls to make room.
    """

    image: Image
    pulled: bool = False
    took_s: float = 0.0
    waited_s: float = 0.0
