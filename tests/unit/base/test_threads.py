"""Work in threads, of which some is given up."""

import asyncio
import threading

import pytest

from krustlet.base.threads import to_its_end


async def test_it_answers_as_the_work_does() -> None:
    assert await to_its_end(divmod, 7, 2) == (3, 1)
    with pytest.raises(ZeroDivisionError):
        await to_its_end(divmod, 7, 0)


@pytest.mark.parametrize("times", [1, 3])
async def test_cancelled_it_ends_with_the_work(times: int) -> None:
    goes_on, done = threading.Event(), threading.Event()

    def work() -> None:
        goes_on.wait(10)
        done.set()

    task = asyncio.create_task(to_its_end(work))
    for _ in range(times):
        await asyncio.sleep(0.01)
        task.cancel()
    await asyncio.wait([task], timeout=0.05)
    assert not task.done()
    goes_on.set()
    await asyncio.wait([task], timeout=60)
    assert task.cancelled()
    assert done.is_set()
