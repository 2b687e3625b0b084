"""Renew volumes when their time has come.

Owns when, and how long to wait after a failure. Leaves the renewing itself to whoever is asked.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import msgspec
import structlog

from krustlet.base import Backoff, Clock, Instant, KrustletError

# Source: kubernetes pkg/util/goroutinemap/exponentialbackoff, which its volume manager goes by.
_BACKOFF: Final = Backoff(initial_s=0.5, max_s=122)
_AT_ONCE: Final = 8  # renewals that may be on together
_LOOK_S: Final = 60.0  # a wait does not count the time that the machine is suspended

log = structlog.get_logger(__name__)


class VolumeOf(msgspec.Struct, frozen=True):
    """One volume of one pod."""

    pod_uid: str
    name: str


class Refresher:
    """Has volumes renewed, each at its own time, for as long as `run` runs."""

    def __init__(
        self, clock: Clock, renew: Callable[[VolumeOf], Awaitable[Instant | None]]
    ) -> None:
        """Keep what it is given.

        Args:
            renew: renews a volume and says when it is due again, None for never; a volume that it
                cannot renew is tried again later.
        """
        self._clock = clock
        self._renew = renew
        self._due: dict[VolumeOf, Instant] = {}
        self._under_way: set[VolumeOf] = set()
        self._failures: dict[VolumeOf, int] = {}
        self._changed = asyncio.Event()
        self._slots = asyncio.Semaphore(_AT_ONCE)

    def schedule(self, volume: VolumeOf, at: Instant) -> None:
        """Renew the volume at that time, and at no other."""
        is_next = at < min(self._due.values(), default=at + 1)
        self._due[volume] = at
        if is_next:
            self._changed.set()

    def forget(self, pod_uid: str) -> None:
        """Renew no volume of the pod any more."""
        for volume in [one for one in (*self._due, *self._under_way) if one.pod_uid == pod_uid]:
            self._due.pop(volume, None)
            self._under_way.discard(volume)
            self._failures.pop(volume, None)

    async def run(self) -> None:
        """Renew what is due, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            while True:
                self._changed.clear()
                for volume in self._take_due():
                    tasks.create_task(
                        self._carry_out(volume), name=f"volumes.renew:{volume.pod_uid}"
                    )
                await self._wait()

    def _take_due(self) -> list[VolumeOf]:
        now = self._clock.now()
        due = [volume for volume, at in self._due.items() if at <= now]
        for volume in due:
            del self._due[volume]
        self._under_way.update(due)
        return due

    async def _wait(self) -> None:
        """Until something else may be due."""
        soonest = min(self._due.values(), default=None)
        wait_s = None if soonest is None else max(0.0, soonest - self._clock.now())
        try:
            async with asyncio.timeout(wait_s if wait_s is None else min(wait_s, _LOOK_S)):
                await self._changed.wait()
        except TimeoutError:
            pass  # the time has come

    async def _carry_out(self, volume: VolumeOf) -> None:
        async with self._slots:
            try:
                again_at = await self._renew(volume)
            except KrustletError as exc:
                again_at = self._after_failure(volume, exc.message)
            except Exception as bug:
                log.error("volume.bug", exc_info=bug)
                again_at = self._after_failure(volume, str(bug))
            else:
                self._failures.pop(volume, None)
        if volume in self._under_way:  # nobody forgot it meanwhile
            self._under_way.discard(volume)
            if again_at is not None:
                self.schedule(volume, again_at)

    def _after_failure(self, volume: VolumeOf, error: str) -> Instant:
        failures = self._failures[volume] = self._failures.get(volume, 0) + 1
        retry_in_s = _BACKOFF.wait_s(failures + 1)  # never at once
        log.warning(
            "volume.renewal_failed",
            pod_uid=volume.pod_uid,
            volume=volume.name,
            error=error,
            retry_in_s=retry_in_s,
        )
        return Instant(self._clock.now() + retry_in_s)
