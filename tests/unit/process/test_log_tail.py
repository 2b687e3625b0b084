"""Where the last lines of a log begin."""

import asyncio
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from krustlet.process import logtail
from krustlet.process.logread import read_log
from krustlet.process.logtext import LogOptions
from tests.unit.process.test_log_text import a_log, an_entry, entries_of_two_streams


async def tail(path: Path, lines: int | None) -> bytes:
    options = LogOptions(tail_lines=lines)
    return b"".join([piece async for piece in read_log(path, options)])


def lines_of(text: bytes) -> list[bytes]:
    return text.splitlines(keepends=True)


@given(entries=entries_of_two_streams, lines=st.integers(0, 12))
def test_the_last_lines_are_the_end_of_the_whole(
    tmp_path_factory: pytest.TempPathFactory, entries: list[tuple[str, str, str]], lines: int
) -> None:
    path = tmp_path_factory.mktemp("log") / "0.log"
    path.write_bytes(a_log([(stream, tag, f"{text}.") for stream, tag, text in entries]))
    whole = lines_of(asyncio.run(tail(path, None)))
    assert asyncio.run(tail(path, lines)) == b"".join(whole[len(whole) - min(lines, len(whole)) :])


@pytest.mark.parametrize("block", [41, 64, 100, 1000])
async def test_blocks_may_be_cut_anywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: int
) -> None:
    monkeypatch.setattr(logtail, "_BLOCK_BYTES", block)
    path = tmp_path / "0.log"
    path.write_bytes(b"".join(an_entry("x" * n) for n in range(40)))
    for lines in (1, 2, 7, 39, 40, 41, 10_000):
        expected = b"".join(b"x" * n + b"\n" for n in range(max(40 - lines, 0), 40))
        assert await tail(path, lines) == expected


@pytest.mark.parametrize("block", [41, 64, 150, 1000])
async def test_a_line_in_pieces_is_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: int
) -> None:
    monkeypatch.setattr(logtail, "_BLOCK_BYTES", block)
    path = tmp_path / "0.log"
    pieces = b"".join(an_entry(piece, tag="P") for piece in "abcd")
    path.write_bytes((pieces + an_entry("e")) * 3)
    assert await tail(path, 1) == b"abcde\n"
    assert await tail(path, 2) == b"abcde\n" * 2
    assert await tail(path, 3) == b"abcde\n" * 3


async def test_an_entry_that_is_being_written_is_not_shown(tmp_path: Path) -> None:
    path = tmp_path / "0.log"
    path.write_bytes(an_entry("a") + an_entry("b") + an_entry("c")[:-3])
    assert await tail(path, 1) == b"b\n"


async def test_of_a_huge_log_only_the_end_is_read(tmp_path: Path) -> None:
    path = tmp_path / "0.log"
    with path.open("wb") as file:
        file.seek(50 * 2**30)  # a hole, which would take a minute to read
        file.write(b"\n" + an_entry("last") * 5)
    async with asyncio.timeout(30):
        assert await tail(path, 3) == b"last\n" * 3
