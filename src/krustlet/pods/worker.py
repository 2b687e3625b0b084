"""Carry one pod through its life: the doing of what `decide` says.

One task a pod takes facts out of an inbox, has them decided on, writes the new state down, tells
what changed and carries out the effects. These run beside it and report back as facts. A bug met
here stops here: the step is tried again after a pause, and no other pod hears of it.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Final

import msgspec
import structlog

from krustlet.base import Instant, KrustletError
from krustlet.objects import Pod, PodStatus
from krustlet.pods import effects as do
from krustlet.pods import facts as saw
from krustlet.pods.decide import Decision, back_off_pulling, decide
from krustlet.pods.last_words import LastWords
from krustlet.pods.logs import remove_logs, remove_old_log
from krustlet.pods.naming import container_id_of, long_name
from krustlet.pods.plan import IMAGE_PULL
from krustlet.pods.ports import Means
from krustlet.pods.projection import project
from krustlet.pods.reporter import Reporter
from krustlet.pods.resizing import COMPLETED, FAILED, told_of
from krustlet.pods.starter import Attempt, Starter
from krustlet.pods.state import PodState
from krustlet.pods.users import Users
from krustlet.provider import ContainerRequest

_BUG_PAUSE_S: Final = 10.0  # the kubelet's own pause after a failed sync

log = structlog.get_logger(__name__)


class PodGoing(KrustletError):
    """Nothing more can be asked about the pod's containers: it goes."""

    reason = "PodGoing"

    def __init__(self, pod: Pod) -> None:
        super().__init__(f'pod "{long_name(pod)}" is being removed')


class PodWorker:
    """The one owner of a pod's state while the kubelet runs."""

    def __init__(
        self,
        pod: Pod,
        state: PodState,
        means: Means,
        *,
        users: Users,
        directory: Path,
        on_attempt: Callable[[str, str, int], None],
        on_gone: Callable[[], None],
    ) -> None:
        """Keep what it is given.

        Args:
            pod: defaulted and valid.
            state: a new one, or what the last kubelet left.
            users: knows which user the pod is.
            directory: where relative image references begin.
            on_attempt: told container id, name and attempt before any attempt begins.
            on_gone: told when nothing of the pod is left; once, unless it fails.
        """
        self.pod = pod
        self._state = state
        self._means = means
        self._on_attempt = on_attempt
        self._on_gone = on_gone
        self._inbox: deque[saw.Fact] = deque([saw.Resumed()])
        self._arrived = asyncio.Event()
        self._todo: deque[Callable[[], None]] = deque()
        self._tasks = asyncio.TaskGroup()
        self._volumes: Mapping[str, Path] = {}
        self._asked: set[asyncio.Task[ContainerRequest]] = set()  # see `request_of`
        self._published: PodStatus | None = None
        self._is_revised = False
        self._next_status = asyncio.Event()
        self._wake_at: Instant | None = None
        self._is_gone = False
        self._reporter = Reporter(pod, means.sink)
        self._last_words = LastWords(means)
        self._starter = Starter(
            pod,
            means,
            self._reporter,
            users=users,
            directory=directory,
            tell=self.tell,
            spawn=self._spawn,
        )

    @property
    def state(self) -> PodState:
        """What is known now."""
        return self._state

    @property
    def shown(self) -> Pod:
        """The pod as it is told of now."""
        return msgspec.structs.replace(self.pod, status=self._published or self.pod.status)

    async def changed(self) -> None:
        """Wait until something else is told of it, or nothing is left of it."""
        await self._next_status.wait()

    def tell(self, fact: saw.Fact) -> None:
        """Put a fact into the inbox."""
        self._inbox.append(fact)
        self._arrived.set()

    def revise(self, pod: Pod) -> bool:
        """Go by this newer version of the pod from now on; returns whether its spec is another."""
        has_changed = pod.spec != self.pod.spec
        is_newer = pod.metadata.generation != self.pod.metadata.generation
        self.pod = self._reporter.pod = self._starter.pod = pod
        if has_changed or is_newer:
            self._is_revised = True
            self._arrived.set()
        return has_changed

    async def run(self) -> None:
        """Work until nothing of the pod is left; cancel to leave it to the next kubelet."""
        with structlog.contextvars.bound_contextvars(pod=f"{self.pod.namespace}/{self.pod.name}"):
            async with self._tasks:
                while not self._is_gone:
                    try:
                        await self._step()
                    except Exception as bug:  # noqa: BLE001 - the wall: no pod's bug takes the node down
                        self._tell_bug(bug)
                        await asyncio.sleep(_BUG_PAUSE_S)

    async def _step(self) -> None:
        """Decide once and do what follows; after a bug, what it has left undone."""
        if not self._todo and not self._state.finished:
            await self._something_to_do()
            await self._hear_last_words()
            self._decide()
        while self._todo:
            self._todo[0]()
            self._todo.popleft()
        if self._state.finished:
            await self._leave()

    async def _something_to_do(self) -> None:
        if self._inbox or self._is_revised:
            return
        self._arrived.clear()
        wait_s = None
        if self._wake_at is not None:
            wait_s = max(0.0, self._wake_at - self._means.clock.now())
        try:
            async with asyncio.timeout(wait_s):
                await self._arrived.wait()
        except TimeoutError:
            pass  # a deadline has come

    async def _hear_last_words(self) -> None:
        """Put into the facts that a container has ended what it has left as its message."""
        heard = 0
        while heard < len(self._inbox):  # which may grow meanwhile
            fact = self._inbox[heard]
            if isinstance(fact, saw.Exited):
                self._inbox[heard] = await self._last_words.hear(self.pod, self._state, fact)
            heard += 1

    def _decide(self) -> None:
        """Until the state is written down nothing has changed, so it can be tried again."""
        facts = list(self._inbox)
        decision = decide(self.pod, self._state, facts, self._means.clock.now())
        if decision.state is not self._state:
            self._means.checkpoints.save(decision.state)
        for fact in facts:
            log.debug("pod.fact", fact=type(fact).__name__)
            self._inbox.popleft()
        self._state = decision.state
        self._wake_at = min(
            (effect.at for effect in decision.effects if isinstance(effect, do.WakeAt)),
            default=None,
        )
        self._todo.extend(self._consequences(facts, decision))

    def _consequences(
        self, facts: Sequence[saw.Fact], decision: Decision
    ) -> list[Callable[[], None]]:
        """What to tell, then what to do: in this order."""
        is_due = self._is_revised or self._published is None
        self._is_revised = False
        untold = decision.states if is_due else decision.states[1:]
        return [
            *(partial(self._publish, state) for state in untold),
            *(partial(self._forget, fact) for fact in facts if isinstance(fact, saw.Exited)),
            *(partial(self._tell_started, name) for name in _newly_started(decision)),
            *(partial(self._carry_out, effect) for effect in decision.effects),
        ]

    async def _leave(self) -> None:
        """Drop all that is kept of it; how it ended only when that is known elsewhere."""
        if self._published is None:  # the last kubelet came this far, and no further
            self._publish(self._state)
        await asyncio.gather(
            self._means.runtime.clean(self.pod.uid),
            self._remove_logs(),
            self._means.sink.until_told(self.pod),
        )
        self._means.checkpoints.remove(self.pod.uid)
        self._on_gone()
        self._is_gone = True
        self._next_status.set()

    async def _remove_logs(self) -> None:
        if not self._means.logs_stay:
            await asyncio.to_thread(remove_logs, self._means.logs, self.pod)

    # telling ----------------------------------------------------------------------------------

    def _publish(self, state: PodState) -> None:
        before = self._published
        status = project(self.pod, state, self._means.address, before=before or self.pod.status)
        if status == before:
            return
        self._means.sink.publish(self.pod, status)
        self._published = status
        self._next_status.set()
        self._next_status = asyncio.Event()
        if before is None or status.phase != before.phase:
            log.info("pod.phase", was=before.phase if before else "", now=status.phase)

    def _forget(self, fact: saw.Exited) -> None:
        """Its end is on disk now, or is late: the runtime need not keep it any longer."""
        container_id = container_id_of(self._state, fact.container, fact.attempt)
        self._means.runtime.forget(container_id)
        self._starter.forget(fact.container, container_id)

    def _tell_started(self, name: str) -> None:
        if not self._means.logs_stay:
            restarts = self._state.containers[name].restarts
            remove_old_log(self._means.logs, self.pod, name, restarts=restarts)
        self._reporter.tell("Created", "Container created", container=name)
        self._reporter.tell("Started", "Container started", container=name)

    def _tell_back_off(self, name: str) -> None:
        waiting = self._state.containers[name].waiting
        if waiting is not None and waiting.reason == IMAGE_PULL:
            if self._starter.is_unfit(name):
                return
            self._reporter.tell("BackOff", back_off_pulling(self.pod, name), container=name)
            return
        message = f"Back-off restarting failed container {name} in pod {long_name(self.pod)}"
        self._reporter.warn("BackOff", message, container=name)

    def _tell_bug(self, bug: Exception) -> None:
        log.error("pod.bug", exc_info=bug)
        try:
            self._reporter.warn("FailedSync", f"error syncing pod: {bug}")
        except Exception as another:  # still the wall: the first may have been the sink's own
            log.error("pod.bug_untold", exc_info=another)

    # doing ------------------------------------------------------------------------------------

    def _carry_out(self, effect: do.Effect) -> None:
        match effect:
            case do.Mount():
                self._spawn(
                    self._mount, name="pod.mount", failed=lambda _: saw.MountFailed(self._now())
                )
            case do.Unmount():
                self._spawn(
                    self._unmount,
                    name="pod.unmount",
                    failed=lambda _: saw.UnmountFailed(self._now()),
                )
            case do.Start(container=name, attempt=attempt):
                self._start(name, attempt)
            case do.Abandon(container=name):
                self._starter.abandon(name)
            case do.Stop():
                self._stop(effect)
            case do.Resize(container=name, attempt=attempt):
                self._spawn(
                    partial(self._resize, effect),
                    name=f"pod.resize:{name}",
                    failed=lambda _: saw.ResizeFailed(container=name, attempt=attempt),
                )
            case do.BackOff(container=name):
                self._tell_back_off(name)
            case do.Finish() | do.WakeAt():
                pass  # the loop itself sees to both
            case _:
                raise TypeError(f"no way to carry out {effect}")

    def _spawn(
        self, work: Callable[[], Awaitable[None]], *, name: str, failed: Callable[[str], saw.Fact]
    ) -> asyncio.Task[None]:
        """Begin an effect; a bug in it is one more way for it to fail."""

        async def walled() -> None:
            try:
                await work()
            except Exception as bug:  # noqa: BLE001 - the wall, as above
                self._tell_bug(bug)
                self.tell(failed(str(bug)))

        return self._tasks.create_task(walled(), name=f"{name}:{self.pod.uid}")

    async def _mount(self) -> None:
        try:
            self._volumes = await self._starter.mount()
        except KrustletError as exc:
            self._reporter.warn("FailedMount", exc.message, hint=exc.hint)
            self.tell(saw.MountFailed(self._now()))
        else:
            self.tell(saw.Mounted())

    async def _unmount(self) -> None:
        for asked in self._asked:
            asked.cancel()
        if self._asked:  # or they would make anew what is removed
            await asyncio.wait(self._asked)
        try:
            await self._means.volumes.unmount(self.pod.uid)
        except KrustletError as exc:
            self._reporter.warn("FailedKillPod", f"error killing pod: {exc.message}", hint=exc.hint)
            self.tell(saw.UnmountFailed(self._now()))
        else:
            self.tell(saw.Unmounted())

    def _start(self, name: str, attempt: int) -> None:
        state = self._state.containers[name]
        self._on_attempt(state.container_id, name, attempt)
        self._starter.begin(self._attempt(name, state.restarts_once_started), self._volumes)

    def _attempt(self, name: str, restart: int) -> Attempt:
        """The latest at running a container."""
        state = self._state.containers[name]
        return Attempt(
            container=next(c for c in self.pod.spec.all_containers() if c.name == name),
            number=state.attempt,
            container_id=state.container_id,
            restart=restart,
        )

    async def request_of(self, name: str) -> ContainerRequest:
        """What a container that runs was started with, and what it may use by now.

        Raises:
            KrustletError: that cannot be known any more.
        """
        asked = asyncio.create_task(self._made_out(name), name=f"pod.request:{name}:{self.pod.uid}")
        self._asked.add(asked)
        asked.add_done_callback(self._answered)
        try:
            await asyncio.wait([asked])
        finally:
            asked.cancel()  # whoever asked has left
        if asked.cancelled():
            raise PodGoing(self.pod)
        return asked.result()

    def _answered(self, asked: asyncio.Task[ContainerRequest]) -> None:
        self._asked.discard(asked)
        if not asked.cancelled():
            asked.exception()  # there may be nobody to hear of it

    async def _made_out(self, name: str) -> ContainerRequest:
        restarts = self._state.containers[name].restarts
        if not self._volumes:  # an earlier kubelet mounted them
            self._volumes = await self._starter.mount()
        return await self._starter.request_again(self._attempt(name, restarts), self._volumes)

    async def _resize(self, effect: do.Resize) -> None:
        name = effect.container
        try:
            request = await self.request_of(name)
            if self._state.containers[name].attempt != effect.attempt:
                return
            await self._starter.resize(request)
        except KrustletError as exc:
            self._reporter.warn(
                FAILED, told_of(self.pod, error=exc.message), container=name, hint=exc.hint
            )
            self.tell(saw.ResizeFailed(container=name, attempt=effect.attempt))
        else:
            self.tell(
                saw.Resized(container=name, attempt=effect.attempt, allotment=effect.allotment)
            )
            self._reporter.tell(COMPLETED, told_of(self.pod), container=name)

    def _stop(self, effect: do.Stop) -> None:
        name = effect.container
        container_id = container_id_of(self._state, name, effect.attempt)
        grace_s = max(0.0, effect.kill_at - self._now())
        self._means.runtime.stop(container_id, grace_s=grace_s)
        message = f"Stopping container {name}"
        if effect.returns:
            message = f"Container {name} resize requires restart"
        self._reporter.tell("Killing", message, container=name)

    def _now(self) -> Instant:
        return self._means.clock.now()


def _newly_started(decision: Decision) -> list[str]:
    """The containers that a start was heard of, even if their end came with it."""
    before = decision.states[0].containers
    return [
        name
        for name, container in decision.state.containers.items()
        if container.started_at not in (None, before[name].started_at)
    ]
