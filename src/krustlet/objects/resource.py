"""Where in the API the objects of a kind are found, and what they decode into."""

from typing import Generic, TypeVar

import msgspec

T = TypeVar("T")


class Resource(msgspec.Struct, Generic[T], frozen=True, kw_only=True):
    """One kind of object of the API.

    Attributes:
        group: empty for the core group.
        plural: as in its path.
        type: what its objects decode into.
    """

    group: str = ""
    version: str = "v1"
    plural: str
    kind: str
    type: type[T]
    namespaced: bool = True

    @property
    def api_version(self) -> str:
        """As objects write it: `v1`, or `<group>/<version>`."""
        return f"{self.group}/{self.version}" if self.group else self.version
