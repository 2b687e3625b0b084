"""Write pod statuses to the API server: each pod's in order, and no more of them than it takes.

What is superseded before it was sent is not sent, with one exception: that a pod ran at all is
told, however soon its end follows. A pod that nothing is left of is deleted once its last status
has arrived. Owns what the API server is known to have of each pod.
"""

import asyncio
from collections import deque
from collections.abc import Mapping
from typing import Any, Final, Protocol, Self

import msgspec
import structlog

from krustlet.kube import ApiError, Conflict, NotFound
from krustlet.objects import PODS, Pod, PodPhase, PodStatus, Resource
from krustlet.status.patch import status_patch

# What nobody waits for can wait for what is likely to come next: that a pod is being started (it is
# Pending from its creation on), that a newer version of it was seen. Longer where there is much
# else to tell, as when many pods are started at once.
_HOLD_S: Final = 0.1
_HOLDS: Final = 50
_PARALLEL: Final = 16
_RETRY_S: Final = 0.2
_MAX_RETRY_S: Final = 10.0
_LONGEST_REST_S: Final = 60.0  # whatever a server that is busy asks for
_DULL: Final = ("", "ContainerCreating", "PodInitializing")

log = structlog.get_logger(__name__)


class Api(Protocol):
    """What is needed of `KubeClient`."""

    async def patch(
        self,
        resource: Resource[Pod],
        name: str,
        patch: object,
        *,
        namespace: str = "",
        subresource: str = "",
    ) -> Pod: ...

    async def delete(
        self,
        resource: Resource[Pod],
        name: str,
        *,
        namespace: str = "",
        grace_period_s: int | None = None,
        uid: str = "",
    ) -> None: ...


class _Slot:
    """One pod: what the server has of it, and what it is still to be told."""

    def __init__(self, pod: Pod) -> None:
        self.pod = pod
        self.has = pod.status
        self.version = _version(pod)
        self.wanted: PodStatus | None = None
        self.pending: deque[PodStatus] = deque()
        self.sending: PodStatus | None = None
        self.is_finished = False
        self.news = asyncio.Event()
        self.progress = asyncio.Event()
        self.task: asyncio.Task[None] | None = None

    def push(self, status: PodStatus) -> None:
        latest = self.sending or self.has
        if self.pending and not _tells_that_it_ran(
            self.pending[-2] if len(self.pending) > 1 else latest, self.pending[-1], status
        ):
            self.pending.pop()
        self.pending.append(status)
        self.wanted = status

    @property
    def may_wait(self) -> bool:
        """Whether what is to be told is likely to be out of date in a moment."""
        return (
            len(self.pending) == 1
            and not self.is_finished
            and (_is_dull(self.pending[0]) or _is_newer_only(self.has, self.pending[0]))
        )

    @property
    def is_behind(self) -> bool:
        """Whether somebody would miss what is still to be told."""
        if self.sending is not None or len(self.pending) > 1:
            return True
        return bool(self.pending) and not _is_newer_only(self.has, self.pending[0])


class StatusWriter:
    """Writes while it is entered; leaving gives up what has not been sent."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._slots: dict[str, _Slot] = {}
        self._group = asyncio.TaskGroup()
        self._tasks: set[asyncio.Task[None]] = set()
        self._turns = asyncio.Semaphore(_PARALLEL)

    async def __aenter__(self) -> Self:
        await self._group.__aenter__()
        return self

    async def __aexit__(self, *exc: object) -> None:
        for task in self._tasks:
            task.cancel()
        await self._group.__aexit__(None, None, None)

    def publish(self, pod: Pod, status: PodStatus) -> None:
        """Have the API server know that the pod's status is now this."""
        slot = self._slot(pod)
        slot.push(status)
        self._wake(slot)

    def seen(self, pod: Pod) -> None:
        """The API server has this of the pod: say again what somebody has overwritten."""
        slot = self._slots.get(pod.uid)
        if slot is None or slot.version >= (version := _version(pod)):
            return
        slot.pod, slot.version = pod, version
        if slot.task is None:  # else it is about to be written anyway
            slot.has = pod.status
            if slot.wanted is not None and status_patch(pod.uid, slot.has, slot.wanted):
                slot.pending.append(slot.wanted)
                self._wake(slot)

    async def until_told(self, uid: str) -> None:
        """Come back when nothing is left to be told of the pod, or there is no such pod."""
        while (slot := self._slots.get(uid)) is not None and slot.is_behind:
            slot.progress.clear()
            await slot.progress.wait()

    def finish(self, pod: Pod) -> None:
        """Nothing of the pod is left on this node: delete it once all has been told."""
        slot = self._slot(pod)
        slot.is_finished = True
        self._wake(slot)

    def drop(self, uid: str) -> None:
        """The pod is no more; whatever was to be told of it is of no use."""
        slot = self._slots.pop(uid, None)
        if slot is None:
            return
        slot.progress.set()
        if slot.task is not None:
            slot.task.cancel()

    def _slot(self, pod: Pod) -> _Slot:
        if (slot := self._slots.get(pod.uid)) is None:
            slot = self._slots[pod.uid] = _Slot(pod)
        return slot

    def _wake(self, slot: _Slot) -> None:
        slot.news.set()
        if slot.task is None:
            slot.task = self._group.create_task(self._drain(slot), name=f"status:{slot.pod.uid}")
            self._tasks.add(slot.task)
            slot.task.add_done_callback(self._tasks.discard)

    async def _drain(self, slot: _Slot) -> None:
        try:
            await self._until_worth_it(slot)
            while slot.pending or slot.is_finished:
                if not await self._send_next(slot):
                    self._slots.pop(slot.pod.uid, None)
                    return
        finally:
            slot.task = None
            slot.progress.set()

    async def _until_worth_it(self, slot: _Slot) -> None:
        for _ in range(_HOLDS):
            try:
                async with asyncio.timeout(_HOLD_S):
                    while slot.may_wait:
                        slot.news.clear()
                        await slot.news.wait()
                return
            except TimeoutError:
                if not self._turns.locked():
                    return  # it is how things stand

    async def _send_next(self, slot: _Slot) -> bool:
        """Tell one status, or that the pod may go; whether there is a pod afterwards."""
        retry_s = _RETRY_S
        while True:
            asked_s = 0.0
            try:
                async with self._turns:
                    if slot.pending:
                        await self._patch(slot)
                        return True
                    await self._delete(slot.pod)
                    return False
            except (NotFound, Conflict):
                return False  # gone, or another one of that name by now
            except ApiError as exc:
                # Once: of five hundred pods that wait for a server, nobody wants to hear all day.
                tell = log.warning if retry_s == _RETRY_S else log.debug
                tell("status.not_written", pod=_name(slot), error=exc.message)
                asked_s = min(exc.retry_after_s or 0.0, _LONGEST_REST_S)
            except Exception as bug:  # the wall: no pod takes the node down
                log.error("status.bug", pod=_name(slot), exc_info=bug)
            await asyncio.sleep(max(retry_s, asked_s))
            retry_s = min(2 * retry_s, _MAX_RETRY_S)

    async def _patch(self, slot: _Slot) -> None:
        status = slot.sending = slot.pending.popleft()
        if slot.is_finished and _is_newer_only(slot.has, status):
            slot.sending = None
            return  # nobody will look at what is deleted next
        try:
            if (patch := status_patch(slot.pod.uid, slot.has, status)) is not None:
                await self._write(slot, patch)
        except Exception:
            if not slot.pending or _tells_that_it_ran(slot.has, status, slot.pending[0]):
                slot.pending.appendleft(status)
            raise
        finally:
            slot.sending = None
            slot.progress.set()

    async def _write(self, slot: _Slot, patch: Mapping[str, Any]) -> None:
        pod = slot.pod
        answer = await self._api.patch(
            PODS, pod.name, patch, namespace=pod.namespace, subresource="status"
        )
        slot.has = answer.status
        slot.version = max(slot.version, _version(answer))
        slot.pod = msgspec.structs.replace(pod, metadata=answer.metadata)

    async def _delete(self, pod: Pod) -> None:
        await self._api.delete(
            PODS, pod.name, namespace=pod.namespace, grace_period_s=0, uid=pod.uid
        )


def _name(slot: _Slot) -> str:
    return f"{slot.pod.namespace}/{slot.pod.name}"


def _tells_that_it_ran(before: PodStatus, status: PodStatus, after: PodStatus) -> bool:
    """Whether `status` is the only word of it that the pod ran."""
    running = PodPhase.RUNNING.value
    return before.phase != running and status.phase == running and after.phase != running


def _is_dull(status: PodStatus) -> bool:
    """Whether it says no more than that the pod is being started."""
    if status.phase != PodPhase.PENDING.value or status.init_container_statuses:
        return False
    waits = (container.state.waiting for container in status.container_statuses)
    return all(wait is not None and wait.reason in _DULL for wait in waits)


def _is_newer_only(before: PodStatus, after: PodStatus) -> bool:
    """Whether it says no more than which version of the pod was seen."""
    if before.phase != after.phase:
        return False
    return status_patch("", _of_no_version(before), _of_no_version(after)) is None


def _of_no_version(status: PodStatus) -> PodStatus:
    return msgspec.structs.replace(
        status,
        observed_generation=0,
        conditions=tuple(
            msgspec.structs.replace(condition, observed_generation=0)
            for condition in status.conditions
        ),
    )


def _version(pod: Pod) -> int:
    """Resource versions may be compared as numbers (KEP-5504)."""
    text = pod.metadata.resource_version
    return int(text) if text.isdecimal() else 0
