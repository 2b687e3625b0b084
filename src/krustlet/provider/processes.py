"""Run what a provider describes as processes of this node: the `Runtime` most kubelets use.

Owns `<root>/pods/<uid>/run`, by way of the supervisor.
"""

import asyncio
import shutil
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Final

import msgspec
import structlog

from krustlet.base import SystemClock
from krustlet.cgroups import Cgroups, Usage
from krustlet.images import Image
from krustlet.process import (
    Ended,
    Execute,
    Launch,
    NotRunning,
    ProcessSession,
    Record,
    Started,
    StartRefused,
    SupervisorSettings,
    SupervisorUnavailable,
    boot_id,
    read_record,
)
from krustlet.provider.contract import (
    ContainerEnded,
    ContainerRequest,
    ContainerStarted,
    Provider,
    RuntimeEvent,
)
from krustlet.provider.enclosure import Enclosure
from krustlet.provider.keepers import Keepers
from krustlet.settings import DEFAULT_LOG_MAX_BYTES, DEFAULT_LOG_MAX_FILES

_LOST_CODE: Final = 137
_LOST: Final = "the supervisor died, and its containers with it"
_REBOOTED: Final = "the machine was started anew, which ended all that ran on it"
_KEPT_RUNS: Final = 2

log = structlog.get_logger(__name__)


class LogLimits(msgspec.Struct, frozen=True):
    """How much is kept of what a container prints.

    Attributes:
        max_bytes: a file is begun anew when it has grown to this.
        max_files: that are kept, the one that is written among them.
    """

    max_bytes: int = DEFAULT_LOG_MAX_BYTES
    max_files: int = DEFAULT_LOG_MAX_FILES


class ProcessRuntime:
    """A `Runtime` of one child process a container; it `Executes` and `Governs`, too."""

    def __init__(
        self,
        provider: Provider,
        settings: SupervisorSettings,
        root: Path,
        *,
        cgroups: Cgroups | None = None,
        logs: LogLimits = LogLimits(),  # noqa: B008 - a frozen value
    ) -> None:
        """Keep what it is given.

        Args:
            cgroups: this runtime's alone; None where nothing can be limited or counted.
        """
        self._provider = provider
        self._root = root
        self._logs = logs
        self._keepers = Keepers(settings, on_event=self._on_event, on_lost=self._on_lost)
        self._enclosure = Enclosure(cgroups)
        self._directories: dict[str, Path] = {}  # where the records of containers are, by id
        self._running: set[str] = set()
        self._starting: set[str] = set()  # asked for, with no answer yet
        self._tidying: set[asyncio.Task[None]] = set()
        self._tell: Callable[[RuntimeEvent], None] = lambda _: None

    async def open(self, tell: Callable[[RuntimeEvent], None]) -> Mapping[str, ContainerStarted]:
        """Connect to the supervisors, one started if need be; learn what they run, and what ended.

        What a dead supervisor ran is found by its records: it has ended, at the latest with that
        one.
        """
        self._tell = tell
        left = await asyncio.to_thread(_records_below, self._root)
        self._directories.update(left)
        keeps = await self._keepers.open()
        found = {known.id: ContainerStarted(known.id, known.started_at) for known in keeps}
        self._running.update(found)
        await self._enclosure.sweep(left[id_] for id_ in found if id_ in left)
        for known in keeps:
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
            is_idle = not self._running and not self._starting
            await self._keepers.close(stop_all=stop_all, is_idle=is_idle)
            await asyncio.gather(*self._tidying)
            await asyncio.to_thread(self._enclosure.close, all_have_ended=stop_all)

    def trouble(self) -> str:
        """Why there is no supervisor; empty if there is one, or nobody has needed one since."""
        return self._keepers.trouble

    async def prepare(self, image: Image) -> None:
        """Whatever the provider wants done before the first start."""
        await self._provider.prepare(image)

    async def start(self, request: ContainerRequest) -> None:
        """Have the supervisor start what the provider describes, behind its walls."""
        program = await self._provider.program(request)
        directory = self._directory(request)
        await self._forget_old_run(request)
        supervisor = await self._keepers.current()
        walls, oom_file = self._enclosure.enclose(request)
        launch = Launch(
            id=request.id,
            runner=program.runner,
            directory=str(directory),
            log=request.log,
            log_max_bytes=self._logs.max_bytes,
            log_max_files=self._logs.max_files,
            stdin=request.stdin,
            stdin_once=request.stdin_once,
            tty=request.tty,
            terminating=request.terminating,
            oom_file=oom_file,
        )
        self._starting.add(request.id)
        self._directories[request.id] = directory
        try:
            await supervisor.start(launch, program.payload, walls)
        except StartRefused:
            await self._withdraw(request.id, directory)
            raise
        except SupervisorUnavailable:
            if (record := _record_of(request.id, directory)) is None:
                await self._withdraw(request.id, directory)
                raise
            # It has run, and printed for all we know: that must not be taken for no run at all.
            self._tell(ContainerStarted(request.id, record.started_at))
            self._on_ended(_end_of(record))
        finally:
            self._starting.discard(request.id)

    async def _withdraw(self, container_id: str, directory: Path) -> None:
        """There is no such container, and never was."""
        self._directories.pop(container_id, None)
        await self._enclosure.open_up(directory)

    def stop(self, container_id: str, *, grace_s: float) -> None:
        """SIGTERM, or the file that takes its place; then SIGKILL."""
        self._keepers.stop(container_id, grace_s=grace_s)

    def forget(self, container_id: str) -> None:
        """Have the supervisor drop the end of a container."""
        self._directories.pop(container_id, None)
        self._keepers.forget(container_id)

    async def clean(self, pod_uid: str) -> None:
        """Remove what was recorded of a pod's containers, which have all ended, and its group."""
        await asyncio.gather(*self._tidying)
        await self._enclosure.forget_pod(pod_uid)
        await asyncio.to_thread(shutil.rmtree, self._run_directory(pod_uid), ignore_errors=True)

    # people in containers ---------------------------------------------------------------------

    async def execute(
        self, request: ContainerRequest, *, within: str, stdin: bool, tty: bool
    ) -> ProcessSession:
        """Run one more process in the sandbox of a container, see `provider.Executes`.

        Raises:
            NotRunning: the container does not.
            KrustletError: whatever the provider has to say, or the supervisor.
        """
        supervisor = self._keepers.of(within)
        if supervisor is None or within not in self._running:
            raise NotRunning("the container does not run")
        program = await self._provider.program(request)
        wanted = Execute(request.id, within, program.runner, tty)
        walls = self._enclosure.walls_within(request)
        return await supervisor.execute(wanted, program.payload, walls, stdin=stdin)

    async def attach(self, container_id: str, *, stdin: bool) -> ProcessSession:
        """The streams of a running container, see `provider.Executes`."""
        supervisor = self._keepers.of(container_id)
        if supervisor is None or container_id not in self._running:
            raise NotRunning("the container does not run")
        return await supervisor.attach(container_id, stdin=stdin)

    # limits and accounts ----------------------------------------------------------------------

    async def update(self, request: ContainerRequest) -> None:
        """Hold a running container, and its pod, to other limits, see `provider.Governs`."""
        await self._enclosure.update(request)

    def usage(self, container_id: str) -> Usage | None:
        """What a container uses, see `provider.Governs`."""
        directory = self._directories.get(container_id)
        return None if directory is None else self._enclosure.usage(directory)

    async def _forget_old_run(self, request: ContainerRequest) -> None:
        """Besides this run only the one before is told of."""
        if (old := request.restart - _KEPT_RUNS) >= 0:
            directory = self._run_directory(request.pod_uid) / request.container / str(old)
            await asyncio.to_thread(shutil.rmtree, directory, ignore_errors=True)

    def _directory(self, request: ContainerRequest) -> Path:
        return self._run_directory(request.pod_uid) / request.container / str(request.restart)

    def _run_directory(self, pod_uid: str) -> Path:
        return self._root / "pods" / pod_uid / "run"

    def _on_event(self, event: Started | Ended) -> None:
        match event:
            case Started():
                self._running.add(event.id)
                self._tell(ContainerStarted(event.id, event.at))
            case Ended(id=id_, end=end):
                self._on_ended(ContainerEnded(id_, end.code, end.reason, end.message, end.at))

    def _on_ended(self, ended: ContainerEnded) -> None:
        self._running.discard(ended.id)
        if (directory := self._directories.get(ended.id)) is not None:
            task = asyncio.create_task(self._enclosure.open_up(directory), name="cgroup.remove")
            self._tidying.add(task)
            task.add_done_callback(self._tidying.discard)
        self._tell(ended)

    def _on_lost(self, ids: Collection[str]) -> None:
        """Tell the ends of containers in the stead of who kept them."""
        for id_ in ids:
            if id_ not in self._running:
                continue
            directory = self._directories.get(id_)
            record = _record_of(id_, directory) if directory is not None else None
            self._on_ended(_end_of(record) if record is not None else _lost(id_))


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
    """How it ended: by itself, with its supervisor, or with the machine."""
    end = record.end
    if end is None:
        return _lost(record.id, _LOST if record.boot_id == boot_id() else _REBOOTED)
    return ContainerEnded(record.id, end.code, end.reason, end.message, end.at)


def _lost(container_id: str, why: str = _LOST) -> ContainerEnded:
    return ContainerEnded(container_id, _LOST_CODE, "Error", why, SystemClock().now())
