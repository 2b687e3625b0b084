"""The container of a `krustlet run -i` or `-t`.

It reads what comes to this process' stdin, and with a terminal prints to this one, byte by byte.
"""

import asyncio
import contextlib
import os
import select
import signal
from collections.abc import AsyncIterator
from typing import Final

from krustlet.cli.raw_terminal import has_terminal, raw_terminal, terminal_size
from krustlet.cli.streams import write_result
from krustlet.provider import Session

_STDIN: Final = 0
_READ_BYTES: Final = 32 * 1024
_OUTPUTS: Final = ("stdout", "stderr")
_PATIENCE_S: Final = 0.1


class Foreground:
    """Carries between a container and this process' own streams, until either side ends.

    Signals stay with who runs this: in raw mode Ctrl-C is a key like any other, and whatever else
    ends the run ends it in good order.
    """

    def __init__(self, *, stdin: bool, tty: bool) -> None:
        """Keep what it is given.

        Args:
            stdin: whether it is to read ours.
            tty: whether it has a terminal; then this shows all that it prints, else nothing.
        """
        self.stdin = stdin
        self.tty = tty
        self.has_shown = False
        """Whether the container has printed anything here."""
        self.is_mid_line = False
        """Whether the last of it ends in the middle of a line."""

    async def carry(self, session: Session) -> None:
        """Until the container prints nothing any more; closes the session.

        Raises:
            ReaderGone, StdoutUnusable: what it prints has nowhere to go.
        """
        is_raw = self.tty and self.stdin and has_terminal()
        try:
            with raw_terminal(leaving=False) if is_raw else contextlib.nullcontext():
                async with self._typing(session), _fitting(session, self.tty):
                    await self._show_all(session)
        finally:
            session.close()

    async def _show_all(self, session: Session) -> None:
        showing = [asyncio.create_task(self._show(session, stream)) for stream in _OUTPUTS]
        try:
            await asyncio.gather(*showing)
        finally:
            await _ended(*showing)

    async def _show(self, session: Session, stream: str) -> None:
        while data := await session.read(stream):
            if self.tty:  # else the log is shown, of which nothing is lost
                self.has_shown = True
                self.is_mid_line = not data.endswith(b"\n")
                await asyncio.to_thread(write_result, data)

    @contextlib.asynccontextmanager
    async def _typing(self, session: Session) -> AsyncIterator[None]:
        """In this block what comes to stdin is typed there; no thread waits for it afterwards."""
        if not self.stdin:
            yield
            return
        stopped, stop = os.pipe2(os.O_CLOEXEC)
        typing = asyncio.create_task(_type(session, stopped), name="run.type")
        try:
            yield
        finally:
            os.close(stop)
            await asyncio.wait({typing}, timeout=_PATIENCE_S)  # unless the container reads nothing
            await _ended(typing)
            os.close(stopped)


@contextlib.asynccontextmanager
async def _fitting(session: Session, tty: bool) -> AsyncIterator[None]:
    """In this block the container's terminal is as large as ours."""
    if not tty:
        yield
        return

    def fit() -> None:
        if (size := terminal_size()) is not None:
            session.resize(columns=size.columns, rows=size.rows)

    fit()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGWINCH, fit)
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGWINCH)


async def _ended(*tasks: "asyncio.Task[None]") -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _type(session: Session, stopped: int) -> None:
    while data := await asyncio.to_thread(_keys, stopped):
        await session.write(data)
    session.end_input()


def _keys(stopped: int) -> bytes:
    """What is typed next; empty at its end, or once the other end of `stopped` is closed."""
    poll = select.poll()  # of files, too, which the event loop cannot wait for
    poll.register(_STDIN, select.POLLIN)
    poll.register(stopped, select.POLLIN)
    if stopped in dict(poll.poll()):
        return b""
    try:
        return os.read(_STDIN, _READ_BYTES)
    except OSError:  # closed, or the terminal hung up
        return b""
