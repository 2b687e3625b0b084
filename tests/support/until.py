"""Wait for something to become true, no longer than said; tell what was last seen."""

import time
from collections.abc import Callable
from typing import Final, TypeVar

PATIENCE_S: Final = 60.0  # for what takes seconds at most on an idle machine

T = TypeVar("T")


def until(condition: Callable[[], T], *, within_s: float = PATIENCE_S) -> T:
    """What `condition` answers once it is truthy.

    Raises:
        AssertionError: it never was; says what it answered last.
    """
    deadline = time.monotonic() + within_s
    while not (seen := condition()):
        assert time.monotonic() < deadline, f"not within {within_s} s; last seen: {seen!r}"
        time.sleep(0.01)
    return seen


def until_not(condition: Callable[[], T], *, within_s: float = PATIENCE_S) -> None:
    """Wait until `condition` answers something empty.

    Raises:
        AssertionError: it never did; says what it answered last.
    """
    deadline = time.monotonic() + within_s
    while seen := condition():
        assert time.monotonic() < deadline, f"still so after {within_s} s: {seen!r}"
        time.sleep(0.01)
