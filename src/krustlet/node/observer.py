"""Look at all that a status is made of. Leaves what it comes to to `status.py`."""

import asyncio

import structlog

from krustlet.node.conditions import Sightings, sighted
from krustlet.node.errors import MachineUnreadable
from krustlet.node.features import declared_features
from krustlet.node.machine import Machine
from krustlet.node.means import Addresses, NodeMeans
from krustlet.node.settings import NodeSettings
from krustlet.node.status import Observed

log = structlog.get_logger(__name__)


class Observer:
    """Remembers what does not change, and what still counts of what was seen before."""

    def __init__(self, settings: NodeSettings, means: NodeMeans) -> None:
        self._settings = settings
        self._means = means
        self._machine: Machine | None = None
        self._ips = settings.ips
        self._pressures: Sightings = {}

    def use(self, settings: NodeSettings) -> None:
        """Measure by these from now on. Addresses change with those of the machine alone."""
        self._settings = settings

    async def observe(self) -> Observed:
        """All as it is now.

        Raises:
            MachineUnreadable: nothing can be said about the machine. Of one that was readable
                once, it is a reason why no pods can run.
        """
        machine = await self._read_machine()
        trouble = self._means.healthy()
        try:
            await self._look_for_pressures()
        except MachineUnreadable as exc:
            trouble = trouble or exc.message
        return Observed(
            machine=machine,
            ips=await self._addresses(),
            pressures=self._pressures,
            images=await self._means.images(),
            features=declared_features(resizes=self._means.resizes()),
            trouble=trouble,
            at=self._means.clock.now(),
        )

    async def _read_machine(self) -> Machine:
        if self._machine is None:
            self._machine = await asyncio.to_thread(self._means.host.machine)
        return self._machine

    async def _look_for_pressures(self) -> None:
        vitals = await asyncio.to_thread(self._means.host.vitals)
        self._pressures = sighted(
            self._pressures,
            vitals,
            self._settings.thresholds,
            now_s=asyncio.get_running_loop().time(),
            hold_s=self._settings.pressure_hold_s,
        )

    async def _addresses(self) -> Addresses:
        if self._means.addresses is None:
            return self._ips
        now = await asyncio.to_thread(self._means.addresses)
        if now != self._ips:
            log.info("node.addresses_changed", was=list(self._ips), now=list(now))
            self._ips = now
            self._means.on_addresses(now)
        return now
