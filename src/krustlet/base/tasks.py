"""Tasks that belong together."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from krustlet.base.errors import KrustletError


@asynccontextmanager
async def task_group() -> AsyncIterator[asyncio.TaskGroup]:
    """A task group; what was foreseen and ends it comes out by itself, not in a group of one."""
    try:
        async with asyncio.TaskGroup() as tasks:
            yield tasks
    except BaseExceptionGroup as group:
        match group.exceptions:
            case [KrustletError() as error]:
                raise error from error.__cause__
            case _:
                raise
