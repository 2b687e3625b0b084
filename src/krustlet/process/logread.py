"""Read a log as somebody asked for it: once, or for as long as the container writes.

Leaves the files of a log, which is begun anew now and then, to `logfiles.py`, the meaning of
entries to `logtext.py`, where to begin to `logtail.py`, and hearing of changes to `logwatch.py`.
Reads in the event loop, as what was written lately is in memory, in steps so small that others have
their turn.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path
from typing import Final, TypeAlias

from krustlet.process.logfiles import LogFiles
from krustlet.process.logtail import find_tail
from krustlet.process.logtext import LogOptions, LogText
from krustlet.process.logwatch import following

Pieces: TypeAlias = AsyncGenerator[bytes, None]

_CHUNK_BYTES: Final = 64 * 1024
_PATIENCE_S: Final = 1.0  # with a line whose end does not come, while another stream's lines wait


async def read_log(
    path: Path, options: LogOptions, *, ended: asyncio.Event | None = None
) -> Pieces:
    """The text of a log, in pieces of about 64 KiB that need not be whole lines.

    Args:
        path: need not exist yet; its directory is made if it is to be followed.
        ended: follow the log until this is set, as nothing more will be written, and all was
            read. Without it, only what is there now is read.

    Raises:
        OSError: it cannot be read.
    """
    pieces = _read(path, options) if ended is None else _follow(path, options, ended)
    left = options.limit_bytes
    async with contextlib.aclosing(pieces):
        async for piece in pieces:
            if left is not None and len(piece) >= left:
                yield piece[:left]
                return
            if left is not None:
                left -= len(piece)
            yield piece


async def _read(path: Path, options: LogOptions) -> Pieces:
    with LogFiles(path) as files:
        reader = _Reader(files, options)
        if not await reader.begin():
            return
        for piece in reader.pieces(until=files.left()):  # later words are not asked for
            if piece:
                yield piece
            await asyncio.sleep(0)
        if piece := reader.release():
            yield piece


async def _follow(path: Path, options: LogOptions, ended: asyncio.Event) -> Pieces:
    path.parent.mkdir(parents=True, exist_ok=True)
    async with following(path.parent, ended=ended) as changes:
        with LogFiles(path) as files:
            reader = _Reader(files, options)
            while True:
                over = ended.is_set()  # asked before reading: what came until then is read below
                if await reader.begin():
                    for piece in reader.new_pieces():
                        if piece:
                            yield piece
                        await asyncio.sleep(0)
                if (over or reader.is_out_of_patience()) and (piece := reader.release()):
                    yield piece
                if over:
                    return
                await changes.wait(at_most_s=_PATIENCE_S if reader.holds else None)


class _Reader:
    """What of a log has been read, and how it is shown."""

    def __init__(self, files: LogFiles, options: LogOptions) -> None:
        self._files = files
        self._options = options
        self._has_begun = False
        self._text = LogText(options)
        self._grew_at = 0.0

    @property
    def holds(self) -> bool:
        """Whether something is held back until another stream's line has ended."""
        return self._text.holds

    async def begin(self) -> bool:
        """Open the log and stand where the wanted part begins; whether there is a log."""
        if self._has_begun or not self._files.open():
            return self._has_begun
        self._has_begun = True
        if (lines := self._options.tail_lines) is not None:
            place = await find_tail(self._files, self._files.left(), lines)
            self._files.skip(place.offset)
            self._text = LogText(self._options, skip_lines=place.skip_lines)
        elif (since_ns := self._options.since_ns) is not None:
            self._files.skip_older(since_ns)
        return True

    def pieces(self, *, until: int) -> Iterator[bytes]:
        """The text of each chunk of the next `until` bytes, empty where nothing is wanted of it."""
        while chunk := self._files.read(min(_CHUNK_BYTES, until)):
            until -= len(chunk)
            yield self._text.add(chunk)

    def new_pieces(self) -> Iterator[bytes]:
        """The text of each chunk up to where the log ends by then."""
        while True:
            while chunk := self._files.read(_CHUNK_BYTES):
                self._grew_at = time.monotonic()
                yield self._text.add(chunk)
            if not self._files.look_on():
                return

    def is_out_of_patience(self) -> bool:
        return self.holds and time.monotonic() - self._grew_at >= _PATIENCE_S

    def release(self) -> bytes:
        return self._text.release()
