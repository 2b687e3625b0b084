"""Report the node's status: soon when something has changed, seldom when nothing has.

Owns the schedule and the tries. Leaves what a status is to `status.py`.

Source: kubernetes pkg/kubelet/kubelet_node_status.go.
"""

import asyncio
from collections.abc import Iterable, Mapping
from typing import Final

import structlog

from krustlet.base import Backoff
from krustlet.kube import ApiError, NotFound
from krustlet.node.errors import MachineUnreadable, NodeTakenOver
from krustlet.node.identity import new_node
from krustlet.node.means import NodeMeans
from krustlet.node.observer import Observer
from krustlet.node.patience import answered, in_words, rest_s
from krustlet.node.record import NodeRecord
from krustlet.node.registrar import Registrar
from krustlet.node.resources import used_up
from krustlet.node.settings import NodeSettings
from krustlet.node.status import is_news, status, status_patch
from krustlet.node.tidings import Tiding, schedulability, tidings
from krustlet.objects import Node, NodeStatus, NodeSystemInfo, Quantity

TRIES: Final = 5
_RETRIES: Final = Backoff(initial_s=0.1, max_s=7.0)
_FIRST_AGAIN_S: Final = 1.0  # nobody knows of us yet, so this does not wait for its turn
_APART_S: Final = 1.0  # others and we must not change a node against each other at full speed

log = structlog.get_logger(__name__)


class Reporter:
    """Keeps what the API server knows of the node true."""

    def __init__(self, settings: NodeSettings, means: NodeMeans, record: NodeRecord) -> None:
        self._settings = settings
        self._means = means
        self._record = record
        self._registrar = Registrar(means.nodes)
        self._observer = Observer(settings, means)
        self._status = NodeStatus()
        self._asked = asyncio.Event()
        self._reported_at: float | None = None
        self._jitter_s = 0.0
        self._is_failing = False
        self._was_unschedulable = False
        self._is_used_up = False

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
        self._status = status(self._settings, await self._observer.observe(), NodeStatus())
        self._warn_if_used_up()
        return new_node(self._settings, self._status)

    async def run(self) -> None:
        """Report until cancelled; a node that somebody deletes is registered again.

        Raises:
            NodeTakenOver: another machine says that it is this node.
        """
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

    def use(self, settings: NodeSettings) -> None:
        """Report as these say, now and from now on."""
        self._settings = settings
        self._observer.use(settings)
        self.report_soon()

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
                await asyncio.sleep(rest_s(exc, failures, _RETRIES))
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
                self._record.keep(await answered(self._means.nodes.get()))
            if self._record.node is not None:
                await self._report_on(self._record.node.status)
        except NotFound:
            self._record.lose()
        if self._record.node is None:
            log.warning("node.deleted", node=self._settings.name, then="it is registered again")
            await self.register()

    async def _report_on(self, before: NodeStatus) -> None:
        self._tell(self._scheduling())
        self._status = after = status(self._settings, await self._observer.observe(), before)
        if self._reported_at is not None:  # before that, it is of whoever was this node once
            _refuse_to_share(self._settings.name, before.node_info, after.node_info)
        self._warn_if_used_up()
        is_change = is_news(before, after)
        if not (is_change or self._is_due()):
            return
        node = await answered(self._means.nodes.patch_status(status_patch(before, after)))
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
            log.warning("node.not_reported", node=self._settings.name, reason=in_words(error))
        self._is_failing = True

    def _note_success(self) -> None:
        if self._is_failing:
            log.info("node.reported_again", node=self._settings.name)
        self._is_failing = False

    # people -----------------------------------------------------------------------------------

    def _scheduling(self) -> Iterable[Tiding]:
        node = self._record.node
        if node is not None and node.spec.unschedulable != self._was_unschedulable:
            self._was_unschedulable = node.spec.unschedulable
            yield schedulability(node.name, unschedulable=node.spec.unschedulable)

    def _warn_if_used_up(self) -> None:
        names = used_up(self._status.capacity, self._status.allocatable)
        if names and not self._is_used_up:
            log.warning(
                "node.nothing_left_for_pods",
                node=self._settings.name,
                resources=names,
                hint="reserve less for system and kubelet, or lower the eviction thresholds",
            )
        self._is_used_up = bool(names)

    def _tell(self, news: Iterable[Tiding]) -> None:
        for tiding in news:
            self._means.events.emit(tiding.kind, tiding.reason, tiding.message)


def _refuse_to_share(name: str, told: NodeSystemInfo | None, ours: NodeSystemInfo | None) -> None:
    if told is None or ours is None or "" in (told.machine_id, ours.machine_id):
        return
    if told.machine_id != ours.machine_id:
        raise NodeTakenOver(
            f"another machine says that it is node {name}: its machine ID is {told.machine_id}, "
            f"ours is {ours.machine_id}",
            hint="give one of the two another --node-name; the containers of this machine go on",
        )


async def _set_within(event: asyncio.Event, limit_s: float) -> None:
    """Wait until the event is set, but no longer than so."""
    try:
        async with asyncio.timeout(max(limit_s, 0)):
            await event.wait()
    except TimeoutError:
        return
