"""What the kubelet of a cluster's node has besides: the API server's pods come in, their statuses
go out, there is a Node to be seen and an API to be asked. No logic.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from typing import Any, Final

import structlog

from krustlet import __version__
from krustlet.base import SystemClock, only_user_of, sweep_parts
from krustlet.base.tasks import task_group
from krustlet.certificates import Joining, credentials_for
from krustlet.images import ImageError
from krustlet.kube import reflect
from krustlet.kubelet.address import HostAddresses
from krustlet.kubelet.certification import Certification, Say, store_of
from krustlet.kubelet.clients import Clients, open_clients
from krustlet.kubelet.control import NodeControl
from krustlet.kubelet.core import Kubelet, Surroundings, run_kubelet
from krustlet.kubelet.intake import Intake
from krustlet.kubelet.introduction import introduce
from krustlet.kubelet.premises import (
    check_port,
    data_directory,
    logs_directory,
    open_as_many_files_as_allowed,
    spare_the_collector,
)
from krustlet.kubelet.reloading import OF_THE_NODE, Applier, Both, Load, Reloader
from krustlet.kubelet.rivals import only_node_called, refuse_rival
from krustlet.kubelet.runtime import check_provider
from krustlet.kubelet.service_manager import ServiceManager
from krustlet.kubelet.sink import ApiSink, NodeEvents
from krustlet.node import (
    LeaseApi,
    LinuxHost,
    NodeAgent,
    NodeApi,
    NodeMeans,
    node_settings,
)
from krustlet.objects import PODS, ContainerImage
from krustlet.pods import HostAddress
from krustlet.server import ApiReviewer, Https, NodeServer
from krustlet.settings import ClusterSettings, Settings, kubelet_configuration
from krustlet.sources import ApiLookups
from krustlet.status import EventRecorder, StatusWriter

_CLOCK: Final = SystemClock()
_OF_SECRETS: Final = ("pki", "config")  # nothing half-written is to lie about there

log = structlog.get_logger(__name__)


async def run_node(
    settings: Settings,
    cluster: ClusterSettings,
    *,
    load: Load | None = None,
    say: Say = lambda _: None,
    manager: ServiceManager | None = None,
) -> None:
    """Be a node of the cluster until cancelled; containers go on afterwards.

    Args:
        load: reads the settings again, when SIGHUP asks for it; None: they stay as they are.
        say: puts a line before whoever started the node: what needs a person's approval.
        manager: of the service that this is; None: nobody wants to know.

    Raises:
        CertificatesError: there are no credentials, and none to be had.
        KubeConfigError: the kubeconfig cannot be used.
        DirectoryInUse: another kubelet has the data directory.
        DirectoryUnusable: it, or the one for pod logs, cannot be written.
        NameTaken: another kubelet is this node.
        NodeRefused: the API server will not have this node.
        KrustletError: whatever else keeps it from being a node; see the rooms.
    """
    manager = manager or ServiceManager()
    # What cannot be is told now: nobody is to approve a node that will not start.
    node_settings(cluster, ips=(), data_dir=settings.root)
    check_provider(settings)
    check_port(cluster.address, cluster.port)
    open_as_many_files_as_allowed()
    with only_user_of(data_directory(settings.root)):
        logs_directory(settings.logs)
        for directory in _OF_SECRETS:
            sweep_parts(settings.root / directory)
        try:
            async with task_group() as tasks:
                tasks.create_task(manager.keep_watch(), name="node.watchdog")
                await _join(settings, cluster, load or _same(settings, cluster), say, manager)
        finally:
            manager.stopping("the node ends; its containers go on")


def _same(settings: Settings, cluster: ClusterSettings) -> Load:
    return lambda: (settings, cluster)


async def _join(
    settings: Settings, cluster: ClusterSettings, load: Load, say: Say, manager: ServiceManager
) -> None:
    def tell(line: str) -> None:
        say(line)
        manager.status(line)

    store = store_of(settings.root, _CLOCK)
    config = await credentials_for(
        Joining(
            kubeconfig=cluster.kubeconfig,
            bootstrap_file=cluster.bootstrap_file,
            node=cluster.node_name,
            clock=_CLOCK,
            store=store,
            say=tell,
        )
    )
    with only_node_called(cluster.node_name, server=config.server):
        async with open_clients(config, cluster) as clients:
            addresses = HostAddresses(cluster.node_ips, config.server)
            await asyncio.to_thread(addresses.current)  # without any there is no node
            certification = Certification(
                settings.root,
                cluster,
                clients,
                store,
                clock=_CLOCK,
                ips=addresses.current,
                say=tell,
                said=lambda: manager.status(""),
            )
            node = _Node((settings, cluster), clients, addresses, certification, manager)
            await node.run(load)


class _Node:
    """The rooms of a node, put together."""

    def __init__(
        self,
        told: Both,
        clients: Clients,
        addresses: HostAddresses,
        certification: Certification,
        manager: ServiceManager,
    ) -> None:
        settings, cluster = self._told = told
        self._clients = clients
        self._addresses = addresses
        self._certification = certification
        self._manager = manager
        self._writer = StatusWriter(clients.api)
        self._events = EventRecorder(clients.events, node=cluster.node_name, clock=_CLOCK)
        self._intake = Intake(self._writer, directory=settings.root)
        self._kubelet: Kubelet | None = None
        self._nodes = NodeApi(clients.api, cluster.node_name)
        self._leases = LeaseApi(clients.leases, cluster.node_name)
        self._host = LinuxHost(settings.root)
        self._agent = NodeAgent(
            node_settings(cluster, ips=addresses.current(), data_dir=settings.root),
            NodeMeans(
                nodes=self._nodes,
                host=self._host,
                events=NodeEvents(self._events, cluster.node_name),
                clock=_CLOCK,
                images=self._images,
                healthy=self._trouble,
                resizes=self._resizes,
                addresses=addresses.current,
                on_addresses=self._move,
            ),
            leases=self._leases,
        )

    async def run(self, load: Load) -> None:
        """All of it, until cancelled.

        Args:
            load: reads the settings again.
        """
        settings, cluster = self._told
        sink = ApiSink(self._writer, self._events, on_gone=self._intake.forget)
        surroundings = Surroundings(
            lookups=ApiLookups(self._clients.api),
            address=HostAddress(ip=self._addresses.current()[0]),
            allocatable=lambda: self._agent.allocatable,
        )
        reloader = Reloader(
            self._told,
            load=load,
            appliers=[Applier(OF_THE_NODE, self._change)],
            manager=self._manager,
        )
        async with AsyncExitStack() as stack:
            stack.callback(self._tell_what_goes_on)
            await stack.enter_async_context(self._writer)
            kubelet = self._kubelet = await stack.enter_async_context(
                run_kubelet(settings, sink, surroundings)
            )
            await stack.enter_async_context(self._server(kubelet, reloader))
            log.info("node.starting", node=cluster.node_name, version=__version__)
            spare_the_collector()
            tasks = await stack.enter_async_context(task_group())
            tasks.create_task(reloader.run(), name="node.reload")
            await self._register()
            await self._work(kubelet, tasks)

    async def _register(self) -> None:
        _, cluster = self._told
        self._manager.status("waits for the API server")
        await introduce(self._nodes, name=cluster.node_name, kubeconfig=cluster.kubeconfig)
        machine = await asyncio.to_thread(self._host.machine)
        await refuse_rival(
            self._nodes,
            self._leases,
            machine_id=machine.id,
            name=cluster.node_name,
            clock=_CLOCK,
        )
        await self._agent.register()

    async def _work(self, kubelet: Kubelet, tasks: asyncio.TaskGroup) -> None:
        _, cluster = self._told
        here = f"spec.nodeName={cluster.node_name}"
        changes = reflect(self._clients.api, PODS, field_selector=here)
        for name, work in {
            "agent": self._agent.run(),
            "pods": self._intake.run(kubelet.pods, changes),
            "events": self._events.run(),
            "volumes": kubelet.volumes.run(),
            "certificates": self._certification.run(),
        }.items():
            tasks.create_task(work, name=f"node.{name}")
        await self._intake.listed.wait()
        self._manager.ready(f"node {cluster.node_name} is ready")

    def _tell_what_goes_on(self) -> None:
        """Who stops a node may think that its containers are stopped, too."""
        pods = self._kubelet.pods.all() if self._kubelet is not None else ()
        statuses = [c for pod in pods for c in pod.status.container_statuses]
        running = sum(status.state.running is not None for status in statuses)
        what = "its containers go on until the next krustlet node takes them over"
        log.info("node.stopped", containers=running, **({"note": what} if running else {}))

    # what others ask, and tell ----------------------------------------------------------------

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

    def _resizes(self) -> bool:
        return self._kubelet is not None and self._kubelet.powers.enforces_limits

    def _move(self, _: tuple[str, ...]) -> None:
        """The addresses have changed."""
        self._certification.wake()

    def _change(self, settings: Settings, cluster: ClusterSettings) -> Callable[[], None]:
        """What puts new settings in force, once they are known to make sense."""
        new = node_settings(cluster, ips=self._addresses.current(), data_dir=settings.root)
        return lambda: self._agent.use(new)

    def _server(self, kubelet: Kubelet, reloader: Reloader) -> NodeServer:
        settings, cluster = self._told

        def configuration() -> Mapping[str, Any]:
            return kubelet_configuration(*reloader.in_force)

        return NodeServer(
            kubelet.pods,
            control=NodeControl(kubelet.pods, self._clients.api),
            root=settings.root,
            logs=settings.logs,
            checks={"syncloop": self._intake.trouble},
            configuration=configuration,
            https=Https(
                node=cluster.node_name,
                reviewer=ApiReviewer(self._clients.reviews),
                address=cluster.address,
                port=cluster.port,
                serving=cluster.certificate,
                signed=self._certification.signed,
                hosts=self._certification.hosts,
                crafting=self._certification.crafting,
                client_ca=cluster.client_ca_file or self._clients.config.ca or b"",
            ),
        )
