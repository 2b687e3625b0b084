import asyncio

import pytest

from krustlet.images.flights import Flights
from tests.support.virtual_time import in_virtual_time


class Work:
    """Work of ten seconds, that counts how often it began and how often it came to its end."""

    def __init__(self, error: Exception | None = None) -> None:
        self.begun = self.ended = self.cancelled = 0
        self._error = error

    async def __call__(self) -> str:
        self.begun += 1
        try:
            await asyncio.sleep(10)
        except asyncio.CancelledError:
            await asyncio.sleep(1)  # tidying up
            self.cancelled += 1
            raise
        self.ended += 1
        if self._error is not None:
            raise self._error
        return f"result {self.begun}"


@in_virtual_time
async def test_all_who_ask_meanwhile_share_the_work() -> None:
    flights: Flights[str, str] = Flights("test")
    work = Work()

    results = await asyncio.gather(*(flights.join("key", work) for _ in range(50)))

    assert results == ["result 1"] * 50
    assert (work.begun, work.ended) == (1, 1)


@in_virtual_time
async def test_who_asks_later_begins_anew() -> None:
    flights: Flights[str, str] = Flights("test")
    work = Work()
    assert [await flights.join("key", work), await flights.join("key", work)] == [
        "result 1",
        "result 2",
    ]


@in_virtual_time
async def test_other_work_is_not_shared() -> None:
    flights: Flights[str, str] = Flights("test")
    work = Work()
    await asyncio.gather(flights.join("a", work), flights.join("b", work))
    assert work.begun == 2


@in_virtual_time
async def test_one_who_is_cancelled_leaves_it_to_the_others() -> None:
    flights: Flights[str, str] = Flights("test")
    work = Work()
    first, second = (asyncio.create_task(flights.join("key", work)) for _ in range(2))
    await asyncio.sleep(5)

    first.cancel()

    assert await second == "result 1"
    assert first.cancelled()
    assert work.cancelled == 0


@in_virtual_time
async def test_the_last_who_is_cancelled_sees_the_work_end() -> None:
    flights: Flights[str, str] = Flights("test")
    work = Work()
    askers = [asyncio.create_task(flights.join("key", work)) for _ in range(3)]
    await asyncio.sleep(5)

    for asker in askers:
        asker.cancel()
    await asyncio.wait(askers)

    assert all(asker.cancelled() for asker in askers)
    assert (work.begun, work.cancelled, work.ended) == (1, 1, 0)
    assert await flights.join("key", work) == "result 2"


@in_virtual_time
async def test_an_error_is_everybodys() -> None:
    flights: Flights[str, str] = Flights("test")
    work = Work(ValueError("no"))
    results = await asyncio.gather(
        *(flights.join("key", work) for _ in range(3)), return_exceptions=True
    )
    assert [str(result) for result in results] == ["no"] * 3
    with pytest.raises(ValueError, match="no"):
        await flights.join("key", work)
    assert work.begun == 2
