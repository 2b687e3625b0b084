"""All pods of this node, one worker each.

Owns who works for which pod. Leaves to `routes.py` how the runtime's events find their worker.
"""

import asyncio
import os
from pathlib import Path
from typing import Self

import msgspec
import structlog

from krustlet.base import Instant
from krustlet.objects import NoCluster, ObjectMeta, Pod, PodStatus
from krustlet.pods import facts as saw
from krustlet.pods.admission import IGNORED_REASON, ignored, refusal
from krustlet.pods.ports import Means, PodEvent
from krustlet.pods.reporter import Reporter
from krustlet.pods.routes import Claim, Routes
from krustlet.pods.state import PodState
from krustlet.pods.takeover import catch_up
from krustlet.pods.users import Users
from krustlet.pods.visits import Visits
from krustlet.pods.worker import PodWorker

log = structlog.get_logger(__name__)


class Pods:
    """Takes pods in and lets go of them; use as `async with`, which waits for nobody."""

    def __init__(self, means: Means) -> None:
        self._means = means
        self._workers: dict[str, PodWorker] = {}
        self._users = Users(means.checkpoints.root, means.user_rules.numbers)
        self._routes = Routes(means.runtime)
        self.visits = Visits(means.runtime, self._workers.get)
        """Who wants into a container, asks these."""
        self._group = asyncio.TaskGroup()
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        """Connect to the runtime and learn what it runs; pods may be added from now on."""
        await self._routes.open()
        await self._group.__aenter__()
        return self

    async def __aexit__(self, *exc: object) -> None:
        """Leave every pod as it is."""
        for task in self._tasks:
            task.cancel()
        await self._group.__aexit__(None, None, None)

    def add(self, pod: Pod, *, directory: Path) -> None:
        """Run `pod` from now on; one that is here already, or still going, is left as it is.

        Args:
            pod: defaulted and valid, with a uid.
            directory: where its relative image references begin.
        """
        if pod.uid in self._workers:
            return
        restored = self._means.checkpoints.load(pod.uid)
        state = restored or PodState.new(pod, self._means.clock.now())
        worker = self._employ(pod, state, self._means, directory)
        if restored is not None:
            log.info("pod.adopted", pod=f"{pod.namespace}/{pod.name}")
        elif not state.settled_as:
            self._admit(worker)

    def revise(self, pod: Pod) -> None:
        """Go by this newer version of a pod that was added; an unknown one is gone already."""
        if (worker := self._workers.get(pod.uid)) is None:
            return
        before = worker.pod
        if worker.revise(pod):
            reporter = Reporter(pod, self._means.sink)
            told = set(ignored(before, self._means.powers))
            for message in ignored(pod, self._means.powers):
                if message not in told:
                    reporter.warn(IGNORED_REASON, message)

    def delete(self, uid: str, *, grace_s: float) -> None:
        """Have a pod's containers end within `grace_s` seconds, then leave nothing of it.

        Asked twice, the earlier time counts. An unknown pod is gone already.
        """
        if (worker := self._workers.get(uid)) is not None:
            by = Instant(self._means.clock.now() + grace_s)
            worker.tell(saw.DeletionAsked(by))

    def state_of(self, uid: str) -> PodState | None:
        """What is known of a pod now; None when it is gone."""
        worker = self._workers.get(uid)
        return worker.state if worker is not None else None

    def all(self) -> list[Pod]:
        """Every pod that was added and is not gone, with what is told of it now."""
        return [worker.shown for worker in self._workers.values() if worker.pod.namespace]

    def find(self, *, namespace: str, name: str) -> Pod | None:
        """The pod of that name, with what is told of it now; of several the latest added."""
        for worker in reversed(self._workers.values()):
            if worker.pod.name == name and worker.pod.namespace == namespace:
                return worker.shown
        return None

    async def changed(self, uid: str) -> None:
        """Wait until something else is told of the pod, or it is gone; if it is, not at all."""
        if (worker := self._workers.get(uid)) is not None:
            await worker.changed()

    def stop_strangers(self) -> None:
        """All pods have been added: end and clear away what is left of any other.

        What the runtime runs for nobody is ended, from now on too.
        """
        means = msgspec.structs.replace(self._means, sink=_Nobody())
        for uid in [uid for uid in self._means.checkpoints.uids() if uid not in self._workers]:
            now = self._means.clock.now()
            state = self._means.checkpoints.load(uid) or PodState(
                uid=uid, accepted_at=now, containers={}
            )
            log.warning("pod.unowned", uid=uid)
            stranger = Pod(metadata=ObjectMeta(name=uid, uid=uid))  # of no namespace: shown nowhere
            worker = self._employ(stranger, state, means, Path.cwd())
            worker.tell(saw.DeletionAsked(now))
        self._routes.settle()

    def _employ(self, pod: Pod, state: PodState, means: Means, directory: Path) -> PodWorker:
        """A worker for `pod` that knows what became of its containers, and is at work."""
        worker = PodWorker(
            pod,
            state,
            means,
            users=self._users,
            directory=directory,
            on_attempt=lambda id_, name, attempt: self._routes.claim(
                id_, Claim(pod.uid, name, attempt, worker.tell)
            ),
            on_gone=lambda: self._let_go(worker, means),
        )
        self._workers[pod.uid] = worker
        routes = self._routes
        for fact in catch_up(state, running=routes.found, heard_of=routes.heard_of):
            worker.tell(fact)
        for name, container in state.containers.items():
            if container.container_id:
                claim = Claim(pod.uid, name, container.attempt, worker.tell)
                routes.claim(container.container_id, claim)
        task = self._group.create_task(worker.run(), name=f"pod:{pod.uid}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return worker

    def _admit(self, worker: PodWorker) -> None:
        reporter = Reporter(worker.pod, self._means.sink)
        has_cluster = not isinstance(self._means.lookups, NoCluster)
        rejection = refusal(
            worker.pod, uid=os.getuid(), powers=self._means.powers, has_cluster=has_cluster
        )
        if rejection is not None:
            worker.tell(saw.Rejected(rejection))
            reporter.warn(rejection.reason, rejection.message)
            return
        for message in ignored(worker.pod, self._means.powers):
            reporter.warn(IGNORED_REASON, message)

    def _let_go(self, worker: PodWorker, means: Means) -> None:
        self._routes.release(worker.pod.uid)
        self._users.free(worker.pod.uid)
        self._workers.pop(worker.pod.uid, None)
        means.sink.gone(worker.pod)


class _Nobody:
    """The sink of pods whose owner is gone."""

    def publish(self, pod: Pod, status: PodStatus) -> None:
        pass

    def emit(self, pod: Pod, event: PodEvent) -> None:
        pass

    async def until_told(self, pod: Pod) -> None:
        pass

    def gone(self, pod: Pod) -> None:
        pass
