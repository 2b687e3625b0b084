"""Time as a thing that is handed in, so that tests can hand in another."""

import time
from typing import NewType, Protocol

Instant = NewType("Instant", float)
"""Seconds since the Unix epoch. Absolute, so that it means the same after a restart."""


class Clock(Protocol):
    """Tells the time of day."""

    def now(self) -> Instant: ...


class SystemClock:
    """The machine's own clock."""

    def now(self) -> Instant:
        return Instant(time.time())
