"""This node's own objects, at a real API server."""

from collections.abc import AsyncIterator
from typing import Final

from krustlet.kube import Applied, KubeClient, Listed, Removed, reflect
from krustlet.node.ports import Deleted
from krustlet.objects import LEASES, NODES, Lease, Node

LEASE_NAMESPACE: Final = "kube-node-lease"


class NodeApi:
    """The node object `name`, as `krustlet.node.ports.Nodes`."""

    def __init__(self, client: KubeClient, name: str) -> None:
        self._client = client
        self._name = name

    async def get(self) -> Node:
        return await self._client.get(NODES, self._name)

    async def create(self, node: Node) -> Node:
        return await self._client.create(NODES, node)

    async def patch(self, patch: object) -> Node:
        return await self._client.patch(NODES, self._name, patch)

    async def patch_status(self, patch: object) -> Node:
        return await self._client.patch(NODES, self._name, patch, subresource="status")

    async def watch(self) -> AsyncIterator[Node | Deleted]:
        # A node may watch itself alone, and has to say so.
        itself = f"metadata.name={self._name}"
        async for change in reflect(self._client, NODES, field_selector=itself):
            match change:
                case Listed(objects=objects):
                    for node in objects:
                        yield node
                    if not objects:
                        yield Deleted()
                case Applied(object=node):
                    yield node
                case Removed(object=node):
                    yield Deleted(node.uid)


class LeaseApi:
    """The lease of the node `name`, as `krustlet.node.ports.Leases`.

    Args:
        client: one without a rate limit, so that nothing the node does delays its lease.
    """

    def __init__(self, client: KubeClient, name: str) -> None:
        self._client = client
        self._name = name

    async def get(self) -> Lease:
        return await self._client.get(LEASES, self._name, namespace=LEASE_NAMESPACE)

    async def create(self, lease: Lease) -> Lease:
        return await self._client.create(LEASES, lease, namespace=LEASE_NAMESPACE)

    async def replace(self, lease: Lease) -> Lease:
        return await self._client.replace(LEASES, self._name, lease, namespace=LEASE_NAMESPACE)
