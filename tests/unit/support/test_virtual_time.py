import asyncio
import time

import pytest

from tests.support.virtual_time import EPOCH, LoopClock, in_virtual_time


def test_waiting_takes_no_time() -> None:
    @in_virtual_time
    async def a_day() -> None:
        await asyncio.sleep(86_400)
        assert LoopClock().now() == EPOCH + 86_400

    began = time.monotonic()
    a_day()
    assert time.monotonic() - began < 1


@in_virtual_time
async def test_what_is_due_first_comes_first() -> None:
    order = []

    async def after(wait_s: float) -> None:
        await asyncio.sleep(wait_s)
        order.append(wait_s)

    async with asyncio.TaskGroup() as tasks:
        for wait_s in (3.0, 1.0, 2.0):
            tasks.create_task(after(wait_s))
    assert order == [1, 2, 3]


@in_virtual_time
async def test_work_for_threads_is_done_at_once() -> None:
    assert await asyncio.to_thread(lambda: 1 + 1) == 2
    with pytest.raises(ZeroDivisionError):
        await asyncio.to_thread(lambda: 1 // 0)
    assert LoopClock().now() == EPOCH


def test_waiting_for_ever_fails() -> None:
    @in_virtual_time
    async def for_ever() -> None:
        await asyncio.Event().wait()

    with pytest.raises(AssertionError, match="nothing is left"):
        for_ever()
