"""How long an answer of the API server is waited for, and how long it is left alone after an error.

A server under load may take ten seconds for an answer, and is not to be taken for dead then.
"""

import asyncio
from collections.abc import Awaitable
from typing import Final, TypeVar

from krustlet.base import Backoff
from krustlet.kube import ApiError

REQUEST_LIMIT_S: Final = 20.0
_LONGEST_REST_S: Final = 60.0  # beyond that a server's wish would have the node given up for lost

T = TypeVar("T")


async def answered(request: Awaitable[T], *, within_s: float = REQUEST_LIMIT_S) -> T:
    """The answer to one request.

    Raises:
        TimeoutError: it did not come in time; it may have been carried out all the same.
        ApiError: as the request does.
    """
    async with asyncio.timeout(within_s):
        return await request


def rest_s(
    error: Exception, failures: int, schedule: Backoff, *, longest_s: float = _LONGEST_REST_S
) -> float:
    """How long to wait before the next try: as the schedule says, and as the server asks for.

    Args:
        failures: how many there were in a row, with this one.
        longest_s: beyond that the server's wish does not count.
    """
    asked_s = error.retry_after_s if isinstance(error, ApiError) else None
    return max(schedule.wait_s(failures + 1), min(asked_s or 0.0, longest_s))


def in_words(error: Exception) -> str:
    """What went wrong, for a log."""
    return str(error) or "no answer in time"
