"""The node object, as far as this node knows it: from its own calls and from the watch."""

import asyncio

from krustlet.node.ports import Deleted
from krustlet.objects import Node


class NodeRecord:
    """The latest of what was heard, whichever way it came.

    Attributes:
        node: None before it is registered, and once it was deleted.
        news: set when others have changed or deleted it; whoever looks clears it.
    """

    def __init__(self) -> None:
        self.node: Node | None = None
        self.news = asyncio.Event()

    def keep(self, node: Node) -> None:
        """Take what the API server answered to one of our own calls."""
        if self.node is None or self._is_later(node):
            self.node = node

    def hear(self, change: Node | Deleted) -> None:
        """Take what the watch tells; it may be late."""
        if isinstance(change, Deleted):
            if self.node is not None and change.uid in ("", self.node.uid):
                self.lose()
        elif self.node is not None and self._is_later(change):
            self.node = change
            self.news.set()

    def lose(self) -> None:
        """Take note that the object is gone."""
        self.node = None
        self.news.set()

    def _is_later(self, node: Node) -> bool:
        """Versions of one object count up, says Kubernetes since 1.35 (KEP-5504)."""
        if self.node is None or node.uid != self.node.uid:
            return True
        heard, known = node.metadata.resource_version, self.node.metadata.resource_version
        if heard.isdecimal() and known.isdecimal():
            return int(heard) > int(known)
        return heard != known
