from krustlet.base import Backoff

RESTARTS = Backoff(initial_s=10, max_s=300)


def test_the_first_retry_is_at_once_then_each_waits_twice_as_long() -> None:
    waits = [RESTARTS.wait_s(failures) for failures in range(9)]
    assert waits == [0, 0, 10, 20, 40, 80, 160, 300, 300]


def test_many_failures_do_not_overflow() -> None:
    assert RESTARTS.wait_s(1_000_000) == 300


def test_it_is_forgotten_after_twice_the_maximum() -> None:
    assert RESTARTS.forget_after_s == 600
