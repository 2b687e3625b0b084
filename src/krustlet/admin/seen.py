"""What the cluster shows of one node that is joining, kept up to date.

Leaves what it means to `progress.py`, and what to do about it to `approving.py`.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager

from krustlet.admin.progress import serving_of
from krustlet.admin.verdict import Expected, is_from
from krustlet.kube import Applied, Listed, Removed, Source, reflect, reflect_one
from krustlet.objects import NODES, SIGNING_REQUESTS, CertificateSigningRequest, Node


class Seen:
    """The Node, if there is one yet, and all requests for certificates.

    Attributes:
        node: its object.
        changed: set whenever something is not as it was; to be cleared by who looks.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._requests: dict[str, CertificateSigningRequest] = {}
        self._earlier: frozenset[str] = frozenset()
        self.node: Node | None = None
        self.changed = asyncio.Event()

    def leave_out(self, uids: frozenset[str]) -> None:
        """Requests of an earlier time, which say nothing of this one."""
        self._earlier = uids

    def note(self, request: CertificateSigningRequest) -> None:
        """A request has changed."""
        self._requests[request.name] = request
        self.changed.set()

    def requests(self) -> list[CertificateSigningRequest]:
        """Whoever's they are, the latest last."""
        found = (one for one in self._requests.values() if one.metadata.uid not in self._earlier)
        return sorted(found, key=lambda one: one.metadata.creation_timestamp or "")

    def requests_of(self, expected: Expected) -> list[CertificateSigningRequest]:
        """Those that are the node's, or pretend to be."""
        return [one for one in self.requests() if is_from(one, expected)]

    def serving(self) -> list[CertificateSigningRequest]:
        """Those for serving certificates that the node itself has made."""
        return serving_of(self.requests(), self._name)

    @asynccontextmanager
    async def kept_up(self, source: Source) -> AsyncIterator[None]:
        """While the block runs, all is as the API server tells."""
        tasks = [
            asyncio.create_task(self._follow_requests(source), name="admin.requests"),
            asyncio.create_task(self._follow_node(source), name="admin.node"),
        ]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _follow_requests(self, source: Source) -> None:
        async with aclosing(reflect(source, SIGNING_REQUESTS)) as changes:
            async for change in changes:
                match change:
                    case Listed(objects=objects):
                        self._requests = {one.name: one for one in objects}
                    case Applied(object=one):
                        self._requests[one.name] = one
                    case Removed(object=one):
                        self._requests.pop(one.name, None)
                self.changed.set()

    async def _follow_node(self, source: Source) -> None:
        async with aclosing(reflect_one(source, NODES, self._name)) as nodes:
            async for node in nodes:
                self.node = node
                self.changed.set()
