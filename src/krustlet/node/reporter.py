"""Report the node's status: soon when something has changed, seldom when nothing has.

Owns the schedule and the tries. Leaves what a status is to `status.py`.

Source: kubernetes pkg/kubelet/kubelet_node_status.go.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Final

import msgspec
import structlog

from krustlet.base import Backoff, Clock
from krustlet.kube import ApiError, NotFound
from krustlet.node.conditions import Sightings, sighted
from krustlet.node.errors import MachineUnreadable
from krustlet.node.identity import new_node
from krustlet.node.machine import Host, Machine
from krustlet.node.ports import NodeEvents, Nodes
from krustlet.node.record import NodeRecord
from krustlet.node.registrar import REQUEST_LIMIT_S, Registrar
from krustlet.node.settings import NodeSettings
from krustlet.node.status import Observed, is_news, status, status_patch
from krustlet.node.tidings import Tiding, schedulability, tidings
from krustlet.objects import ContainerImage, Node, NodeStatus, Quantity

TRIES: Final = 5
_RETRIES: Final = Backoff(initial_s=0.1, max_s=7.0)
_FIRST_AGAIN_S: Final = 1.0  # nobody knows of us yet, so this does not wait for its turn
_APART_S: Final = 1.0  # others and we must not change a node against each other at full speed

log = structlog.get_logger(__name__)


async def _none() -> Sequence[ContainerImage]:
    return ()


class NodeMeans(msgspec.Struct, frozen=True, kw_only=True):
    """What a node reports with.

    Attributes:
        images: those that are here, by all their names.
        healthy: why pods cannot run here; empty if they can. Asked often, and must not block.
        random: evenly between 0 and 1.
    """

    nodes: Nodes
    host: Host
    events: NodeEvents
    clock: Clock
    images: Callable[[], Awaitable[Sequence[ContainerImage]]] = _none
    healthy: Callable[[], str] = str
    random: Callable[[], float] = random.random


class Reporter:
    """Keeps what the API server knows of the node true."""

    def __init__(self, settings: NodeSettings, means: NodeMeans, record: NodeRecord) -> None:
        self._settings = settings
        self._means = means
        self._record = record
        self._registrar = Registrar(means.nodes)
        self._machine: Machine | None = None
        self._status = NodeStatus()
        self._pressures: Sightings = {}
        self._asked = asyncio.Event()
        self._reported_at: float | None = None
        self._jitter_s = 0.0
        self._is_failing = False
        self._was_unschedulable = False

    async def register(self) -> None:
        """The node is there, and in the record; tries for ever.

        Raises:
            LabelsRefused: no API server would let the node have such labels.
            MachineUnreadable: nothing can be said about the machine.
        """
        node, is_new = await self._registrar.register(self._settings.name, self._new_node)
        self._record.keep(node)
        if is_new:
            self._note_report(is_change=True)
            self._tell(tidings(self._settings.name, NodeStatus(), self._status))

    async def _new_node(self) -> Node:
        observed = await self._observe(await self._read_machine())
        self._status = status(self._settings, observed, NodeStatus())
        return new_node(self._settings, self._status)

    async def run(self) -> None:
        """Report until cancelled; a node that somebody deletes is registered again."""
        while True:
            self._asked.clear()
            self._record.news.clear()
            await self._report_with_tries()
            every_s = (
                self._settings.status_every_s if self._reported_at is not None else _FIRST_AGAIN_S
            )
            await _set_within(self._asked, min(_APART_S, every_s))
            await _set_within(self._record.news, every_s - _APART_S)

    def report_soon(self) -> None:
        """Have the status computed now."""
        self._asked.set()
        self._record.news.set()

    @property
    def allocatable(self) -> Mapping[str, Quantity]:
        """What pods may have; empty before it is known."""
        return self._status.allocatable

    async def _report_with_tries(self) -> None:
        for failures in range(1, TRIES + 1):
            try:
                await self._report(afresh=failures > 1)
            except (ApiError, TimeoutError, MachineUnreadable) as exc:
                self._note_failure(exc)
                await asyncio.sleep(_RETRIES.wait_s(failures + 1))
            else:
                self._note_success()
                return

    async def _report(self, *, afresh: bool) -> None:
        """Compute the status, and report it if that is due; a node that is gone comes back.

        Args:
            afresh: others may have changed the node, so look at it again first.
        """
        try:
            if afresh and self._record.node is not None:
                async with asyncio.timeout(REQUEST_LIMIT_S):
                    self._record.keep(await self._means.nodes.get())
            if self._record.node is not None:
                await self._report_on(self._record.node.status)
        except NotFound:
            self._record.lose()
        if self._record.node is None:
            log.warning("node.deleted", node=self._settings.name, then="it is registered again")
            await self.register()

    async def _report_on(self, before: NodeStatus) -> None:
        self._tell(self._scheduling())
        observed = await self._observe(await self._read_machine())
        self._status = after = status(self._settings, observed, before)
        is_change = is_news(before, after)
        if not (is_change or self._is_due()):
            return
        async with asyncio.timeout(REQUEST_LIMIT_S):
            node = await self._means.nodes.patch_status(status_patch(before, after))
        self._record.keep(node)
        self._note_report(is_change=is_change or self._reported_at is None)
        self._tell(tidings(self._settings.name, before, after))

    # the schedule -----------------------------------------------------------------------------

    def _is_due(self) -> bool:
        if self._reported_at is None:
            return True
        now = asyncio.get_running_loop().time()  # the time of day may be set back
        return now - self._reported_at >= self._settings.report_every_s + self._jitter_s

    def _note_report(self, *, is_change: bool) -> None:
        """After a change the next report is up to a half early or late.

        So nodes that all change at the same time do not all report at the same time ever after.
        """
        self._reported_at = asyncio.get_running_loop().time()
        spread_s = self._settings.report_every_s
        self._jitter_s = spread_s * (self._means.random() - 0.5) if is_change else 0.0

    def _note_failure(self, error: Exception) -> None:
        if not self._is_failing:
            reason = str(error) or f"no answer within {REQUEST_LIMIT_S:.0f} s"
            log.warning("node.not_reported", node=self._settings.name, reason=reason)
        self._is_failing = True

    def _note_success(self) -> None:
        if self._is_failing:
            log.info("node.reported_again", node=self._settings.name)
        self._is_failing = False

    # the machine ------------------------------------------------------------------------------

    async def _read_machine(self) -> Machine:
        if self._machine is None:
            self._machine = await asyncio.to_thread(self._means.host.machine)
        return self._machine

    async def _observe(self, machine: Machine) -> Observed:
        now = self._means.clock.now()
        trouble = self._means.healthy()
        try:
            vitals = await asyncio.to_thread(self._means.host.vitals)
        except MachineUnreadable as exc:
            trouble = trouble or exc.message
        else:
            hold_s = self._settings.pressure_hold_s
            self._pressures = sighted(self._pressures, vitals, now, hold_s=hold_s)
        return Observed(
            machine=machine,
            pressures=self._pressures,
            images=await self._means.images(),
            trouble=trouble,
            at=now,
        )

    # people -----------------------------------------------------------------------------------

    def _scheduling(self) -> Iterable[Tiding]:
        node = self._record.node
        if node is not None and node.spec.unschedulable != self._was_unschedulable:
            self._was_unschedulable = node.spec.unschedulable
            yield schedulability(node.name, unschedulable=node.spec.unschedulable)

    def _tell(self, news: Iterable[Tiding]) -> None:
        for tiding in news:
            self._means.events.emit(tiding.kind, tiding.reason, tiding.message)


async def _set_within(event: asyncio.Event, limit_s: float) -> None:
    """Wait until the event is set, but no longer than so."""
    try:
        async with asyncio.timeout(max(limit_s, 0)):
            await event.wait()
    except TimeoutError:
        return
