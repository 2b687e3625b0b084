"""The supervisors of this node: one that starts containers, and earlier ones until they are idle.

Owns the connections. A kubelet that was upgraded finds the supervisor of its predecessor, which is
made of the code of that time: what it runs is adopted and seen to its end, and what is started from
now on belongs to one of our own. Leaves to `processes` what a lost container means.
"""

import asyncio
import contextlib
from collections.abc import Callable, Collection
from typing import Final

import structlog

from krustlet.process import (
    Ended,
    Known,
    Started,
    Supervisor,
    SupervisorSettings,
    SupervisorUnavailable,
    connect,
    earlier,
)

_QUIT_S: Final = 10.0

log = structlog.get_logger(__name__)


class Keepers:
    """Who keeps which container."""

    def __init__(
        self,
        settings: SupervisorSettings,
        *,
        on_event: Callable[[Started | Ended], None],
        on_lost: Callable[[Collection[str]], None],
    ) -> None:
        """Keep what it is given.

        Args:
            settings: of the one that starts containers.
            on_event: what any of them tells.
            on_lost: one is gone, and with it the containers of these ids.
        """
        self._settings = settings
        self._on_event = on_event
        self._on_lost = on_lost
        self._current: Supervisor | None = None
        self._earlier: dict[str, Supervisor] = {}  # by generation
        self._kept_by: dict[str, Supervisor] = {}  # by container id
        self._ended: set[str] = set()  # and not forgotten
        self._forgotten: set[str] = set()  # and not ended
        self._connecting = asyncio.Lock()
        self.trouble = ""
        """Why none can start containers; empty if one can, or nobody has asked since."""

    async def open(self) -> list[Known]:
        """Connect to all that there are, and to one of our own, started if need be.

        Raises:
            SupervisorUnavailable: there is none of our own.
            OSError: their directory cannot be used.
        """
        known: list[Known] = []
        found = earlier(self._settings, on_event=self._hear, on_lost=self._lose_earlier)
        for generation, supervisor in found.items():
            try:
                await supervisor.__aenter__()
            except SupervisorUnavailable as exc:
                log.warning("supervisor.unavailable", generation=generation, error=exc.message)
                continue
            self._earlier[generation] = supervisor
            known += self._take_in(supervisor)
            log.info("supervisor.earlier", generation=generation, containers=len(supervisor.known))
            self._dismiss_if_idle(supervisor)
        current = await self.current()
        return known + self._take_in(current)

    async def current(self) -> Supervisor:
        """The one that starts containers, started if need be.

        Raises:
            SupervisorUnavailable: none can be had.
            OSError: its directory cannot be used.
        """
        async with self._connecting:
            if self._current is None:
                try:
                    supervisor = await connect(
                        self._settings, on_event=self._hear, on_lost=self._lose_current
                    )
                    self._current = await supervisor.__aenter__()
                except SupervisorUnavailable as exc:
                    self.trouble = exc.message
                    raise
                self.trouble = ""
            return self._current

    def of(self, container_id: str) -> Supervisor | None:
        """Who keeps the container; None if nobody does."""
        return self._kept_by.get(container_id, self._current)

    def stop(self, container_id: str, *, grace_s: float) -> None:
        """A supervisor that is gone need not be told: so is the container, and that is known."""
        if (supervisor := self.of(container_id)) is not None:
            with contextlib.suppress(SupervisorUnavailable):
                supervisor.stop(container_id, grace_s=grace_s)

    def forget(self, container_id: str) -> None:
        """Its end is noted; an earlier supervisor that has no more to keep is let go."""
        if (supervisor := self.of(container_id)) is None:
            return
        with contextlib.suppress(SupervisorUnavailable):
            supervisor.forget(container_id)
        if container_id in self._ended:
            self._ended.discard(container_id)
            self._release(container_id)
        elif container_id in self._kept_by:
            self._forgotten.add(container_id)

    async def close(self, *, stop_all: bool, is_idle: bool) -> None:
        """Leave them, or end them and all they run; also one that has nothing to run."""
        for generation in list(self._earlier):
            await _leave(self._earlier.pop(generation), quitting=stop_all)
        supervisor, self._current = self._current, None
        if supervisor is not None:
            await _leave(supervisor, quitting=stop_all or is_idle)

    def _take_in(self, supervisor: Supervisor) -> list[Known]:
        known = list(supervisor.known.values())
        self._kept_by.update((container.id, supervisor) for container in known)
        self._ended.update(container.id for container in known if container.end is not None)
        return known

    def _release(self, container_id: str) -> None:
        if (supervisor := self._kept_by.pop(container_id, None)) is not None:
            self._dismiss_if_idle(supervisor)

    def _dismiss_if_idle(self, supervisor: Supervisor) -> None:
        for generation, other in list(self._earlier.items()):
            if other is supervisor and supervisor not in self._kept_by.values():
                del self._earlier[generation]
                log.info("supervisor.dismissed", generation=generation)
                supervisor.dismiss()

    def _hear(self, event: Started | Ended) -> None:
        if isinstance(event, Started) and self._current is not None:
            self._kept_by.setdefault(event.id, self._current)
        elif event.id in self._forgotten:
            self._forgotten.discard(event.id)
            self._release(event.id)
        else:
            self._ended.add(event.id)
        self._on_event(event)

    def _lose_current(self) -> None:
        """Its children die with it, by their parent-death signal."""
        if self._current is None:
            return  # we have left it ourselves
        lost, self._current = self._current, None
        self._lose(lost)

    def _lose_earlier(self, generation: str) -> None:
        if (lost := self._earlier.pop(generation, None)) is not None:
            self._lose(lost)

    def _lose(self, supervisor: Supervisor) -> None:
        supervisor.close()
        kept = sorted(id_ for id_, by in self._kept_by.items() if by is supervisor)
        for id_ in kept:
            del self._kept_by[id_]
        self._ended.difference_update(kept)
        self._forgotten.difference_update(kept)
        log.error("supervisor.lost", containers=len(kept))
        self._on_lost(kept)


async def _leave(supervisor: Supervisor, *, quitting: bool) -> None:
    try:
        if quitting:
            await supervisor.quit(within_s=_QUIT_S)
    except (SupervisorUnavailable, TimeoutError) as exc:
        log.warning("supervisor.quit_failed", error=str(exc))
    finally:
        supervisor.close()
