"""Show that something takes its time: a spinner on a terminal, plain lines elsewhere."""

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from krustlet.cli.words import has_colour, remark

_PATIENCE_S: Final = 0.3  # shorter waits are not worth a word


@asynccontextmanager
async def progress(doing: str, done: str, *, quiet: bool) -> AsyncIterator[None]:
    """Tell of the block's work while it lasts, once it has lasted a while.

    Args:
        doing: `Compiling hello.wasm`.
        done: `Compiled hello.wasm`; the time it took is added.
        quiet: tell nothing.
    """
    if quiet:
        yield
        return
    started = time.monotonic()
    teller = asyncio.create_task(_tell(doing), name="cli.progress")
    try:
        yield
    finally:
        teller.cancel()
        told = (await asyncio.gather(teller, return_exceptions=True))[0]
    took_s = time.monotonic() - started
    if took_s >= _PATIENCE_S:
        remark(f"{done} in {took_s:.1f} s")
    assert told is None or isinstance(told, asyncio.CancelledError)


async def _tell(doing: str) -> None:
    await asyncio.sleep(_PATIENCE_S)
    if not (has_colour(sys.stderr)):
        remark(f"{doing} …")
        return
    from rich.console import Console  # rich takes 50 ms to import: only for those who wait anyway

    with Console(stderr=True).status(doing):
        await asyncio.Event().wait()
