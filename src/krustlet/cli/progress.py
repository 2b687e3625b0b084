"""Show that something takes its time: a spinner on a terminal, plain lines elsewhere."""

import asyncio
import contextlib
import sys
import time
from collections.abc import AsyncIterator
from typing import Final

from krustlet.cli.words import is_terminal, remark

_PATIENCE_S: Final = 0.3  # shorter waits are not worth a word


@contextlib.asynccontextmanager
async def progress(doing: str, done: str, *, quiet: bool) -> AsyncIterator[None]:
    """Tell of the block's work, once it has lasted a while.

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
        with contextlib.suppress(asyncio.CancelledError):
            await teller
    took_s = time.monotonic() - started
    if took_s >= _PATIENCE_S:
        remark(f"{done} in {took_s:.1f} s")


async def _tell(doing: str) -> None:
    await asyncio.sleep(_PATIENCE_S)
    if not is_terminal(sys.stderr):
        remark(f"{doing} …")
        return
    from rich.console import Console  # 50 ms of import: only for those who wait anyway

    with Console(stderr=True).status(doing):
        await asyncio.Event().wait()
