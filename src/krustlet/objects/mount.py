"""A piece of a container's file system, once its volume is there."""

import msgspec


class Mount(msgspec.Struct, frozen=True):
    """One directory of the node as a guest sees it.

    Attributes:
        host: absolute, free of links when it was looked at.
        guest: absolute and plain: no `..`, no slash at the end.
    """

    host: str
    guest: str
    read_only: bool
