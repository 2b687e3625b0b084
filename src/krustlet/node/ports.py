"""What a node is given: small doors to the API server and to events, so that tests hand in others.

Errors are those of `krustlet.kube`.
"""

from collections.abc import AsyncIterator
from typing import Protocol

import msgspec

from krustlet.objects import Lease, Node


class Deleted(msgspec.Struct, frozen=True):
    """The node object is gone. `uid` is empty where it was not there in the first place."""

    uid: str = ""


class Nodes(Protocol):
    """This node's own object."""

    async def get(self) -> Node: ...

    async def create(self, node: Node) -> Node: ...

    async def patch(self, patch: object) -> Node:
        """Apply a strategic merge patch to all but the status."""

    async def patch_status(self, patch: object) -> Node:
        """Apply a strategic merge patch to the status."""

    def watch(self) -> AsyncIterator[Node | Deleted]:
        """The object as it is, then each change, for ever."""


class Leases(Protocol):
    """This node's own lease."""

    async def get(self) -> Lease: ...

    async def create(self, lease: Lease) -> Lease: ...

    async def replace(self, lease: Lease) -> Lease: ...


class NodeEvents(Protocol):
    """Tells people what happened to the node. Must not block."""

    def emit(self, kind: str, reason: str, message: str) -> None:
        """Have an Event about this node made; `kind` is `Normal` or `Warning`."""
