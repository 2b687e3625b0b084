"""Carry one pod through its life: the doing that `plan` decides on.

One task a pod drains its inbox into `observe`, writes the checkpoint, publishes what changed, and
carries out the effects of `plan`. Effects report back as facts. A bug met here stops here: the
pod is taken up again after a pause, and no other pod hears of it.
"""

import asyncio
import hashlib
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Final

import msgspec
import structlog

from krustlet.base import Clock, Instant, KrustletError
from krustlet.images import Image, ImageError, PullPolicy
from krustlet.objects import ContainerCommon, Pod, PodStatus
from krustlet.pods import effects as do
from krustlet.pods import facts as saw
from krustlet.pods.checkpoint import Checkpoints
from krustlet.pods.env import arguments, environment
from krustlet.pods.observe import observe
from krustlet.pods.plan import back_off_reason, plan
from krustlet.pods.ports import Images, PodEvent, Sink, Volumes
from krustlet.pods.projection import HostAddress, project
from krustlet.pods.state import PodState, Run
from krustlet.provider import ContainerRequest, Runtime
from krustlet.volumes import resolve_mounts

_BUG_PAUSE_S: Final = 10.0  # the kubelet's own pause after a failed sync
_UNKNOWN_CODE: Final = 137
_UNKNOWN: Final = "ContainerStatusUnknown"
_UNKNOWN_MESSAGE: Final = "The container could not be located when the pod was terminated"

log = structlog.get_logger(__name__)


class Means(msgspec.Struct, frozen=True, kw_only=True):
    """What every worker of a node works with.

    Attributes:
        logs: the directory of pod logs, `/var/log/pods` on a node.
    """

    images: Images
    volumes: Volumes
    runtime: Runtime
    checkpoints: Checkpoints
    sink: Sink
    clock: Clock
    logs: Path
    address: HostAddress = HostAddress()


class PodWorker:
    """The one owner of a pod's state while the kubelet runs."""

    def __init__(
        self,
        pod: Pod,
        state: PodState,
        means: Means,
        *,
        directory: Path,
        on_container: Callable[[str, str, int], None],
    ) -> None:
        """Keep what it is given.

        Args:
            pod: defaulted and valid.
            state: a new one, or what the last kubelet left.
            directory: where relative image references begin.
            on_container: told container id, name and attempt before any attempt begins.
        """
        self.pod = pod
        self._state = state
        self._means = means
        self._directory = directory
        self._on_container = on_container
        self._inbox: deque[saw.Fact] = deque([saw.Resumed()])
        self._arrived = asyncio.Event()
        self._arrived.set()
        self._attempts: dict[str, asyncio.Task[None]] = {}
        self._mounted: Mapping[str, Path] | None = None
        self._published: PodStatus | None = None
        self._wake_at: Instant | None = None

    @property
    def state(self) -> PodState:
        """What is known now."""
        return self._state

    def tell(self, fact: saw.Fact) -> None:
        """Put a fact into the inbox."""
        self._inbox.append(fact)
        self._arrived.set()

    async def run(self) -> None:
        """Work until nothing of the pod is left; cancel to leave it to the next kubelet."""
        with structlog.contextvars.bound_contextvars(pod=f"{self.pod.namespace}/{self.pod.name}"):
            while not self._state.finished:
                try:
                    await self._work()
                except* Exception as bugs:  # the wall: one pod's bug never takes the node down
                    log.exception("pod.bug", exc_info=bugs)
                    self._warn("FailedSync", f"error syncing pod: {bugs.exceptions[0]}")
                    await asyncio.sleep(_BUG_PAUSE_S)
                    self.tell(saw.Resumed())

    async def _work(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            while not self._state.finished:
                await self._something_to_do()
                self._take_in(tasks)

    async def _something_to_do(self) -> None:
        wait_s = None
        if self._wake_at is not None:
            wait_s = max(0.0, self._wake_at - self._means.clock.now())
        try:
            async with asyncio.timeout(wait_s):
                await self._arrived.wait()
        except TimeoutError:
            pass  # a deadline has come
        self._arrived.clear()

    # deciding ---------------------------------------------------------------------------------

    def _take_in(self, tasks: asyncio.TaskGroup) -> None:
        """Observe what came, decide, write it down, tell it, do it: in this order."""
        before = self._state
        statuses: list[PodStatus] = []
        while self._inbox:
            self._note(self._inbox.popleft(), statuses)
        now = self._means.clock.now()
        effects = list(plan(self.pod.spec, self._state, now))
        for fact in (f for e in effects if (f := self._announcement(e)) is not None):
            self._note(fact, statuses)
        wakes = [effect.at for effect in effects if isinstance(effect, do.WakeAt)]
        self._wake_at = min(wakes, default=None)
        if self._state is not before:
            self._means.checkpoints.save(self._state)
        self._publish(statuses or [self._projected()])
        self._forget_ended(before)
        for effect in effects:
            self._carry_out(effect, tasks)

    def _note(self, fact: saw.Fact, statuses: list[PodStatus]) -> None:
        after = observe(self._state, fact)
        if after is not self._state:
            log.debug("pod.fact", fact=type(fact).__name__)
            self._state = after
            statuses.append(self._projected())

    def _announcement(self, effect: do.Effect) -> saw.Fact | None:
        """The fact that an effect is under way, so that the next plan does not name it again."""
        match effect:
            case do.Start(container=name, attempt=attempt):
                container_id = container_id_of(self.pod.uid, name, attempt)
                self._on_container(container_id, name, attempt)
                return saw.Creating(container=name, attempt=attempt, container_id=container_id)
            case do.Stop(container=name, attempt=attempt, kill_at=kill_at):
                return saw.Stopping(container=name, attempt=attempt, kill_at=kill_at)
            case do.BackOff():
                return self._backed_off(effect)
            case do.Mount():
                return saw.Mounting()
            case do.Unmount():
                return saw.Unmounting()
            case do.Finish():
                return saw.Finished()
            case _:
                return None

    def _backed_off(self, effect: do.BackOff) -> saw.BackedOff:
        container = self._state.containers[effect.container]
        reason = back_off_reason(container) or ""
        if reason == "ImagePullBackOff":
            why = container.waiting.message if container.waiting else ""
            message = f'Back-off pulling image "{self._spec(effect.container).image}": {why}'
        else:
            message = (
                f"back-off {effect.wait_s:.0f}s restarting failed container={effect.container} "
                f"pod={self._long_name()}"
            )
        return saw.BackedOff(
            container=effect.container, attempt=effect.attempt, reason=reason, message=message
        )

    def _projected(self) -> PodStatus:
        return project(self.pod, self._state, self._means.address)

    def _publish(self, statuses: Iterable[PodStatus]) -> None:
        for status in statuses:
            if status != self._published:
                self._published = status
                self._means.sink.publish(self.pod, status)

    def _forget_ended(self, before: PodState) -> None:
        """What has ended is on disk now: the runtime need not keep it any longer."""
        for name, container in self._state.containers.items():
            if container.end is not None and container.end is not before.containers[name].end:
                self._means.runtime.forget(container.end.container_id)

    # doing ------------------------------------------------------------------------------------

    def _carry_out(self, effect: do.Effect, tasks: asyncio.TaskGroup) -> None:
        match effect:
            case do.Mount():
                tasks.create_task(self._mount(), name=f"pod.mount:{self.pod.uid}")
            case do.Unmount():
                tasks.create_task(self._unmount(), name=f"pod.unmount:{self.pod.uid}")
            case do.Start(container=name, attempt=attempt):
                task = self._create(name, attempt)
                self._attempts[name] = tasks.create_task(task, name=f"pod.create:{name}")
            case do.Abandon(container=name):
                if (attempt_task := self._attempts.get(name)) is not None:
                    attempt_task.cancel()
            case do.Stop():
                self._stop(effect)
            case do.BackOff(container=name):
                self._tell_back_off(name)
            case do.Finish() | do.WakeAt():
                pass  # the loop itself sees to both
            case _:
                raise TypeError(f"no way to carry out {effect}")

    async def _mount(self) -> None:
        try:
            self._mounted = await self._means.volumes.mount(self.pod)
        except KrustletError as exc:
            self._warn("FailedMount", exc.message, hint=exc.hint)
            self.tell(saw.MountFailed(self._means.clock.now()))
        else:
            self.tell(saw.Mounted())

    async def _unmount(self) -> None:
        try:
            await self._means.volumes.unmount(self.pod.uid)
        except KrustletError as exc:
            self._warn("FailedKillPod", f"error killing pod: {exc.message}", hint=exc.hint)
            self.tell(saw.UnmountFailed(self._means.clock.now()))
        else:
            self._mounted = None
            self.tell(saw.Unmounted())

    async def _create(self, name: str, attempt: int) -> None:
        """One attempt at running a container; it ends in a fact, whatever happens."""
        try:
            image = await self._image(self._spec(name))
            self.tell(saw.ImageResolved(container=name, attempt=attempt, image_id=image.digest))
            request = await self._request(name, attempt, image)
        except KrustletError as exc:
            self._create_failed(name, attempt, exc)
            return
        except asyncio.CancelledError:
            self.tell(saw.CreateAbandoned(container=name, attempt=attempt))
            raise
        finally:
            # From here on there is a process, or word of why not: nothing to abandon.
            self._attempts.pop(name, None)
        await self._start(request, name, attempt)

    async def _start(self, request: ContainerRequest, name: str, attempt: int) -> None:
        self._emit("Created", "Container created", name)
        try:
            await self._means.runtime.start(request)
        except KrustletError as exc:
            self._create_failed(name, attempt, exc)
        else:
            self._emit("Started", "Container started", name)

    def _create_failed(self, name: str, attempt: int, exc: KrustletError) -> None:
        if isinstance(exc, ImageError):
            image = self._spec(name).image
            message = f'Failed to pull image "{image}": {exc.message}'
        else:
            message = f"Error: {exc.message}"
        self._warn("Failed", message, name, exc.hint)
        self.tell(
            saw.CreateFailed(
                container=name,
                attempt=attempt,
                reason=exc.reason,
                message=exc.message,
                at=self._means.clock.now(),
            )
        )

    async def _image(self, container: ContainerCommon) -> Image:
        policy = PullPolicy(container.image_pull_policy)
        image = await self._means.images.ensure(
            container.image, policy=policy, relative_to=self._directory
        )
        self._emit(
            "Pulled",
            f'Container image "{container.image}" already present on machine',
            container.name,
        )
        await self._means.runtime.prepare(image)
        return image

    async def _request(self, name: str, attempt: int, image: Image) -> ContainerRequest:
        container = self._spec(name)
        env = environment(container)
        words = arguments(container, env)
        if self._mounted is None:  # mounted by the kubelet before this one
            self._mounted = await self._means.volumes.mount(self.pod)
        mounts = await asyncio.to_thread(resolve_mounts, container, self._mounted, env)
        restart = self._state.containers[name].restarts
        return ContainerRequest(
            id=container_id_of(self.pod.uid, name, attempt),
            pod=f"{self.pod.namespace}/{self.pod.name}",
            pod_uid=self.pod.uid,
            container=name,
            restart=restart,
            image=image,
            argv=[*(words.command or (None,)), *words.args],
            env=env,
            mounts=mounts,
            working_dir=container.working_dir,
            log=str(log_path(self._means.logs, self.pod, name, restart)),
        )

    def _stop(self, effect: do.Stop) -> None:
        container = self._state.containers[effect.container]
        self._emit("Killing", f"Stopping container {effect.container}", effect.container)
        grace_s = max(0.0, effect.kill_at - self._means.clock.now())
        self._means.runtime.stop(container.container_id, grace_s=grace_s)

    def _tell_back_off(self, name: str) -> None:
        container = self._state.containers[name]
        if container.waiting is not None and container.waiting.reason == "ImagePullBackOff":
            self._emit("BackOff", container.waiting.message, name)
            return
        message = f"Back-off restarting failed container {name} in pod {self._long_name()}"
        self._warn("BackOff", message, name)

    def _spec(self, name: str) -> ContainerCommon:
        return next(c for c in self.pod.spec.all_containers() if c.name == name)

    def _long_name(self) -> str:
        return f"{self.pod.name}_{self.pod.namespace}({self.pod.uid})"

    def _emit(self, reason: str, message: str, container: str = "") -> None:
        event = PodEvent(reason=reason, message=message, container=container)
        self._means.sink.emit(self.pod, event)

    def _warn(self, reason: str, message: str, container: str = "", hint: str = "") -> None:
        event = PodEvent(
            reason=reason, message=message, kind="Warning", container=container, hint=hint
        )
        self._means.sink.emit(self.pod, event)


def container_id_of(uid: str, name: str, attempt: int) -> str:
    """The id of one attempt at running a container: 64 hex digits, the same after a restart."""
    return hashlib.sha256(f"{uid}/{name}/{attempt}".encode()).hexdigest()


def log_path(logs: Path, pod: Pod, container: str, restart: int) -> Path:
    """Where a container's output goes, as the CRI lays it out below the pod log directory."""
    directory = f"{pod.namespace}_{pod.name}_{pod.uid}"
    return logs / directory / container / f"{restart}.log"


def catch_up(state: PodState, running: Mapping[str, Instant]) -> Iterable[saw.Fact]:
    """What a new kubelet has to learn of the containers that an old one left.

    Args:
        state: the checkpoint.
        running: when each container that still exists was started, by id.
    """
    for name, container in state.containers.items():
        started_at = running.get(container.container_id)
        attempt = container.attempt
        match container.run:
            case Run.CREATING if started_at is not None:
                yield saw.Started(container=name, attempt=attempt, at=started_at)
            case Run.CREATING:
                yield saw.CreateAbandoned(container=name, attempt=attempt)
            case Run.RUNNING | Run.STOPPING if started_at is None:
                yield saw.Exited(
                    container=name,
                    attempt=attempt,
                    code=_UNKNOWN_CODE,
                    reason=_UNKNOWN,
                    message=_UNKNOWN_MESSAGE,
                    at=container.started_at or state.accepted_at,
                )
            case _:
                pass
