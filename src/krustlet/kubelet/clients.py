"""Ways to the API server that do not hold each other up."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from krustlet.kube import KubeClient, KubeConfig
from krustlet.settings import ClusterSettings


class Clients:
    """One for each kind of talk; all are the same node."""

    def __init__(self, config: KubeConfig, cluster: ClusterSettings) -> None:
        self.config = config
        self.api = KubeClient(config, qps=cluster.api_qps, burst=cluster.api_burst)
        self.events = KubeClient(config, qps=cluster.event_qps, burst=cluster.event_burst)
        self.leases = KubeClient(config, qps=0)
        # Strangers may ask the node's API as often as they like.
        self.reviews = KubeClient(config, qps=cluster.event_qps, burst=cluster.event_burst)


@asynccontextmanager
async def open_clients(config: KubeConfig, cluster: ClusterSettings) -> AsyncIterator[Clients]:
    """All of them, until the block is left."""
    clients = Clients(config, cluster)
    async with clients.api, clients.events, clients.leases, clients.reviews:
        yield clients
