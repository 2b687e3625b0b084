"""Work in threads, which nobody can call back.

Apart from the rest of `base`, as commands that wait for nothing need no asyncio.
"""

import asyncio
import contextlib
from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


async def to_its_end(work: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """As `asyncio.to_thread`; even if cancelled, it goes on only when the thread has ended.

    For what holds a lock, or something else that the thread uses, while it waits.
    """
    thread = asyncio.ensure_future(asyncio.to_thread(work, *args, **kwargs))
    try:
        return await asyncio.shield(thread)
    finally:
        while not thread.done():
            with contextlib.suppress(asyncio.CancelledError):  # the first one is on its way
                await asyncio.wait([thread])
