"""Requests go out at the agreed pace, in the order in which they were made."""

import asyncio

import pytest

from krustlet.kube import RateLimiter
from tests.support.virtual_time import in_virtual_time


async def passed_at(limiter: RateLimiter) -> float:
    await limiter.pass_through()
    return asyncio.get_running_loop().time()


@in_virtual_time
async def test_a_burst_passes_at_once_and_the_rest_at_the_pace() -> None:
    limiter = RateLimiter(qps=10, burst=3)

    times = await asyncio.gather(*(passed_at(limiter) for _ in range(7)))

    assert times == pytest.approx([0, 0, 0, 0.1, 0.2, 0.3, 0.4])


@in_virtual_time
async def test_what_was_not_used_is_saved_up_to_the_burst() -> None:
    limiter = RateLimiter(qps=10, burst=3)
    await asyncio.gather(*(passed_at(limiter) for _ in range(3)))

    await asyncio.sleep(60)

    times = await asyncio.gather(*(passed_at(limiter) for _ in range(4)))
    assert times == pytest.approx([60, 60, 60, 60.1])


@in_virtual_time
async def test_nobody_overtakes() -> None:
    limiter = RateLimiter(qps=10, burst=1)
    order: list[int] = []

    async def pass_as(number: int, *, after_s: float) -> None:
        await asyncio.sleep(after_s)
        await limiter.pass_through()
        order.append(number)

    await asyncio.gather(*(pass_as(n, after_s=n * 0.07) for n in range(8)))

    assert order == list(range(8))


@in_virtual_time
async def test_who_gives_up_takes_nobodys_turn() -> None:
    limiter = RateLimiter(qps=10, burst=1)
    await limiter.pass_through()
    waiting = [asyncio.create_task(passed_at(limiter)) for _ in range(4)]
    await asyncio.sleep(0.05)

    for given_up in waiting[:3]:
        given_up.cancel()

    assert await waiting[3] == pytest.approx(0.1)


@in_virtual_time
async def test_a_turn_that_came_too_late_goes_to_the_next() -> None:
    limiter = RateLimiter(qps=1, burst=1)
    await limiter.pass_through()
    first, second = (asyncio.create_task(passed_at(limiter)) for _ in range(2))
    await asyncio.sleep(0)
    # After its turn has come, and before it can know.
    asyncio.get_running_loop().call_at(1.0 + 5e-10, first.cancel)

    assert await second == pytest.approx(1.0)
    assert first.cancelled()


@in_virtual_time
async def test_without_a_pace_nobody_waits() -> None:
    limiter = RateLimiter(qps=0, burst=0)
    times = await asyncio.gather(*(passed_at(limiter) for _ in range(1000)))
    assert set(times) == {0.0}
