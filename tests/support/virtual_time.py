"""Run a test in virtual time: nobody ever waits, the clock jumps to the next thing that is due.

Work for threads is done at once, in the loop's own thread, so that a test takes the same course
each time. There is nothing to wait for outside: a test that would wait for ever fails instead.
"""

import asyncio
import selectors
from collections.abc import Awaitable, Callable, Coroutine
from functools import wraps
from typing import Any, Final, ParamSpec

from krustlet.base import Instant

EPOCH: Final = Instant(1_767_225_600.0)
"""When every virtual time begins: 2026-01-01T00:00:00Z."""

P = ParamSpec("P")


class LoopClock:
    """The time of day that belongs to the running loop's time."""

    def now(self) -> Instant:
        return Instant(EPOCH + asyncio.get_running_loop().time())


def in_virtual_time(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """Make an async test a sync one, that brings its own loop."""

    @wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        with asyncio.Runner(loop_factory=_VirtualLoop) as runner:
            runner.run(test(*args, **kwargs))

    return run


class _VirtualLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._now = 0.0
        super().__init__(_Jumping(self))

    def time(self) -> float:
        return self._now

    def jump(self, seconds: float) -> None:
        self._now += seconds

    def run_in_executor(  # type: ignore[override]  # typeshed knows it as a coroutine function
        self, executor: object, func: Callable[..., Any], *args: object
    ) -> Awaitable[Any]:
        future = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as exc:  # noqa: BLE001 - it belongs to whoever awaits the future
            future.set_exception(exc)
        return future


class _Jumping(selectors.DefaultSelector):
    """Does not sleep: it moves the loop's time on instead."""

    def __init__(self, loop: _VirtualLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready:
            assert timeout is not None, "all wait, and nothing is left that could happen"
            self._loop.jump(timeout)
        return ready
