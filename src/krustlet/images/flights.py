"""Share work among all who ask for the same at the same time."""

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from typing import Any, Generic, TypeVar

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")


class _Flight(Generic[T]):
    def __init__(self, task: asyncio.Task[T]) -> None:
        self.task = task
        self.aboard = 0


class Flights(Generic[K, T]):
    """One task a key; it ends with the last who waits for it."""

    def __init__(self, name: str) -> None:
        """Keep what it is given.

        Args:
            name: what to call the tasks.
        """
        self._name = name
        self._flights: dict[K, _Flight[T]] = {}

    async def join(self, key: K, begin: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """What the work of that name brings, or its error; `begin` begins it, if nobody has.

        Cancelled, the others go on. The last one to be cancelled sees the work's end.
        """
        flight = self._flights.get(key) or self._begin(key, begin)
        flight.aboard += 1
        try:
            return await asyncio.shield(flight.task)
        finally:
            flight.aboard -= 1
            if not flight.aboard and not flight.task.done():
                self._forget(key, flight)  # who comes now begins anew
                await _end(flight.task)

    def _begin(self, key: K, begin: Callable[[], Coroutine[Any, Any, T]]) -> _Flight[T]:
        flight = _Flight(asyncio.create_task(begin(), name=self._name))
        self._flights[key] = flight
        flight.task.add_done_callback(lambda _: self._forget(key, flight))
        return flight

    def _forget(self, key: K, flight: _Flight[T]) -> None:
        if self._flights.get(key) is flight:
            del self._flights[key]


async def _end(task: asyncio.Task[Any]) -> None:
    task.cancel()
    await asyncio.wait([task])
    if not task.cancelled():
        task.exception()  # nobody is left to be told
