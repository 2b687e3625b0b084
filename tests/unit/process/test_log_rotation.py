"""A log is begun anew when it has grown enough; who reads it notices nothing."""

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from krustlet.process import (
    LogEntry,
    follow_log,
    has_log,
    logfiles,
    lognames,
    logwriter,
    read_log,
    remove_log,
)
from krustlet.process.logfiles import LogFiles
from krustlet.process.logtext import LogOptions
from krustlet.process.logwriter import Log
from tests.unit.process.test_log_text import AT_20_NS, an_entry

ENTRY_BYTES = len(an_entry("000"))
PLENTY = 10_000


def a_log(path: Path, *, entries: int = 2, files: int = PLENTY) -> Log:
    """A log that is begun anew after so many entries."""
    return Log("a", str(path), max_bytes=entries * ENTRY_BYTES, max_files=files)


def numbered(first: int, after: int) -> list[bytes]:
    return [an_entry(f"{number:03}") for number in range(first, after)]


def files_of(path: Path) -> list[str]:
    """The names of a log's files, the one that is written last."""
    names = sorted(os.listdir(path.parent))
    return [*names[1:], names[0]]


def texts(first: int, after: int) -> bytes:
    return b"".join(b"%03d\n" % number for number in range(first, after))


async def read(path: Path, **options: Any) -> bytes:
    return b"".join([piece async for piece in read_log(path, LogOptions(**options))])


def write(log: Log, first: int, after: int) -> None:
    for entry in numbered(first, after):
        log.write(entry)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "0.log"


# written ------------------------------------------------------------------------------------------


def test_it_is_begun_anew_between_what_is_written_at_once(path: Path) -> None:
    log = a_log(path)
    log.write(b"".join(numbered(0, 5)))
    log.write(b"".join(numbered(5, 6)))
    log.close()
    contents = [(path.parent / name).read_bytes() for name in files_of(path)]
    assert contents == [b"".join(numbered(0, 5)), b"".join(numbered(5, 6))]


def test_so_many_files_are_kept_and_no_more(path: Path) -> None:
    log = a_log(path, files=3)
    write(log, 0, 11)
    log.close()
    contents = [(path.parent / name).read_bytes() for name in files_of(path)]
    assert contents == [b"".join(numbered(n, min(n + 2, 11))) for n in (6, 8, 10)]


@pytest.mark.parametrize("files", [1, 0, -1])
def test_of_one_that_keeps_none_the_latest_is_there(path: Path, files: int) -> None:
    log = a_log(path, files=files)
    write(log, 0, 5)
    log.close()
    assert os.listdir(path.parent) == ["0.log"]
    assert path.read_bytes() == b"".join(numbered(4, 5))


@pytest.mark.parametrize("most", [0, -1])
def test_without_a_limit_it_is_one_file(path: Path, most: int) -> None:
    log = Log("a", str(path), max_bytes=most, max_files=2)
    write(log, 0, 100)
    log.close()
    assert os.listdir(path.parent) == ["0.log"]


def test_what_is_no_file_has_no_size(path: Path) -> None:
    path.symlink_to("/dev/null")
    log = a_log(path)
    write(log, 0, 10)
    log.close()
    assert path.is_symlink()
    assert os.listdir(path.parent) == ["0.log"]


def test_the_next_pump_goes_on_counting(path: Path) -> None:
    for number in range(4):
        log = a_log(path)
        write(log, number, number + 1)
        log.close()
    assert len(os.listdir(path.parent)) == 3
    assert path.read_bytes() == b""


async def test_a_pump_that_was_killed_while_there_was_no_file(path: Path) -> None:
    log = a_log(path)
    write(log, 0, 1)
    log.close()
    path.rename(f"{path}.20231114-221320")
    assert has_log(path)
    assert await read(path) == texts(0, 1)
    log = a_log(path)
    write(log, 1, 2)
    log.close()
    assert await read(path) == texts(0, 2)


def test_a_pump_that_was_killed_before_it_removed_the_oldest(path: Path) -> None:
    for number in range(3):
        (path.parent / f"0.log.20231114-22132{number}").write_bytes(an_entry("000"))
    log = a_log(path, files=3)
    write(log, 0, 2)
    log.close()
    assert len(os.listdir(path.parent)) == 3
    assert not (path.parent / "0.log.20231114-221321").exists()


def test_where_no_other_file_can_be_had_it_goes_on_in_this_one(
    path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    log = a_log(path)
    with monkeypatch.context() as patched:
        patched.setattr(logwriter, "_FLAGS", os.O_RDWR | os.O_DIRECTORY | os.O_CREAT)
        write(log, 0, 3)
        assert os.listdir(path.parent) == ["0.log"]
        assert capfd.readouterr().err.count("not begun anew") == 1
    write(log, 3, 5)
    log.close()
    contents = [(path.parent / name).read_bytes() for name in files_of(path)]
    assert contents == [b"".join(numbered(0, 4)), b"".join(numbered(4, 5))]


def test_a_file_that_was_taken_away_is_made_again(path: Path) -> None:
    log = a_log(path)
    write(log, 0, 1)
    path.unlink()
    write(log, 1, 3)
    log.close()
    assert os.listdir(path.parent) == ["0.log"]
    assert path.read_bytes() == b"".join(numbered(2, 3))


# what is lost -------------------------------------------------------------------------------------


def test_what_is_lost_is_told_once_it_can_be(path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path.mkdir()
    log = a_log(path)
    write(log, 0, 3)
    path.rmdir()
    write(log, 3, 4)
    log.close()
    written = (path.parent / files_of(path)[0]).read_bytes()
    lost = f"{3 * ENTRY_BYTES} bytes of this log could not be written: Is a directory\n"
    assert written.endswith(b" stderr F krustlet: " + lost.encode() + an_entry("003"))
    said = capfd.readouterr().err
    assert said.count("loses lines") == said.count("is written again") == 1


def test_what_is_lost_for_good_is_told_to_the_operator(
    path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path.mkdir()
    log = a_log(path)
    write(log, 0, 3)
    log.close()
    assert f"lacks {3 * ENTRY_BYTES} bytes for good" in capfd.readouterr().err


def test_what_is_lost_at_the_very_end_is_told_if_it_can_be(path: Path) -> None:
    path.mkdir()
    log = a_log(path, entries=100)
    write(log, 0, 1)
    path.rmdir()
    log.close()
    assert b"could not be written" in path.read_bytes()


# read ---------------------------------------------------------------------------------------------


async def test_it_is_read_from_the_oldest_that_is_kept(path: Path) -> None:
    log = a_log(path, files=3)
    write(log, 0, 11)
    log.close()
    assert await read(path) == texts(6, 11)


@pytest.mark.parametrize("lines", [0, 1, 2, 3, 4, 10, 11, 12])
async def test_the_last_lines_may_be_in_several_files(path: Path, lines: int) -> None:
    log = a_log(path)
    write(log, 0, 11)
    log.close()
    assert await read(path, tail_lines=lines) == texts(11 - min(lines, 11), 11)


async def test_a_line_may_begin_in_one_file_and_end_in_another(path: Path) -> None:
    log = a_log(path, entries=1)
    for text, tag in (("aaa", "F"), ("bbb", "P"), ("ccc", "P"), ("ddd", "F"), ("eee", "F")):
        log.write(an_entry(text, tag=tag))
    log.close()
    assert await read(path) == b"aaa\nbbbcccddd\neee\n"
    assert await read(path, tail_lines=2) == b"bbbcccddd\neee\n"


async def test_files_that_are_too_old_are_not_read(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = a_log(path)
    write(log, 0, 5)
    log.close()
    old, *_ = files_of(path)
    (path.parent / old).write_bytes(an_entry("not read", at=59))
    os.utime(path.parent / old, ns=(0, 0))
    assert await read(path, since_ns=AT_20_NS) == texts(2, 5)


async def test_what_is_begun_anew_while_it_is_read_is_read_to_its_end(path: Path) -> None:
    log = a_log(path, entries=100, files=2)
    write(log, 0, 99)
    pieces = read_log(path, LogOptions())
    first = await anext(pieces)
    write(log, 99, 500)
    rest = b"".join([piece async for piece in pieces])
    log.close()
    assert first + rest == texts(0, 99)


def test_it_is_removed_with_all_that_was_done_with(path: Path) -> None:
    log = a_log(path)
    write(log, 0, 11)
    log.close()
    (path.parent / "1.log").touch()
    remove_log(path)
    assert os.listdir(path.parent) == ["1.log"]
    assert not has_log(path)
    remove_log(path)


def test_of_what_never_was_nothing_is_there(tmp_path: Path) -> None:
    assert not has_log(tmp_path / "no" / "0.log")
    remove_log(tmp_path / "no" / "0.log")


# followed -----------------------------------------------------------------------------------------


class Reader:
    """Somebody who reads on now and then."""

    def __init__(self, path: Path) -> None:
        self.files = LogFiles(path)
        self.found = b""

    def read_on(self) -> None:
        if not self.files.open():
            return
        while True:
            while chunk := self.files.read(7):
                self.found += chunk
            if not self.files.look_on():
                return


@given(
    steps=st.lists(st.integers(0, 9), max_size=12),
    entries=st.integers(1, 5),
)
def test_who_follows_finds_everything_once(
    tmp_path_factory: pytest.TempPathFactory, steps: list[int], entries: int
) -> None:
    """However much was written between two looks."""
    path = tmp_path_factory.mktemp("log") / "0.log"
    reader = Reader(path)
    reader.read_on()
    log = a_log(path, entries=entries)
    done = 0
    for step in steps:
        write(log, done, done + step)
        done += step
        reader.read_on()
    log.close()
    reader.read_on()
    reader.files.__exit__()
    assert reader.found == b"".join(numbered(0, done))


def test_who_follows_reads_what_is_removed_before_he_comes_to_it(path: Path) -> None:
    """As long as he has seen it."""
    log = a_log(path, files=3)
    write(log, 0, 5)
    reader = Reader(path)
    assert reader.files.open()
    write(log, 5, 7)
    reader.read_on()
    log.close()
    reader.files.__exit__()
    assert reader.found == b"".join(numbered(0, 7))


def test_who_is_too_slow_goes_on_with_the_oldest_that_is_kept(path: Path) -> None:
    log = a_log(path, files=3)
    write(log, 0, 1)
    reader = Reader(path)
    reader.read_on()
    write(log, 1, 21)
    reader.read_on()
    log.close()
    reader.files.__exit__()
    assert reader.found == b"".join(numbered(0, 2) + numbered(16, 21))


@pytest.mark.parametrize("has_begun", [True, False])
@pytest.mark.parametrize("meanwhile", [1, 2, 5, 9])
def test_it_may_be_begun_anew_while_somebody_looks(
    path: Path, monkeypatch: pytest.MonkeyPatch, meanwhile: int, has_begun: bool
) -> None:
    log = a_log(path)
    write(log, 0, 5)
    reader = Reader(path)
    if has_begun:
        reader.read_on()
    write(log, 5, 7)
    look, written = lognames.rotated, 7

    def look_late(name: str) -> list[str]:
        nonlocal written
        if written < 30:
            write(log, written, written + meanwhile)
            written += meanwhile
        found = look(name)
        if written < 30:
            write(log, written, written + meanwhile)
            written += meanwhile
        return found

    monkeypatch.setattr(logfiles, "rotated", look_late)
    reader.read_on()
    log.close()
    reader.read_on()
    reader.files.__exit__()
    assert reader.found == b"".join(numbered(0, written))


def test_all_may_be_removed_while_somebody_looks(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What he has opened already, too: he sees what there is then, in its order."""
    log = a_log(path, files=3)
    write(log, 0, 5)
    look = lognames.rotated

    def look_late(name: str) -> list[str]:
        monkeypatch.setattr(logfiles, "rotated", look)
        write(log, 5, 21)
        return look(name)

    monkeypatch.setattr(logfiles, "rotated", look_late)
    reader = Reader(path)
    reader.read_on()
    log.close()
    reader.files.__exit__()
    assert reader.found == b"".join(numbered(16, 21))


async def test_entries_are_followed_from_file_to_file(path: Path) -> None:
    log = a_log(path)
    found, ended = list[LogEntry](), asyncio.Event()

    async def follow() -> None:
        async for entries in follow_log(path, ended=ended):
            found.extend(entries)

    following = asyncio.create_task(follow())
    for number in range(0, 60, 3):
        write(log, number, number + 3)
        await asyncio.sleep(0.001)
    log.close()
    ended.set()
    await asyncio.wait_for(following, 60)
    assert b"".join(entry.text for entry in found) == texts(0, 60)


async def test_text_is_followed_from_file_to_file_and_from_the_line_that_was_asked_for(
    path: Path,
) -> None:
    log = a_log(path)
    write(log, 0, 9)
    ended, found = asyncio.Event(), list[bytes]()

    async def follow() -> None:
        async for piece in read_log(path, LogOptions(tail_lines=4), ended=ended):
            found.append(piece)

    following = asyncio.create_task(follow())
    for number in range(9, 60, 3):
        await asyncio.sleep(0.001)
        write(log, number, number + 3)
    log.close()
    ended.set()
    await asyncio.wait_for(following, 60)
    assert b"".join(found) == texts(5, 60)
