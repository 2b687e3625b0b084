"""Remember what was answered, so that nobody is asked the same thing all the time."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, NamedTuple, TypeVar
from weakref import WeakValueDictionary

T = TypeVar("T")


class _Kept(NamedTuple, Generic[T]):
    answer: T
    until: float


class Answers(Generic[T]):
    """Answers by question. A question is asked by one at a time; who else has it waits for him."""

    def __init__(self, *, at_most: int, at_once: int, keep_s: Callable[[T], float]) -> None:
        """Keep what it is given.

        Args:
            at_most: answers remembered; the oldest go first.
            at_once: questions asked side by side; further ones wait.
            keep_s: how long an answer is good for.
        """
        self._at_most = at_most
        self._keep_s = keep_s
        self._asking = asyncio.Semaphore(at_once)
        self._kept: dict[bytes, _Kept[T]] = {}
        self._turns: WeakValueDictionary[bytes, asyncio.Lock] = WeakValueDictionary()

    def __len__(self) -> int:
        return len(self._kept)

    async def get(self, question: bytes, ask: Callable[[], Awaitable[T]]) -> T:
        """The answer, remembered or asked for; whatever `ask` raises is not remembered."""
        if (kept := self._find(question)) is not None:
            return kept.answer
        turn = self._turns.setdefault(question, asyncio.Lock())
        async with turn:
            if (kept := self._find(question)) is not None:
                return kept.answer
            async with self._asking:
                answer = await ask()
            self._keep(question, answer)
            return answer

    def _find(self, question: bytes) -> _Kept[T] | None:
        kept = self._kept.get(question)
        return kept if kept is not None and kept.until > _now() else None

    def _keep(self, question: bytes, answer: T) -> None:
        self._kept.pop(question, None)
        while len(self._kept) >= self._at_most:
            del self._kept[next(iter(self._kept))]
        self._kept[question] = _Kept(answer, _now() + self._keep_s(answer))


def _now() -> float:
    return asyncio.get_running_loop().time()
