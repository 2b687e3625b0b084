"""Let many ask one question at once, and ask it for all of them. Keeps no answers."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

T = TypeVar("T")


class Shared(Generic[T]):
    """Gives an answer to all who wait for it; whoever comes when it is being fetched gets the next.

    So nobody is told what was true before he asked, and of one question no more than one is ever
    under way.
    """

    def __init__(self) -> None:
        self._latest: dict[Hashable, _Question[T]] = {}

    async def answer(self, about: Hashable, ask: Callable[[], Awaitable[T]]) -> T:
        """What `ask` answers, or raises; it may be that of another who asked about the same."""
        question = self._latest.get(about)
        if question is None or question.is_closed:
            question = self._latest[about] = _Question(ask, after=question)
            question.task.add_done_callback(lambda _: self._drop(about, question))
        return await question.join()

    def _drop(self, about: Hashable, question: "_Question[T]") -> None:
        if self._latest.get(about) is question:
            del self._latest[about]


class _Question(Generic[T]):
    """Lives as long as somebody waits for its answer.

    Attributes:
        is_closed: whether it is too late to join.
    """

    def __init__(self, ask: Callable[[], Awaitable[T]], *, after: "_Question[T] | None") -> None:
        self.is_closed = False
        self._waiting = 0
        before = after.task if after is not None else None
        self.task: asyncio.Task[T] = asyncio.create_task(
            self._run(ask, before), name="sources.question"
        )

    async def _run(self, ask: Callable[[], Awaitable[T]], before: "asyncio.Task[T] | None") -> T:
        if before is not None:
            await asyncio.wait([before])
        self.is_closed = True
        return await ask()

    async def join(self) -> T:
        self._waiting += 1
        try:
            return await asyncio.shield(self.task)
        finally:
            self._waiting -= 1
            if self._waiting == 0:
                self.is_closed = True
                self.task.cancel()  # nothing, where it is done
