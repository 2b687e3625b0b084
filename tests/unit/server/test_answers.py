"""Answers are remembered for a while, and asked for by one at a time."""

import asyncio

import pytest

from krustlet.server.answers import Answers
from tests.support.virtual_time import in_virtual_time


class Oracle:
    """Answers with how often it was asked."""

    def __init__(self, *, takes_s: float = 0) -> None:
        self.asked = 0
        self.at_once = 0
        self.most_at_once = 0
        self.fails = False
        self._takes_s = takes_s

    async def __call__(self) -> int:
        self.asked += 1
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await asyncio.sleep(self._takes_s)
        finally:
            self.at_once -= 1
        if self.fails:
            raise LookupError
        return self.asked


def some_answers(*, at_most: int = 10, at_once: int = 10, keep_s: float = 60) -> Answers[int]:
    return Answers(at_most=at_most, at_once=at_once, keep_s=lambda _: keep_s)


@in_virtual_time
async def test_an_answer_is_good_for_its_time() -> None:
    answers, oracle = some_answers(keep_s=60), Oracle()
    assert await answers.get(b"a", oracle) == 1
    await asyncio.sleep(59)
    assert await answers.get(b"a", oracle) == 1
    await asyncio.sleep(2)
    assert await answers.get(b"a", oracle) == 2


@in_virtual_time
async def test_how_long_depends_on_the_answer() -> None:
    answers: Answers[int] = Answers(at_most=9, at_once=9, keep_s=lambda n: 10 if n == 1 else 100)
    oracle = Oracle()
    for expected in (1, 2, 2):
        assert await answers.get(b"a", oracle) == expected
        await asyncio.sleep(20)


@in_virtual_time
async def test_each_question_has_its_own_answer() -> None:
    answers, oracle = some_answers(), Oracle()
    assert [await answers.get(question, oracle) for question in (b"a", b"b", b"a")] == [1, 2, 1]


@in_virtual_time
async def test_who_asks_meanwhile_waits_for_the_same_answer() -> None:
    answers, oracle = some_answers(), Oracle(takes_s=1)
    assert await asyncio.gather(*(answers.get(b"a", oracle) for _ in range(20))) == [1] * 20


@in_virtual_time
async def test_only_so_many_questions_are_asked_at_once() -> None:
    answers, oracle = some_answers(at_once=3), Oracle(takes_s=1)
    await asyncio.gather(*(answers.get(b"%d" % n, oracle) for n in range(9)))
    assert (oracle.asked, oracle.most_at_once) == (9, 3)


@in_virtual_time
async def test_only_so_many_are_remembered_and_the_oldest_go_first() -> None:
    answers, oracle = some_answers(at_most=2), Oracle()
    for question in (b"a", b"b", b"c"):
        await answers.get(question, oracle)
    assert len(answers) == 2
    assert await answers.get(b"c", oracle) == 3
    assert await answers.get(b"b", oracle) == 2
    assert await answers.get(b"a", oracle) == 4


@in_virtual_time
async def test_a_failure_is_told_and_not_remembered() -> None:
    answers, oracle = some_answers(), Oracle()
    oracle.fails = True
    with pytest.raises(LookupError):
        await answers.get(b"a", oracle)
    oracle.fails = False
    assert await answers.get(b"a", oracle) == 2


@in_virtual_time
async def test_who_loses_patience_leaves_the_others_their_answer() -> None:
    answers, oracle = some_answers(), Oracle(takes_s=1)
    impatient = asyncio.create_task(answers.get(b"a", oracle))
    patient = asyncio.create_task(answers.get(b"a", oracle))
    await asyncio.sleep(0.5)
    impatient.cancel()
    assert await patient == 2
    assert len(answers) == 1
