"""One question at a time, and never an old answer."""

import asyncio

import pytest

from krustlet.sources.sharing import Shared
from tests.support.virtual_time import in_virtual_time


class Oracle:
    """Takes a second for each answer, and answers with when it was asked.

    Attributes:
        errors: raised one after the other, before anything is answered.
    """

    def __init__(self, *errors: Exception) -> None:
        self.asked = 0
        self.under_way = self.most_under_way = 0
        self.errors = list(errors)

    async def __call__(self) -> float:
        self.asked += 1
        now = asyncio.get_running_loop().time()
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        try:
            await asyncio.sleep(1)
            if self.errors:
                raise self.errors.pop(0)
            return now
        finally:
            self.under_way -= 1


async def later(seconds: float, shared: Shared[float], oracle: Oracle, about: str = "x") -> float:
    await asyncio.sleep(seconds)
    return await shared.answer(about, oracle)


@in_virtual_time
async def test_a_burst_shares_one_answer() -> None:
    shared, oracle = Shared[float](), Oracle()
    assert set(await asyncio.gather(*(shared.answer("x", oracle) for _ in range(200)))) == {0}
    assert oracle.asked == 1


@in_virtual_time
async def test_whoever_comes_while_it_is_fetched_gets_the_next_answer() -> None:
    shared, oracle = Shared[float](), Oracle()
    came = [0, 0.1, 0.5, 0.99, 1.2, 1.7, 5]
    answers = await asyncio.gather(*(later(at, shared, oracle) for at in came))
    assert answers == [0, 1, 1, 1, 2, 2, 5]
    assert all(answer >= at for at, answer in zip(came, answers, strict=True))
    assert (oracle.asked, oracle.most_under_way) == (4, 1)


@in_virtual_time
async def test_a_steady_stream_costs_one_question_a_second() -> None:
    shared, oracle = Shared[float](), Oracle()
    await asyncio.gather(*(later(n * 0.01, shared, oracle) for n in range(1000)))
    assert oracle.asked <= 12


@in_virtual_time
async def test_different_questions_do_not_wait_for_each_other() -> None:
    shared, oracle = Shared[float](), Oracle()
    answers = await asyncio.gather(*(later(0, shared, oracle, about) for about in "abc"))
    assert answers == [0, 0, 0]
    assert (oracle.asked, oracle.most_under_way) == (3, 3)


@in_virtual_time
async def test_an_error_is_shared_too_and_not_kept() -> None:
    shared, oracle = Shared[float](), Oracle(KeyError("gone"))
    answers = await asyncio.gather(
        *(later(at, shared, oracle) for at in (0, 0, 0.5)), return_exceptions=True
    )
    assert [type(answer) for answer in answers] == [KeyError, KeyError, float]
    assert await shared.answer("x", oracle) == 2


@in_virtual_time
async def test_one_who_gives_up_does_not_take_the_answer_from_the_others() -> None:
    shared, oracle = Shared[float](), Oracle()
    first, second = (asyncio.create_task(shared.answer("x", oracle)) for _ in range(2))
    await asyncio.sleep(0.5)
    first.cancel()
    assert await second == 0
    with pytest.raises(asyncio.CancelledError):
        await first


@in_virtual_time
async def test_when_all_have_given_up_nothing_is_under_way() -> None:
    shared, oracle = Shared[float](), Oracle()
    asking = [asyncio.create_task(later(at, shared, oracle)) for at in (0, 0.1, 0.2)]
    await asyncio.sleep(0.5)
    for task in asking:
        task.cancel()
    answer = asyncio.create_task(shared.answer("x", oracle))  # before the cancelled have ended
    await asyncio.wait(asking)
    assert await answer == 0.5
    assert oracle.under_way == 0
    assert oracle.asked == 2


@in_virtual_time
async def test_one_who_gives_up_before_it_began_leaves_no_trace() -> None:
    shared, oracle = Shared[float](), Oracle()
    asking = asyncio.create_task(shared.answer("x", oracle))
    await asyncio.sleep(0)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert await shared.answer("x", oracle) == 0
    assert (oracle.under_way, oracle.most_under_way) == (0, 1)
