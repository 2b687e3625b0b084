"""Find where the last lines of a log begin, reading it from its end and no more than it takes."""

import asyncio
from collections.abc import Sequence
from typing import Final, NamedTuple

from krustlet.process.logfiles import LogFiles

_BLOCK_BYTES: Final = 64 * 1024


class Place(NamedTuple):
    """Where to begin reading, and how many lines to leave out from there on.

    There are some to leave out where the wanted ones begin while a line of the other stream is
    unfinished: reading begins before that, so that neither is torn apart.
    """

    offset: int
    skip_lines: int


async def find_tail(files: LogFiles, size: int, lines: int) -> Place:
    """The place that `lines` lines follow up to `size`, or the beginning where there are fewer.

    A line ends with its last piece, or with its stream. What is torn is no line.
    """
    if lines == 0:
        return Place(size, 0)
    wanted, end, rest, is_last = lines, size, b"", True
    while end > 0:
        start = max(end - _BLOCK_BYTES, 0)
        block = files.pread(end - start, start) + rest
        begin = 0 if start == 0 else block.find(b"\n") + 1  # of the first entry that is all here
        entries = block[begin:].split(b"\n")[:-1]
        total = _count(block, entries, is_last=is_last)
        # Just enough is not enough: the first of them may have begun further up.
        if total > wanted or start == 0:
            index, skip_lines = _begin_of(entries, wanted, is_last=is_last)
            return Place(start + begin + sum(len(e) + 1 for e in entries[:index]), skip_lines)
        wanted -= total
        rest, end, is_last = block[:begin], start, False
        await asyncio.sleep(0)
    return Place(0, 0)


def _count(block: bytes, entries: Sequence[bytes], *, is_last: bool) -> int:
    """How many lines end among `entries`."""
    if b" P " not in block:
        return len(entries)
    return _scan(entries, is_last=is_last)[1]


def _begin_of(entries: Sequence[bytes], wanted: int, *, is_last: bool) -> tuple[int, int]:
    """The entry to begin with for `wanted` lines, and how many lines too many these are."""
    clean, total = _scan(entries, is_last=is_last)
    index, before = next(
        (place for place in reversed(clean) if total - place[1] >= wanted), clean[0]
    )
    return index, max(total - before - wanted, 0)


def _scan(entries: Sequence[bytes], *, is_last: bool) -> tuple[list[tuple[int, int]], int]:
    """The places where no line is unfinished, each with how many have ended before; and how many
    end in all. The last lines of a log end with it."""
    unfinished: set[bytes] = set()
    clean, ended = [(0, 0)], 0
    for number, entry in enumerate(entries, start=1):
        stream, tag = [*entry.split(b" ", 3), b"", b"", b""][1:3]
        if tag == b"F":
            unfinished.discard(stream)
            ended += 1
        elif tag == b"P":
            unfinished.add(stream)
        if not unfinished:
            clean.append((number, ended))
    return clean, ended + len(unfinished) * is_last
