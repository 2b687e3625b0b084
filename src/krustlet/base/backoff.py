"""Waiting longer after each failure, and forgetting after a quiet while."""

import msgspec


class Backoff(msgspec.Struct, frozen=True):
    """A schedule of waits: none before the first try, then `initial_s`, doubling up to `max_s`."""

    initial_s: float
    max_s: float

    @property
    def forget_after_s(self) -> float:
        """A quiet time this long starts the schedule afresh.

        Source: client-go `util/flowcontrol/backoff.go`, `hasExpired`: twice the maximum.
        """
        return 2 * self.max_s

    def wait_s(self, failures: int) -> float:
        """The wait after `failures` failures in a row; the first retry is at once."""
        if failures <= 1:
            return 0.0
        doublings = min(failures - 2, 64)  # enough to reach any maximum, small enough for a float
        return min(self.initial_s * 2.0**doublings, self.max_s)
