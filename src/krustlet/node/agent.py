"""The node's own part in the cluster: it joins, says that it is alive, and tells how it is."""

import asyncio
from collections.abc import Mapping

from krustlet.node.lease import LeaseKeeper
from krustlet.node.ports import Leases
from krustlet.node.record import NodeRecord
from krustlet.node.reporter import NodeMeans, Reporter
from krustlet.node.settings import NodeSettings
from krustlet.node.tidings import starting
from krustlet.objects import Node, Quantity


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
        await self._reporter.register()

    async def run(self) -> None:
        """Keep the lease, and report, until cancelled."""
        self._means.events.emit(*starting())
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._lease.run(), name="node.lease")
            tasks.create_task(self._reporter.run(), name="node.status")
            tasks.create_task(self._watch(), name="node.watch")

    def status_changed(self) -> None:
        """Have the status computed now: health or the images have changed."""
        self._reporter.report_soon()

    async def _watch(self) -> None:
        async for change in self._means.nodes.watch():
            self._record.hear(change)
