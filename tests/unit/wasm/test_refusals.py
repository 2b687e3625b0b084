"""What was refused is not tried again at once, and later each time."""

from krustlet.wasm.outcome import Rejection
from krustlet.wasm.refusals import _MOST, Refusals

COSTLY = Rejection("costly", "compiling took over 300 s of processor time")


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_what_was_refused_is_said_again_until_its_time_is_over() -> None:
    clock = Clock()
    refusals = Refusals(clock)
    noted = refusals.note("a", COSTLY)
    assert (noted.rejection, noted.held_s) == (COSTLY, 300.0)
    clock.now += 299.9
    assert refusals.find("a") == noted
    assert refusals.find("b") is None
    clock.now += 0.1
    assert refusals.find("a") is None


def test_each_time_it_waits_twice_as_long_up_to_an_hour() -> None:
    clock = Clock()
    refusals = Refusals(clock)
    held = []
    for _ in range(6):
        held.append(refusals.note("a", COSTLY).held_s)
        clock.now += held[-1]
    assert held == [300.0, 600.0, 1200.0, 2400.0, 3600.0, 3600.0]


def test_a_compiler_that_died_is_given_another_try_soon() -> None:
    refusals = Refusals(Clock())
    assert refusals.note("a", Rejection("died", "it was killed")).held_s == 10.0


def test_a_file_that_changed_is_read_again_at_once() -> None:
    refusals = Refusals(Clock())
    assert refusals.note("a", Rejection("changed", "it changed")).held_s == 0.0
    assert refusals.find("a") is None


def test_what_succeeded_starts_afresh() -> None:
    clock = Clock()
    refusals = Refusals(clock)
    refusals.note("a", COSTLY)
    refusals.forget("a")
    assert refusals.find("a") is None
    assert refusals.note("a", COSTLY).failures == 1


def test_only_so_many_are_remembered_the_latest_of_them() -> None:
    refusals = Refusals(Clock())
    for number in range(_MOST + 10):
        refusals.note(str(number), COSTLY)
    refusals.note("10", COSTLY)
    refusals.note("new", COSTLY)
    assert [refusals.find(str(number)) for number in range(10)] == [None] * 10
    assert refusals.find("10") is not None
    assert refusals.find("11") is None
    assert refusals.find("new") is not None
