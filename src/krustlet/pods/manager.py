"""All pods of this node: one worker each, and the way from a container's id to its worker."""

import asyncio
import os
from collections.abc import Mapping
from pathlib import Path

import structlog

from krustlet.base import Instant
from krustlet.objects import Pod
from krustlet.pods import facts as saw
from krustlet.pods.admission import IGNORED_REASON, ignored, refusal
from krustlet.pods.ports import PodEvent
from krustlet.pods.state import ContainerState, PodState
from krustlet.pods.worker import Means, PodWorker, catch_up
from krustlet.provider import ContainerEnded, ContainerStarted, RuntimeEvent

log = structlog.get_logger(__name__)


class Pods:
    """Takes pods in and lets go of them; use as `async with`, which waits for nobody."""

    def __init__(self, means: Means) -> None:
        self._means = means
        self._workers: dict[str, PodWorker] = {}
        self._routes: dict[str, tuple[str, str, int]] = {}  # container id → pod, name, attempt
        self._unclaimed: dict[str, list[RuntimeEvent]] = {}
        self._found: Mapping[str, ContainerStarted] = {}
        self._tasks = asyncio.TaskGroup()
        self._task_of: dict[str, asyncio.Task[None]] = {}

    async def __aenter__(self) -> "Pods":
        """Connect to the runtime and learn what it runs; pods may be added from now on."""
        await self._tasks.__aenter__()
        self._found = await self._means.runtime.open(self._hear)
        return self

    async def __aexit__(self, *exc: object) -> None:
        """Leave every pod as it is."""
        for task in self._task_of.values():
            task.cancel()
        await self._tasks.__aexit__(None, None, None)

    def add(self, pod: Pod, *, directory: Path) -> None:
        """Run `pod` from now on; one that is here already is left as it is.

        Args:
            pod: defaulted and valid, with a uid.
            directory: where its relative image references begin.
        """
        if pod.uid in self._workers:
            return
        restored = self._means.checkpoints.load(pod.uid)
        state = restored or _new_state(pod, self._means.clock.now())
        worker = PodWorker(
            pod,
            state,
            self._means,
            directory=directory,
            on_container=lambda id_, name, attempt: self._route(id_, pod.uid, name, attempt),
        )
        self._workers[pod.uid] = worker
        if restored is not None:
            self._take_over(worker, restored)
        else:
            self._admit(worker)
        task = self._tasks.create_task(self._run(worker), name=f"pod:{pod.uid}")
        self._task_of[pod.uid] = task

    def _admit(self, worker: PodWorker) -> None:
        pod = worker.pod
        if (rejection := refusal(pod, uid=os.getuid())) is not None:
            worker.tell(saw.Rejected(rejection))
            event = PodEvent(reason=rejection.reason, message=rejection.message, kind="Warning")
            self._means.sink.emit(pod, event)
            return
        for message in ignored(pod):
            event = PodEvent(reason=IGNORED_REASON, message=message, kind="Warning")
            self._means.sink.emit(pod, event)

    def delete(self, uid: str, *, grace_s: float) -> None:
        """Have a pod's containers end within `grace_s`, then clean up; asked twice, the earlier
        time counts. An unknown pod is gone already."""
        if (worker := self._workers.get(uid)) is not None:
            by = Instant(self._means.clock.now() + grace_s)
            worker.tell(saw.DeletionAsked(by))

    def state_of(self, uid: str) -> PodState | None:
        """What is known of a pod now; None when it is gone."""
        worker = self._workers.get(uid)
        return worker.state if worker is not None else None

    def stop_strangers(self) -> None:
        """End what the runtime runs for pods that nobody has added: their owner is gone."""
        for container_id in [*self._found, *self._unclaimed]:
            if container_id not in self._routes:
                log.warning("container.unowned", container=container_id)
                self._means.runtime.stop(container_id, grace_s=0)
                self._means.runtime.forget(container_id)
        self._unclaimed.clear()

    async def _run(self, worker: PodWorker) -> None:
        uid = worker.pod.uid
        await worker.run()
        self._routes = {id_: r for id_, r in self._routes.items() if r[0] != uid}
        await self._means.runtime.clean(uid)
        self._means.checkpoints.remove(uid)
        del self._workers[uid], self._task_of[uid]
        self._means.sink.gone(worker.pod)

    # the runtime's events ---------------------------------------------------------------------

    def _take_over(self, worker: PodWorker, state: PodState) -> None:
        running = {id_: Instant(started.at) for id_, started in self._found.items()}
        for fact in catch_up(state, running):
            worker.tell(fact)
        for name, container in state.containers.items():
            self._route(container.container_id, worker.pod.uid, name, container.attempt)
        log.info("pod.adopted", pod=f"{worker.pod.namespace}/{worker.pod.name}")

    def _route(self, container_id: str, uid: str, name: str, attempt: int) -> None:
        self._routes[container_id] = (uid, name, attempt)
        for event in self._unclaimed.pop(container_id, ()):
            self._hear(event)

    def _hear(self, event: RuntimeEvent) -> None:
        route = self._routes.get(event.id)
        if route is None:
            self._unclaimed.setdefault(event.id, []).append(event)
            return
        uid, name, attempt = route
        if (worker := self._workers.get(uid)) is not None:
            worker.tell(_as_fact(event, name, attempt))


def _as_fact(event: RuntimeEvent, name: str, attempt: int) -> saw.Fact:
    match event:
        case ContainerStarted(at=at):
            return saw.Started(container=name, attempt=attempt, at=Instant(at))
        case ContainerEnded():
            return saw.Exited(
                container=name,
                attempt=attempt,
                code=event.code,
                reason=event.reason,
                message=event.message,
                at=Instant(event.at),
            )


def _new_state(pod: Pod, now: Instant) -> PodState:
    containers = [*pod.spec.init_containers, *pod.spec.containers]
    return PodState(
        uid=pod.uid,
        accepted_at=now,
        containers={c.name: ContainerState(name=c.name) for c in containers},
    )
