"""Read the log files that the pump writes, while it still writes them.

Source: the CRI log format, `<RFC 3339 time> stdout|stderr F|P <text>`, one entry a line.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Final

import msgspec

from krustlet.process.logfiles import LogFiles
from krustlet.process.logwatch import following

_CHUNK_BYTES: Final = 256 * 1024
_FULL: Final = b"F"
_TAGS: Final = (_FULL, b"P")
_STREAMS: Final = {b"stdout": "stdout", b"stderr": "stderr"}


class LogEntry(msgspec.Struct, frozen=True):
    """A line, or a piece of one.

    Attributes:
        time: as written, RFC 3339 with nine digits.
        stream: `stdout` or `stderr`.
        text: with its newline, unless the line goes on in the stream's next entry.
    """

    time: bytes
    stream: str
    text: bytes


def parse_entry(line: bytes) -> LogEntry:
    """One line of a log file, without its newline.

    Raises:
        ValueError: it is not of the format.
    """
    time, stream, tag, text = line.split(b" ", 3)
    if stream not in _STREAMS or tag not in _TAGS:
        raise ValueError(f"no entry of a log: {line[:80]!r}")
    return LogEntry(time, _STREAMS[stream], text + b"\n" if tag == _FULL else text)


async def follow_log(path: Path, *, ended: asyncio.Event) -> AsyncIterator[list[LogEntry]]:
    """The log's entries as they are written, until `ended` is set and all were read.

    They begin with the oldest that is kept, and go on in each file that the log is begun anew in.

    What a log pump tore when it was killed, or the disk was full, is left out.

    Args:
        path: need not exist yet; its directory is made.
        ended: set once nothing more will be written.

    Raises:
        OSError: it cannot be read.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    async with following(path.parent, ended=ended) as changes:
        with LogFiles(path) as files:
            begun = b""
            while True:
                over = ended.is_set()  # asked before reading: what came until then is read below
                for chunk in _new_chunks(files):
                    *lines, begun = (begun + chunk).split(b"\n")
                    if entries := list(_entries(lines)):
                        yield entries
                if over:
                    return
                await changes.wait()


def _new_chunks(files: LogFiles) -> Iterator[bytes]:
    if not files.open():
        return
    while True:
        while chunk := files.read(_CHUNK_BYTES):
            yield chunk
        if not files.look_on():
            return


def _entries(lines: list[bytes]) -> Iterator[LogEntry]:
    for line in lines:
        with contextlib.suppress(ValueError):  # torn
            yield parse_entry(line)
