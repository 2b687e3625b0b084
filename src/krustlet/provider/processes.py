"""Run what a provider describes as processes of this node: the `Runtime` most kubelets use.

Owns `<root>/pods/<uid>/run`, by way of the supervisor.
"""

import asyncio
import contextlib
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import structlog

from krustlet.base import SystemClock
from krustlet.images import Image
from krustlet.process import (
    Ended,
    Launch,
    Record,
    Started,
    StartRefused,
    Supervisor,
    SupervisorSettings,
    SupervisorUnavailable,
    connect,
    read_record,
)
from krustlet.provider.contract import (
    ContainerEnded,
    ContainerRequest,
    ContainerStarted,
    Provider,
    RuntimeEvent,
)

_LOST_CODE: Final = 137
_LOST: Final = "the supervisor died, and its containers with it"
_QUIT_S: Final = 10.0
_KEPT_RUNS: Final = 2

log = structlog.get_logger(__name__)


class ProcessRuntime:
    """A `Runtime` of one child process a container."""

    def __init__(self, provider: Provider, settings: SupervisorSettings, root: Path) -> None:
        self._provider = provider
        self._settings = settings
        self._root = root
        self._supervisor: Supervisor | None = None
        self._running: dict[str, Path | None] = {}  # where their records are, as far as known
        self._starting: set[str] = set()  # asked for, with no answer yet
        self._tell: Callable[[RuntimeEvent], None] = lambda _: None
        self._connecting = asyncio.Lock()
        self._trouble = ""

    async def open(self, tell: Callable[[RuntimeEvent], None]) -> Mapping[str, ContainerStarted]:
        """Connect to the supervisor, started if need be; learn what it runs, hear what ended.

        What an earlier supervisor ran is found by its records: it has ended, at the latest with
        that one.
        """
        self._tell = tell
        left = await asyncio.to_thread(_records_below, self._root)
        supervisor = await self._connected()
        found = {k.id: ContainerStarted(k.id, k.started_at) for k in supervisor.known.values()}
        self._running.update({id_: left.get(id_) for id_ in found})
        for known in supervisor.known.values():
            if known.end is not None:
                self._on_event(Ended(known.id, known.end))
        for id_, directory in left.items():
            if id_ not in found and (record := _record_of(id_, directory)) is not None:
                found[id_] = ContainerStarted(id_, record.started_at)
                self._tell(_end_of(record))
        return found

    async def close(self, *, stop_all: bool) -> None:
        """Leave the supervisor, or end it and all it runs; also one that has nothing to run."""
        try:
            await self._provider.close()
        finally:
            supervisor, self._supervisor = self._supervisor, None
            if supervisor is not None:
                is_idle = not self._running and not self._starting
                await _leave(supervisor, quitting=stop_all or is_idle)

    def trouble(self) -> str:
        """Why there is no supervisor; empty if there is one, or nobody has needed one since."""
        return self._trouble

    async def prepare(self, image: Image) -> None:
        """Whatever the provider wants done before the first start."""
        await self._provider.prepare(image)

    async def start(self, request: ContainerRequest) -> None:
        """Have the supervisor start what the provider describes."""
        program = await self._provider.program(request)
        directory = self._directory(request)
        await self._forget_old_run(request)
        supervisor = await self._connected()
        launch = Launch(
            id=request.id, runner=program.runner, directory=str(directory), log=request.log
        )
        self._starting.add(request.id)
        try:
            await supervisor.start(launch, program.payload)
        except StartRefused:
            self._starting.discard(request.id)
            raise
        except SupervisorUnavailable:
            self._starting.discard(request.id)
            if (record := _record_of(request.id, directory)) is None:
                raise
            # It has run, and printed for all we know: that must not be taken for no run at all.
            self._tell(ContainerStarted(request.id, record.started_at))
            self._tell(_end_of(record))
        else:
            self._starting.discard(request.id)
            if request.id in self._running:
                self._running[request.id] = directory

    def stop(self, container_id: str, *, grace_s: float) -> None:
        """SIGTERM, then SIGKILL."""
        self._say(lambda supervisor: supervisor.stop(container_id, grace_s=grace_s))

    def forget(self, container_id: str) -> None:
        """Have the supervisor drop the end of a container."""
        self._say(lambda supervisor: supervisor.forget(container_id))

    async def clean(self, pod_uid: str) -> None:
        """Remove what was recorded of a pod's containers, which have all ended."""
        await asyncio.to_thread(shutil.rmtree, self._run_directory(pod_uid), ignore_errors=True)

    async def _forget_old_run(self, request: ContainerRequest) -> None:
        """Besides this run only the one before is told of."""
        if (old := request.restart - _KEPT_RUNS) >= 0:
            directory = self._run_directory(request.pod_uid) / request.container / str(old)
            await asyncio.to_thread(shutil.rmtree, directory, ignore_errors=True)

    def _say(self, say: Callable[[Supervisor], None]) -> None:
        """A supervisor that is gone need not be told: so are its containers, and that is known."""
        if self._supervisor is not None:
            with contextlib.suppress(SupervisorUnavailable):
                say(self._supervisor)

    def _directory(self, request: ContainerRequest) -> Path:
        return self._run_directory(request.pod_uid) / request.container / str(request.restart)

    def _run_directory(self, pod_uid: str) -> Path:
        return self._root / "pods" / pod_uid / "run"

    async def _connected(self) -> Supervisor:
        async with self._connecting:
            if self._supervisor is None:
                try:
                    supervisor = await connect(
                        self._settings, on_event=self._on_event, on_lost=self._on_lost
                    )
                    self._supervisor = await supervisor.__aenter__()
                except SupervisorUnavailable as exc:
                    self._trouble = exc.message
                    raise
                self._trouble = ""
            return self._supervisor

    def _on_event(self, event: Started | Ended) -> None:
        match event:
            case Started():
                self._running.setdefault(event.id, None)
                self._tell(ContainerStarted(event.id, event.at))
            case Ended(id=container_id, end=end):
                self._running.pop(container_id, None)
                ended = ContainerEnded(container_id, end.code, end.reason, end.message, end.at)
                self._tell(ended)

    def _on_lost(self) -> None:
        """Its children die with it, by their parent-death signal; tell their ends in its stead."""
        if self._supervisor is None:
            return  # we have left it ourselves
        log.error("supervisor.lost", containers=len(self._running))
        self._supervisor.close()
        self._supervisor = None
        running, self._running = self._running, {}
        for id_, directory in sorted(running.items()):
            record = _record_of(id_, directory) if directory is not None else None
            self._tell(_end_of(record) if record is not None else _lost(id_))


def _records_below(root: Path) -> dict[str, Path]:
    """Where the record of each container is, by its id."""
    found = {}
    for path in root.glob("pods/*/run/*/*"):
        if (record := read_record(path)) is not None:
            found[record.id] = path
    return found


def _record_of(container_id: str, directory: Path) -> Record | None:
    """What is on disk of this run, if there was one; the directory is that of every try."""
    record = read_record(directory)
    return record if record is not None and record.id == container_id else None


def _end_of(record: Record) -> ContainerEnded:
    """How it ended: by itself, or with its supervisor."""
    end = record.end
    if end is None:
        return _lost(record.id)
    return ContainerEnded(record.id, end.code, end.reason, end.message, end.at)


def _lost(container_id: str) -> ContainerEnded:
    return ContainerEnded(container_id, _LOST_CODE, "Error", _LOST, SystemClock().now())


async def _leave(supervisor: Supervisor, *, quitting: bool) -> None:
    try:
        if quitting:
            await supervisor.quit(within_s=_QUIT_S)
    except (SupervisorUnavailable, TimeoutError) as exc:
        log.warning("supervisor.quit_failed", error=str(exc))
    finally:
        supervisor.close()
