"""Ask the API server no more often than agreed: a token bucket with a queue.

Owns the pace and the order. Leaves what is asked to whoever waits here.
"""

import asyncio
from collections import deque
from typing import Final

_EPSILON: Final = 1e-9  # what is lost when tokens are counted in floating point


class RateLimiter:
    """Lets `burst` pass at once, and `qps` a second from then on; first come, first served."""

    def __init__(self, *, qps: float, burst: float) -> None:
        """Keep what it is given.

        Args:
            qps: 0: no limit.
            burst: at least 1 is let through.
        """
        self._qps = qps
        self._burst = max(burst, 1.0)
        self._tokens = self._burst
        self._filled_at: float | None = None
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._timer: asyncio.TimerHandle | None = None

    async def pass_through(self) -> None:
        """Return when it is this caller's turn; who gives up waiting uses nothing up."""
        if self._qps <= 0:
            return
        self._fill()
        if not self._waiting and self._has_token():
            self._tokens -= 1
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        self._set_timer()
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():  # its turn came, and it was not used
                self._tokens += 1
            self._serve()
            raise

    def _has_token(self) -> bool:
        return self._tokens >= 1 - _EPSILON

    def _fill(self) -> None:
        now = asyncio.get_running_loop().time()
        if self._filled_at is not None:
            grown = self._tokens + (now - self._filled_at) * self._qps
            self._tokens = min(self._burst, grown)
        self._filled_at = now

    def _serve(self) -> None:
        """Let those pass whose turn it is, in the order in which they came."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._fill()
        while self._waiting and self._has_token():
            turn = self._waiting.popleft()
            if not turn.done():
                self._tokens -= 1
                turn.set_result(None)
        self._set_timer()

    def _set_timer(self) -> None:
        if self._waiting and self._timer is None:
            due_s = max(1 - self._tokens, 0.0) / self._qps
            self._timer = asyncio.get_running_loop().call_later(due_s, self._serve)
