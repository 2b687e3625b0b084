"""A node whose images, volumes and containers are made of nothing, and last as long as told."""

import asyncio
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from krustlet.cgroups import Usage
from krustlet.images import Ensured, Image, Keyring, PullPolicy
from krustlet.objects import ContainerStatus, Lookups, NoCluster, Pod, PodStatus
from krustlet.pods import Checkpoints, Means, PodEvent, Pods
from krustlet.provider import ContainerEnded, ContainerRequest, ContainerStarted, RuntimeEvent
from krustlet.volumes import Owner, RunFiles, RunOf
from tests.support.virtual_time import LoopClock

FOR_EVER: Final = float("inf")
_PATIENCE_S: Final = 100_000.0


def _elapsed_s() -> float:
    return round(asyncio.get_running_loop().time(), 3)


class Tripwire:
    """Raises what it was given, one error each time it is touched, until none is left."""

    def __init__(self) -> None:
        self.errors: deque[Exception] = deque()
        self.touched = 0

    def __call__(self) -> None:
        self.touched += 1
        if self.errors:
            raise self.errors.popleft()


class FakeImages:
    """Has every image.

    Attributes:
        pull_s: how long each takes.
        pulls: whether they come from a registry.
        keyrings: what was brought along, each time one was asked for.
    """

    def __init__(self) -> None:
        self.trip = Tripwire()
        self.pull_s = 0.0
        self.pulls = False
        self.keyrings: list[Keyring] = []

    async def obtain(
        self,
        reference_text: str,
        *,
        policy: PullPolicy,
        relative_to: Path,
        keyring: Keyring,
        on_pulling: Callable[[], None],
    ) -> Ensured:
        self.keyrings.append(keyring)
        if self.pulls:
            on_pulling()
        await asyncio.sleep(self.pull_s)
        self.trip()
        image = Image(
            reference_text, "sha256:0", "/m.wasm",
            size_bytes=1, entrypoint_name="m.wasm", image_id="sha256:0",
        )  # fmt: skip
        waited_s = self.pull_s if self.pulls else 0.0
        return Ensured(image=image, pulled=self.pulls, took_s=waited_s, waited_s=waited_s)


class FakeVolumes:
    """Makes none: `paths` says where each is.

    Attributes:
        owners: whom the volumes of each pod were to belong to.
        messages: what each run of a container leaves, by name and number.
    """

    def __init__(self) -> None:
        self.mount_trip = Tripwire()
        self.unmount_trip = Tripwire()
        self.message_trip = Tripwire()
        self.paths: dict[str, Path] = {}
        self.owners: dict[str, Owner | None] = {}
        self.runs: list[RunOf] = []
        self.messages: dict[tuple[str, int], str] = {}
        self.unmounted: list[str] = []

    async def mount(self, pod: Pod, *, owner: Owner | None = None) -> Mapping[str, Path]:
        self.mount_trip()
        self.owners[pod.uid] = owner
        return self.paths

    async def unmount(self, uid: str) -> None:
        self.unmount_trip()
        self.unmounted.append(uid)

    async def make_run(self, run: RunOf) -> RunFiles:
        self.runs.append(run)
        which = f"{run.container.name}/{run.restart}"
        return RunFiles(
            mounts=tuple(run.mounts),
            root=f"/roots/{which}" if run.has_root else "",
            terminating=f"/words/{which}" if run.waits else "",
        )

    async def termination_message(self, uid: str, container: str, restart: int) -> str:
        self.message_trip()
        return self.messages.get((container, restart), "")


class FakeRuntime:
    """Runs nothing, and says when it began and ended.

    Attributes:
        runs: for each container, how long its next runs last and with what code they end; for
            ever where nothing is said.
        start_s: how long a start takes.
        obeys: whether what is asked to end does so at once, and not when its grace is over.
    """

    def __init__(self) -> None:
        self.prepare_trip = Tripwire()
        self.start_trip = Tripwire()
        self.stop_trip = Tripwire()
        self.forget_trip = Tripwire()
        self.clean_trip = Tripwire()
        self.update_trip = Tripwire()
        self.runs: dict[str, deque[tuple[float, int]]] = defaultdict(deque)
        self.start_s = 0.0
        self.obeys = True
        self.requests: list[ContainerRequest] = []
        self.updates: list[ContainerRequest] = []
        self.stops: list[tuple[str, float]] = []
        self.forgotten: list[str] = []
        self.running: dict[str, ContainerStarted] = {}
        self.ended: dict[str, ContainerEnded] = {}  # and not forgotten
        self._tell: Callable[[RuntimeEvent], None] | None = None

    async def open(self, tell: Callable[[RuntimeEvent], None]) -> Mapping[str, ContainerStarted]:
        self._tell = tell
        for event in self.ended.values():
            tell(event)
        return dict(self.running)

    async def close(self, *, stop_all: bool) -> None:
        """The kubelet is away; what ends meanwhile is told to the next one."""
        self._tell = None

    def trouble(self) -> str:
        return ""

    async def prepare(self, image: Image) -> None:
        self.prepare_trip()

    async def start(self, request: ContainerRequest) -> None:
        await asyncio.sleep(self.start_s)
        self.start_trip()
        self.requests.append(request)
        planned = self.runs[request.container]
        lasts_s, code = planned.popleft() if planned else (FOR_EVER, 0)
        self.begin(request.id)
        if lasts_s == 0:
            self.end(request.id, code)
        elif lasts_s < FOR_EVER:
            asyncio.get_running_loop().call_later(lasts_s, self.end, request.id, code)

    def stop(self, container_id: str, *, grace_s: float) -> None:
        self.stop_trip()
        self.stops.append((container_id, grace_s))
        loop = asyncio.get_running_loop()
        if self.obeys:
            loop.call_soon(self.end, container_id, 143)
        else:
            loop.call_later(grace_s, self.end, container_id, 137)

    def forget(self, container_id: str) -> None:
        self.forget_trip()
        self.forgotten.append(container_id)
        self.ended.pop(container_id, None)

    async def clean(self, pod_uid: str) -> None:
        self.clean_trip()

    # its containers ---------------------------------------------------------------------------

    def begin(self, container_id: str) -> None:
        self.running[container_id] = ContainerStarted(container_id, LoopClock().now())
        self._say(self.running[container_id])

    def end(self, container_id: str, code: int, message: str = "") -> None:
        """End it, if it runs."""
        if self.running.pop(container_id, None) is None:
            return
        reason = "Error" if code else "Completed"
        ended = ContainerEnded(container_id, code, reason, message, LoopClock().now())
        self.ended[container_id] = ended
        self._say(ended)

    def _say(self, event: RuntimeEvent) -> None:
        if self._tell is not None:
            self._tell(event)


class Limiting(FakeRuntime):
    """One that can change what running containers may use."""

    async def update(self, request: ContainerRequest) -> None:
        self.update_trip()
        self.updates.append(request)

    def usage(self, container_id: str) -> Usage | None:
        return None


class Recorder:
    """A sink that remembers, and can be waited at.

    Attributes:
        listens: while it is not set, nothing that is published arrives.
    """

    def __init__(self) -> None:
        self.publish_trip = Tripwire()
        self.emit_trip = Tripwire()
        self.gone_trip = Tripwire()
        self.statuses: dict[str, list[PodStatus]] = defaultdict(list)
        self.events: list[tuple[str, PodEvent]] = []
        self.gone_at: dict[str, float] = {}  # in the loop's time, as is the next
        self.phase_since: dict[tuple[str, str], float] = {}
        self.on_publish: Callable[[Pod, PodStatus], None] = lambda _pod, _status: None
        self.on_gone: Callable[[Pod], None] = lambda _pod: None
        self.listens = asyncio.Event()
        self.listens.set()
        self._changed = asyncio.Event()

    def publish(self, pod: Pod, status: PodStatus) -> None:
        self.publish_trip()
        self.statuses[pod.name].append(status)
        self.phase_since.setdefault((pod.name, status.phase), _elapsed_s())
        self._changed.set()
        self.on_publish(pod, status)

    def emit(self, pod: Pod, event: PodEvent) -> None:
        self.emit_trip()
        self.events.append((pod.name, event))
        self._changed.set()

    async def until_told(self, pod: Pod) -> None:
        await self.listens.wait()

    def gone(self, pod: Pod) -> None:
        self.gone_trip()
        self.gone_at[pod.name] = _elapsed_s()
        self.on_gone(pod)
        self._changed.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Come back at the moment when `condition` is met."""
        async with asyncio.timeout(_PATIENCE_S):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    async def until_phase(self, phase: str, name: str = "web") -> PodStatus:
        await self.until(lambda: bool(self.phases(name)) and self.phases(name)[-1] == phase)
        return self.statuses[name][-1]

    async def until_gone(self, name: str = "web") -> None:
        await self.until(lambda: name in self.gone_at)

    def phases(self, name: str = "web") -> list[str]:
        """Each phase once, as long as it lasted."""
        phases = [status.phase for status in self.statuses[name]]
        return [p for i, p in enumerate(phases) if i == 0 or p != phases[i - 1]]

    def container(self, container: str = "app", name: str = "web") -> ContainerStatus:
        latest = self.statuses[name][-1]
        both = (*latest.init_container_statuses, *latest.container_statuses)
        return next(status for status in both if status.name == container)

    def told(self, name: str = "web", *, kind: str = "") -> list[str]:
        """The events of a pod as `Reason: message`."""
        return [
            f"{event.reason}: {event.message}"
            for pod, event in self.events
            if pod == name and kind in ("", event.kind)
        ]


class FakeNode:
    """What outlives a kubelet: the disk, the containers; and whoever watches.

    Attributes:
        powers: what it can do besides, as fields of the next kubelet's means.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.images = FakeImages()
        self.volumes = FakeVolumes()
        self.runtime = FakeRuntime()
        self.sink = Recorder()
        self.lookups: Lookups = NoCluster()
        self.logs = root / "logs"
        self.logs_stay = False
        self.checkpoints = Checkpoints(root)
        self.powers: dict[str, Any] = {}

    @asynccontextmanager
    async def kubelet(self) -> AsyncIterator[Pods]:
        """A kubelet on this node; one at a time."""
        means = Means(
            images=self.images,
            volumes=self.volumes,
            runtime=self.runtime,
            checkpoints=self.checkpoints,
            sink=self.sink,
            clock=LoopClock(),
            logs=self.logs,
            logs_stay=self.logs_stay,
            lookups=self.lookups,
            **self.powers,
        )
        try:
            async with Pods(means) as pods:
                yield pods
        finally:
            await self.runtime.close(stop_all=False)
