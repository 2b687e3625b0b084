"""Give the container of a `krustlet run -i` or `-t` this process' streams as soon as it runs."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, Protocol

from krustlet.base import KrustletError
from krustlet.cli.foreground import Foreground
from krustlet.cli.streams import ReaderGone
from krustlet.objects import ContainerStatus, Pod
from krustlet.provider import Session

_LAST_WORDS_S: Final = 2.0  # after its end, for what it printed to come


class Attach(Protocol):
    """`krustlet.pods.Pods.attach`."""

    def __call__(self, pod: Pod, container: str, *, stdin: bool) -> Awaitable[Session]:
        """The streams of a container that runs."""


class Front:
    """At most one container is at the front, the only one there is.

    Attributes:
        attach: set before anything runs.
    """

    attach: Attach

    def __init__(
        self,
        foreground: Foreground | None,
        *,
        on_closed: Callable[[], None],
        on_failed: Callable[[KrustletError], None],
        on_missed: Callable[[Pod, ContainerStatus], None],
    ) -> None:
        """Keep what it is given.

        Args:
            foreground: None where nothing is at the front.
            on_closed: called when nobody reads our output any more.
            on_failed: called when it cannot be written.
            on_missed: called with a container that ended too soon to be attached to; what it
                printed is in its log.
        """
        self._foreground = foreground
        self._on_closed = on_closed
        self._on_failed = on_failed
        self._on_missed = on_missed
        self._task: asyncio.Task[None] | None = None
        self._latest: ContainerStatus | None = None
        self._is_missed = False

    def is_wanted(self) -> bool:
        """Whether a container is to be at the front."""
        return self._foreground is not None

    def is_mid_line(self) -> bool:
        """Whether what it printed here ends in the middle of a line."""
        return self._foreground is not None and self._foreground.is_mid_line

    def shows(self, pod: Pod, container: ContainerStatus) -> bool:
        """Take note of a status; whether what the container prints is shown here, and so need not
        be from its log."""
        if self._foreground is None:
            return False
        self._latest = container
        if container.state.running is not None and self._task is None:
            carrying = self._carry(self._foreground, pod, container.name)
            self._task = asyncio.create_task(carrying, name="run.front")
        return self._foreground.tty and self._task is not None and not self._is_missed

    async def drain(self) -> None:
        """Show what is left of its output, which has ended; the terminal is ours again."""
        if self._task is not None:
            await asyncio.wait({self._task}, timeout=_LAST_WORDS_S)
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _carry(self, foreground: Foreground, pod: Pod, container: str) -> None:
        try:
            session = await self.attach(pod, container, stdin=foreground.stdin)
        except KrustletError:  # it has ended
            self._show_log(foreground, pod)
            return
        try:
            await foreground.carry(session)
        except ReaderGone:
            self._on_closed()
        except KrustletError as exc:
            self._on_failed(exc)
        else:
            if not foreground.has_shown:  # it may have said all before anybody was there to hear
                self._show_log(foreground, pod)

    def _show_log(self, foreground: Foreground, pod: Pod) -> None:
        self._is_missed = True
        if foreground.tty and self._latest is not None:
            self._on_missed(pod, self._latest)
