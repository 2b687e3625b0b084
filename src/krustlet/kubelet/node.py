"""What the kubelet of a cluster's node has besides: the API server's pods come in, their statuses
go out, there is a Node to be seen and an API to be asked. No logic.
"""

import asyncio
import gc
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final

import structlog

from krustlet import __version__
from krustlet.base import SystemClock, only_user_of
from krustlet.images import ImageError
from krustlet.kube import KubeClient, KubeConfig, load_kubeconfig, reflect
from krustlet.kubelet.address import address_towards
from krustlet.kubelet.control import NodeControl
from krustlet.kubelet.core import Kubelet, Surroundings, run_kubelet
from krustlet.kubelet.intake import Intake
from krustlet.kubelet.introduction import introduce
from krustlet.kubelet.premises import (
    data_directory,
    logs_directory,
    open_as_many_files_as_allowed,
)
from krustlet.kubelet.sink import ApiSink, NodeEvents
from krustlet.node import LeaseApi, LinuxHost, NodeAgent, NodeApi, NodeMeans, NodeSettings
from krustlet.objects import PODS, ContainerImage
from krustlet.pods import HostAddress
from krustlet.server import ApiReviewer, Https, NodeServer
from krustlet.settings import ClusterSettings, Settings
from krustlet.sources import ApiLookups
from krustlet.status import EventRecorder, StatusWriter

_ALLOCATIONS: Final = 20_000  # between two looks at the youngest objects; Python's own is 700

log = structlog.get_logger(__name__)


async def run_node(settings: Settings, cluster: ClusterSettings) -> None:
    """Be a node of the cluster until cancelled; containers go on afterwards.

    Raises:
        KubeConfigError: the kubeconfig cannot be used.
        DirectoryInUse: another kubelet has the data directory.
        DirectoryUnusable: it, or the one for pod logs, cannot be written.
        NodeRefused: the API server will not have this node.
        KrustletError: whatever else keeps it from being a node; see the rooms.
    """
    config = load_kubeconfig(cluster.kubeconfig)
    open_as_many_files_as_allowed()
    with only_user_of(data_directory(settings.root)):
        logs_directory(settings.logs)
        async with _clients(config, cluster) as clients:
            await _Node(settings, cluster, clients).run()


def _spare_the_collector() -> None:
    """Have Python look for cycles seldom, and not among what was imported: that is here to stay.

    Measured: it took a fifth of the processor time that a pod costs. At all objects that are left
    it looks every hundred pods or so: they are few, and what finished pods leave in cycles costs
    the more the longer it lies about (25 MB after a thousand pods, where it looked a tenth as
    often).
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_ALLOCATIONS, 10, 2)


class _Clients:
    """Ways to the API server that do not hold each other up."""

    def __init__(self, config: KubeConfig, cluster: ClusterSettings) -> None:
        self.config = config
        self.api = KubeClient(config, qps=cluster.api_qps, burst=cluster.api_burst)
        self.events = KubeClient(config, qps=cluster.event_qps, burst=cluster.event_burst)
        self.leases = KubeClient(config, qps=0)
        # Strangers may ask the node's API as often as they like.
        self.reviews = KubeClient(config, qps=cluster.event_qps, burst=cluster.event_burst)


@asynccontextmanager
async def _clients(config: KubeConfig, cluster: ClusterSettings) -> AsyncIterator[_Clients]:
    clients = _Clients(config, cluster)
    async with clients.api, clients.events, clients.leases, clients.reviews:
        yield clients


class _Node:
    """The rooms of a node, put together."""

    def __init__(self, settings: Settings, cluster: ClusterSettings, clients: _Clients) -> None:
        ips = cluster.node_ips or (address_towards(clients.config.server),)
        clock = SystemClock()
        self._settings = settings
        self._cluster = cluster
        self._clients = clients
        self._ips = ips
        self._writer = StatusWriter(clients.api)
        self._events = EventRecorder(clients.events, node=cluster.node_name, clock=clock)
        self._intake = Intake(self._writer, directory=settings.root)
        self._kubelet: Kubelet | None = None
        self._nodes = NodeApi(clients.api, cluster.node_name)
        self._agent = NodeAgent(
            NodeSettings(
                name=cluster.node_name,
                ips=ips,
                hostname=cluster.hostname,
                data_dir=settings.root,
                port=cluster.port,
                max_pods=cluster.max_pods,
                labels=cluster.labels,
                taints=cluster.taints,
                provider_id=cluster.provider_id,
            ),
            NodeMeans(
                nodes=self._nodes,
                host=LinuxHost(settings.root),
                events=NodeEvents(self._events, cluster.node_name),
                clock=clock,
                images=self._images,
                healthy=self._trouble,
            ),
            leases=LeaseApi(clients.leases, cluster.node_name),
        )

    async def run(self) -> None:
        """All of it, until cancelled."""
        sink = ApiSink(self._writer, self._events, on_gone=self._intake.forget)
        surroundings = Surroundings(
            lookups=ApiLookups(self._clients.api),
            address=HostAddress(ip=self._ips[0]),
            allocatable=lambda: self._agent.allocatable,
        )
        async with AsyncExitStack() as stack:
            stack.callback(self._tell_what_goes_on)
            await stack.enter_async_context(self._writer)
            kubelet = self._kubelet = await stack.enter_async_context(
                run_kubelet(self._settings, sink, surroundings)
            )
            await stack.enter_async_context(self._server(kubelet))
            log.info("node.starting", node=self._cluster.node_name, version=__version__)
            _spare_the_collector()
            await introduce(
                self._nodes, name=self._cluster.node_name, kubeconfig=self._cluster.kubeconfig
            )
            await self._agent.register()
            await self._work(kubelet)

    def _tell_what_goes_on(self) -> None:
        """Who stops a node may think that its containers are stopped, too."""
        pods = self._kubelet.pods.all() if self._kubelet is not None else ()
        statuses = [c for pod in pods for c in pod.status.container_statuses]
        running = sum(status.state.running is not None for status in statuses)
        what = "its containers go on until the next krustlet node takes them over"
        log.info("node.stopped", containers=running, **({"note": what} if running else {}))

    async def _work(self, kubelet: Kubelet) -> None:
        here = f"spec.nodeName={self._cluster.node_name}"
        changes = reflect(self._clients.api, PODS, field_selector=here)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._agent.run(), name="node.agent")
            tasks.create_task(self._intake.run(kubelet.pods, changes), name="node.pods")
            tasks.create_task(self._events.run(), name="node.events")
            tasks.create_task(kubelet.volumes.run(), name="node.volumes")

    async def _images(self) -> Sequence[ContainerImage]:
        if self._kubelet is None:
            return ()
        try:
            stored = await self._kubelet.images.images()
        except ImageError as exc:
            log.warning("node.images_unknown", error=exc.message)
            return ()
        return [ContainerImage(names=image.names, size_bytes=image.size_bytes) for image in stored]

    def _trouble(self) -> str:
        return self._kubelet.runtime.trouble() if self._kubelet is not None else ""

    def _server(self, kubelet: Kubelet) -> NodeServer:
        cluster = self._cluster
        return NodeServer(
            kubelet.pods,
            control=NodeControl(kubelet.pods, self._clients.api),
            root=self._settings.root,
            logs=self._settings.logs,
            checks={"syncloop": self._intake.trouble},
            https=Https(
                node=cluster.node_name,
                reviewer=ApiReviewer(self._clients.reviews),
                address=cluster.address,
                port=cluster.port,
                serving=cluster.certificate,
                hosts=(cluster.hostname, *self._ips),
                client_ca=cluster.client_ca_file or self._clients.config.ca or b"",
            ),
        )
