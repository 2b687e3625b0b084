"""Hear when log files grow: one inotify for all who follow, as a user may have but a few.

Owns the watches of an event loop. Leaves reading to whoever waits, and falls back to having him
look twice a second where inotify is not to be had.
"""

import asyncio
import contextlib
import weakref
from asyncio import AbstractEventLoop
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Final

import structlog
from asyncinotify import Inotify, Mask, Watch

_POLL_S: Final = 0.5
_PAUSE_S: Final = (
    0.02  # the kernel merges what happens meanwhile: a flood costs fifty looks a second
)
_EVENTS_A_READ: Final = 64
_MASK: Final = Mask.CREATE | Mask.MODIFY

log = structlog.get_logger(__name__)


class Changes:
    """What may have changed since a follower last waited."""

    def __init__(self) -> None:
        self._noted = asyncio.Event()
        self._is_blind = False

    def note(self) -> None:
        self._noted.set()

    def go_blind(self) -> None:
        """From now on nobody tells of changes: look now and then."""
        self._is_blind = True
        self.note()

    async def wait(self, *, at_most_s: float | None = None) -> None:
        """Until there may be something new, or for `at_most_s` seconds."""
        limits = [limit for limit in (at_most_s, _POLL_S if self._is_blind else None) if limit]
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(min(limits, default=None)):
                await self._noted.wait()
        self._noted.clear()


@contextlib.asynccontextmanager
async def following(directory: Path, *, ended: asyncio.Event) -> AsyncIterator[Changes]:
    """What happens to the files of `directory`, which exists; and that `ended` was set."""
    changes = Changes()
    with _watching(directory, changes):
        end = asyncio.create_task(_note_end(ended, changes), name="log.end")
        try:
            yield changes
        finally:
            end.cancel()
            await asyncio.gather(end, return_exceptions=True)


async def _note_end(ended: asyncio.Event, changes: Changes) -> None:
    await ended.wait()
    changes.note()


@contextlib.contextmanager
def _watching(directory: Path, changes: Changes) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    if (watcher := _watchers.get(loop)) is None:
        watcher = _watchers[loop] = _Watcher(loop)
    watch = watcher.add(directory, changes)
    try:
        yield
    finally:
        watcher.remove(watch, changes)


class _Watcher:
    """One inotify, open while anybody follows. Followers of one directory share a watch."""

    def __init__(self, loop: AbstractEventLoop) -> None:
        self._loop = weakref.proxy(loop)  # else the loop would never leave `_watchers`
        self._inotify: Inotify | None = None
        self._followers: dict[int, set[Changes]] = {}  # by watch descriptor
        self._pause: asyncio.TimerHandle | None = None
        self._has_complained = False

    def add(self, directory: Path, changes: Changes) -> Watch | None:
        """Tell `changes` of what happens there; None where that cannot be done."""
        try:
            if self._inotify is None:
                self._inotify = Inotify(cache_size=_EVENTS_A_READ, sync_timeout=0)
                self._listen()
            watch = self._inotify.add_watch(directory, _MASK)
        except OSError as exc:
            if not self._has_complained:
                self._has_complained = True
                log.warning("logs.polled", error=str(exc), every_s=_POLL_S)
            changes.go_blind()
            self._close_if_idle()
            return None
        self._followers.setdefault(watch.wd, set()).add(changes)
        return watch

    def remove(self, watch: Watch | None, changes: Changes) -> None:
        if watch is None or (followers := self._followers.get(watch.wd)) is None:
            return
        followers.discard(changes)
        if not followers:
            del self._followers[watch.wd]
            assert self._inotify is not None  # open while anybody follows
            with contextlib.suppress(OSError):  # the directory is gone, and the watch with it
                self._inotify.rm_watch(watch)
        self._close_if_idle()

    def _listen(self) -> None:
        self._pause = None
        assert self._inotify is not None
        self._loop.add_reader(self._inotify.fd, self._hear)

    def _hear(self) -> None:
        """Wake whom it concerns, then be deaf for a moment."""
        assert self._inotify is not None
        self._loop.remove_reader(self._inotify.fd)
        self._pause = self._loop.call_later(_PAUSE_S, self._listen)
        for event in self._inotify:
            if Mask.Q_OVERFLOW in event.mask:
                for followers in self._followers.values():
                    _note_all(followers)
            elif event.watch is not None:
                _note_all(self._followers.get(event.watch.wd, ()))
                if Mask.IGNORED in event.mask:  # the directory is gone; another may take its place
                    for changes in self._followers.pop(event.watch.wd, ()):
                        changes.go_blind()
        self._close_if_idle()

    def _close_if_idle(self) -> None:
        if self._followers or self._inotify is None:
            return
        if self._pause is not None:
            self._pause.cancel()
            self._pause = None
        self._loop.remove_reader(self._inotify.fd)
        self._inotify.close()
        self._inotify = None


def _note_all(followers: "set[Changes] | tuple[()]") -> None:
    for changes in followers:
        changes.note()


_watchers: Final[weakref.WeakKeyDictionary[AbstractEventLoop, _Watcher]] = (
    weakref.WeakKeyDictionary()
)
