"""Follow the logs of containers as these come, run again, and go."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import msgspec

from krustlet.base import KrustletError
from krustlet.cli.output import Output
from krustlet.cli.streams import ReaderGone
from krustlet.cli.words import explained
from krustlet.objects import ContainerStatus, Pod
from krustlet.pods import log_path


class LogUnreadable(KrustletError):
    """What a container prints cannot be shown."""


class _Run(msgspec.Struct, frozen=True):
    """One run of one container; each has a log of its own."""

    uid: str
    container: str
    restart: int


class Followers:
    """One task for each log, started when the container is, ended when its log is complete."""

    def __init__(
        self,
        output: Output,
        logs: Path,
        *,
        label: Callable[[Pod, str], str],
        on_closed: Callable[[], None],
        on_failed: Callable[[KrustletError], None],
    ) -> None:
        """Keep what it is given.

        Args:
            output: where the entries go.
            logs: the directory of pod logs.
            label: what to call a container of a pod.
            on_closed: called when nobody reads the output any more.
            on_failed: called when a log cannot be shown, and why.
        """
        self._output = output
        self._logs = logs
        self._label = label
        self._on_closed = on_closed
        self._on_failed = on_failed
        self._ended: dict[_Run, asyncio.Event] = {}
        self._tasks: dict[_Run, asyncio.Task[None]] = {}
        self._last: dict[tuple[str, str], _Run] = {}  # of each container

    def see(self, pod: Pod, container: ContainerStatus) -> None:
        """Take note of a container's status, whatever it is."""
        name = (pod.uid, container.name)
        run = _Run(pod.uid, container.name, container.restart_count)
        is_over = container.state.running is None
        if (last := self._last.get(name)) is not None and (last != run or is_over):
            self._ended[last].set()
        has_run = container.state.running is not None or container.state.terminated is not None
        if has_run and run not in self._tasks:
            self._follow(pod, run)
            self._last[name] = run
            if is_over:
                self._ended[run].set()

    async def drain(self) -> None:
        """Show what is left of every log, whose containers have all ended."""
        for ended in self._ended.values():
            ended.set()
        await asyncio.gather(*self._tasks.values())

    def _follow(self, pod: Pod, run: _Run) -> None:
        log = log_path(self._logs, pod, run.container, run.restart)
        self._ended[run] = ended = asyncio.Event()
        self._tasks[run] = asyncio.create_task(
            self._show(self._label(pod, run.container), log, ended),
            name=f"run.follow:{run.container}",
        )

    async def _show(self, label: str, log: Path, ended: asyncio.Event) -> None:
        try:
            await self._output.follow(label, log, ended=ended)
        except ReaderGone:
            self._on_closed()
        except KrustletError as exc:
            self._on_failed(exc)
        except OSError as exc:
            why, hint = explained(exc, where=log)
            self._on_failed(LogUnreadable(f"cannot show the log of {label}: {why}", hint=hint))
