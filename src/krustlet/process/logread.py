"""Read a log as somebody asked for it: once, or for as long as the container writes.

Owns the open file of one reader. Leaves the meaning of entries to `logtext.py`, where to begin to
`logtail.py`, and hearing of changes to `logwatch.py`. Reads in the event loop, as what was written
lately is in memory, in steps so small that others have their turn.
"""

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncGenerator, Iterator
from io import FileIO
from pathlib import Path
from typing import Final, Self, TypeAlias

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
    with _Reader(path, options) as reader:
        if not await reader.begin():
            return
        for piece in reader.pieces(until=reader.size()):  # later words are not asked for
            if piece:
                yield piece
            await asyncio.sleep(0)
        if piece := reader.release():
            yield piece


async def _follow(path: Path, options: LogOptions, ended: asyncio.Event) -> Pieces:
    path.parent.mkdir(parents=True, exist_ok=True)
    async with following(path.parent, ended=ended) as changes:
        with _Reader(path, options) as reader:
            while True:
                over = ended.is_set()  # asked before reading: what came until then is read below
                if await reader.begin():
                    for piece in reader.pieces():
                        if piece:
                            yield piece
                        await asyncio.sleep(0)
                if (over or reader.is_out_of_patience()) and (piece := reader.release()):
                    yield piece
                if over:
                    return
                await changes.wait(at_most_s=_PATIENCE_S if reader.holds else None)


class _Reader:
    """The open file, and what of it has been read."""

    def __init__(self, path: Path, options: LogOptions) -> None:
        self._path = path
        self._options = options
        self._file: FileIO | None = None
        self._text = LogText(options)
        self._grew_at = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()

    @property
    def holds(self) -> bool:
        """Whether something is held back until another stream's line has ended."""
        return self._text.holds

    async def begin(self) -> bool:
        """Open the file and stand where the wanted part begins; whether there is a file."""
        if self._file is None:
            try:
                self._file = self._path.open("rb", buffering=0)
            except FileNotFoundError:
                return False
            if (lines := self._options.tail_lines) is not None:
                place = await find_tail(self._file, self.size(), lines)
                self._file.seek(place.offset)
                self._text = LogText(self._options, skip_lines=place.skip_lines)
        return True

    def size(self) -> int:
        assert self._file is not None  # `begin` said so
        return os.fstat(self._file.fileno()).st_size

    def pieces(self, *, until: int | None = None) -> Iterator[bytes]:
        """The text of each chunk, empty where nothing of it is wanted, up to where the file ends
        by then, or up to `until`."""
        assert self._file is not None
        while True:
            room = _CHUNK_BYTES if until is None else min(_CHUNK_BYTES, until - self._file.tell())
            if not (chunk := self._file.read(max(room, 0))):
                return
            self._grew_at = time.monotonic()
            yield self._text.add(chunk)

    def is_out_of_patience(self) -> bool:
        return self.holds and time.monotonic() - self._grew_at >= _PATIENCE_S

    def release(self) -> bytes:
        return self._text.release()
