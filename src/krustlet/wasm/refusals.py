"""Remember what could not be compiled, so that it is not tried again and again at full cost.

A pod that cannot start is tried for as long as it exists, and compiling what is hostile may take
minutes each time. Kept in memory: the next process may try once.
"""

from collections import OrderedDict
from collections.abc import Callable
from typing import Final

import msgspec

from krustlet.base import Backoff
from krustlet.wasm.outcome import Rejection

_MOST: Final = 1000
_HELD: Final = {
    # Nothing about these bytes will change; but somebody may upgrade the engine below us.
    "not-wasm": Backoff(initial_s=3600.0, max_s=3600.0),
    "invalid": Backoff(initial_s=3600.0, max_s=3600.0),
    "imports": Backoff(initial_s=3600.0, max_s=3600.0),
    "costly": Backoff(initial_s=300.0, max_s=3600.0),
    "died": Backoff(initial_s=10.0, max_s=300.0),
}


class Refused(msgspec.Struct, frozen=True):
    """What a compiler said, and for how long it is not asked again."""

    rejection: Rejection
    held_s: float
    until: float
    failures: int


class Refusals:
    """What was refused, by digest; those that were refused longest ago are forgotten first."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._refused: OrderedDict[str, Refused] = OrderedDict()

    def find(self, digest: str) -> Refused | None:
        """The refusal that still counts."""
        refused = self._refused.get(digest)
        return refused if refused is not None and self._now() < refused.until else None

    def note(self, digest: str, rejection: Rejection) -> Refused:
        """It was tried, and refused."""
        before = self._refused.pop(digest, None)
        failures = before.failures + 1 if before is not None else 1
        backoff = _HELD.get(rejection.kind)
        held_s = backoff.wait_s(failures + 1) if backoff is not None else 0.0
        refused = Refused(rejection, held_s, self._now() + held_s, failures)
        if backoff is not None:
            self._refused[digest] = refused
            if len(self._refused) > _MOST:
                self._refused.popitem(last=False)
        return refused

    def forget(self, digest: str) -> None:
        """It was compiled after all."""
        self._refused.pop(digest, None)
