"""The node's own part in the cluster: it joins, says that it is alive, and tells how it is."""

from collections.abc import Mapping

import structlog

from krustlet.base.tasks import task_group
from krustlet.node.identity import overridden_labels
from krustlet.node.lease import LeaseKeeper
from krustlet.node.means import NodeMeans
from krustlet.node.ports import Leases
from krustlet.node.record import NodeRecord
from krustlet.node.reporter import Reporter
from krustlet.node.settings import NodeSettings
from krustlet.node.tidings import starting
from krustlet.objects import Node, Quantity

log = structlog.get_logger(__name__)


class NodeAgent:
    """One node. `register` first, then `run` for as long as it is to be one."""

    def __init__(self, settings: NodeSettings, means: NodeMeans, *, leases: Leases) -> None:
        self._settings = settings
        self._means = means
        self._record = NodeRecord()
        self._reporter = Reporter(settings, means, self._record)
        self._lease = LeaseKeeper(
            settings, leases, self._record, clock=means.clock, random=means.random
        )

    @property
    def node(self) -> Node | None:
        """The object as last heard of; None before it is registered, and while it is deleted."""
        return self._record.node

    @property
    def allocatable(self) -> Mapping[str, Quantity]:
        """What pods may have of this node, by resource; empty before it is registered."""
        return self._reporter.allocatable

    async def register(self) -> None:
        """The API server knows the node; tries for ever.

        Raises:
            LabelsRefused: no API server would let the node have such labels.
            MachineUnreadable: nothing can be said about the machine.
        """
        for label, usual in overridden_labels(self._settings).items():
            given = self._settings.labels[label]
            log.warning("node.label_overridden", label=label, given=given, usual=usual)
        await self._reporter.register()

    async def run(self) -> None:
        """Keep the lease, and report, until cancelled.

        Raises:
            NodeTakenOver: another machine says that it is this node.
        """
        self._means.events.emit(*starting())
        async with task_group() as tasks:
            tasks.create_task(self._lease.run(), name="node.lease")
            tasks.create_task(self._reporter.run(), name="node.status")
            tasks.create_task(self._watch(), name="node.watch")

    def status_changed(self) -> None:
        """Have the status computed now: health or the images have changed."""
        self._reporter.report_soon()

    def use(self, settings: NodeSettings) -> None:
        """Go on with these; of the same node, and what it says of itself is told now.

        Labels, taints and the like are only told when it registers, so they wait for that.
        """
        self._settings = settings
        self._lease.use(settings)
        self._reporter.use(settings)

    async def _watch(self) -> None:
        async for change in self._means.nodes.watch():
            self._record.hear(change)
