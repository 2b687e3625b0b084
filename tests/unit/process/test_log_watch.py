"""Following logs: shared watches, and looking now and then where there are none."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from krustlet.process import LogOptions, follow_log, logwatch, read_log
from tests.unit.process.test_log_text import an_entry

LIMIT_S = 10
EVERYTHING = LogOptions()


class Follower:
    """Reads a log while it is written."""

    def __init__(self, path: Path, options: LogOptions) -> None:
        self.text = b""
        self.ended = asyncio.Event()
        self._came = asyncio.Event()
        self._pieces = read_log(path, options, ended=self.ended)

    async def run(self) -> None:
        async for piece in self._pieces:
            self.text += piece
            self._came.set()

    async def until(self, text: bytes) -> None:
        async with asyncio.timeout(LIMIT_S):
            while self.text != text:
                self._came.clear()
                await self._came.wait()


@asynccontextmanager
async def following(path: Path, options: LogOptions = EVERYTHING) -> AsyncIterator[Follower]:
    follower = Follower(path, options)
    async with asyncio.timeout(LIMIT_S), asyncio.TaskGroup() as group:
        task = group.create_task(follower.run())
        yield follower
        follower.ended.set()
        await task


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(LIMIT_S):
        while not condition():  # noqa: ASYNC110 - it is of the file system, which tells nobody
            await asyncio.sleep(0.005)


def inotifies() -> int:
    found = 0
    for number in os.listdir("/proc/self/fd"):
        with contextlib.suppress(FileNotFoundError):  # the one of listing them
            found += os.readlink(f"/proc/self/fd/{number}") == "anon_inode:inotify"
    return found


@pytest.fixture
def without_inotify(monkeypatch: pytest.MonkeyPatch) -> None:
    def exhausted(**_: object) -> None:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(logwatch, "Inotify", exhausted)


def append(path: Path, text: str, **entry: str) -> None:
    with path.open("ab") as file:
        file.write(an_entry(text, **entry))  # type: ignore[arg-type]  # its `at` is not used here


async def test_what_is_written_is_shown_at_once(tmp_path: Path) -> None:
    path = tmp_path / "0.log"
    async with following(path) as follower:
        for number in range(5):
            append(path, str(number))
            await follower.until(b"".join(b"%d\n" % n for n in range(number + 1)))


async def test_the_directory_is_made_if_need_be(tmp_path: Path) -> None:
    path = tmp_path / "pod" / "app" / "0.log"
    async with following(path) as follower:
        await until(lambda: path.parent.is_dir())
        append(path, "a")
        await follower.until(b"a\n")


async def test_hundreds_follow_with_one_inotify(tmp_path: Path) -> None:
    """There are but 128 for a user."""
    paths = [tmp_path / str(number) / "0.log" for number in range(200)]
    ended = [asyncio.Event() for _ in paths]
    found: list[bytes] = [b""] * len(paths)

    async def follow(number: int) -> None:
        async for entries in follow_log(paths[number], ended=ended[number]):
            found[number] += b"".join(entry.text for entry in entries)

    async with asyncio.timeout(LIMIT_S), asyncio.TaskGroup() as group:
        for number in range(len(paths)):
            group.create_task(follow(number))
        await until(lambda: all(path.parent.is_dir() for path in paths))
        assert inotifies() == 1
        for number, path in enumerate(paths):
            append(path, str(number))
        await until(lambda: all(found))
        for event in ended:
            event.set()
    assert found == [b"%d\n" % number for number in range(len(paths))]
    assert inotifies() == 0


async def test_followers_of_one_log_do_not_disturb_each_other(tmp_path: Path) -> None:
    path = tmp_path / "0.log"
    async with following(path) as stays:
        async with following(path) as goes:
            append(path, "a")
            await stays.until(b"a\n")
            await goes.until(b"a\n")
        append(path, "b")
        await stays.until(b"a\nb\n")
    assert goes.text == b"a\n"


async def test_without_inotify_logs_are_looked_at_now_and_then(
    tmp_path: Path, without_inotify: None
) -> None:
    path = tmp_path / "0.log"
    async with following(path) as follower:
        append(path, "a")
        await follower.until(b"a\n")
        append(path, "b")
        await follower.until(b"a\nb\n")
        assert inotifies() == 0


async def test_a_directory_that_comes_back_is_followed_again(tmp_path: Path) -> None:
    path = tmp_path / "app" / "0.log"
    async with following(path) as follower:
        await until(lambda: path.parent.is_dir())
        path.parent.rmdir()
        await asyncio.sleep(0.1)
        path.parent.mkdir()
        append(path, "a")
        await follower.until(b"a\n")


async def test_a_flood_elsewhere_does_not_delay_anybody(tmp_path: Path) -> None:
    chatty, quiet = tmp_path / "chatty" / "0.log", tmp_path / "quiet" / "0.log"
    async with following(chatty), following(quiet) as follower:
        await until(lambda: chatty.parent.is_dir() and quiet.parent.is_dir())
        with (
            chatty.open("ab", buffering=0) as file,
            chatty.with_name("1.log").open("ab", buffering=0) as other,
        ):
            for _ in range(20_000):  # in turn, so that the kernel merges none: more than it keeps
                file.write(b"\n")
                other.write(b"\n")
        append(quiet, "a")
        await follower.until(b"a\n")


async def test_only_so_many_bytes_though_more_may_come(tmp_path: Path) -> None:
    path = tmp_path / "0.log"
    append(path, "abc")
    async with following(path, LogOptions(limit_bytes=6)) as follower:
        await follower.until(b"abc\n")
        append(path, "defg")
        await follower.until(b"abc\nde")
        append(path, "h")
    assert follower.text == b"abc\nde"


async def test_after_the_last_lines_what_comes_is_shown(tmp_path: Path) -> None:
    path = tmp_path / "0.log"
    for number in range(5):
        append(path, str(number))
    async with following(path, LogOptions(tail_lines=2)) as follower:
        await follower.until(b"3\n4\n")
        append(path, "5")
        await follower.until(b"3\n4\n5\n")


async def test_a_line_that_does_not_end_holds_up_the_other_stream_for_a_second(
    tmp_path: Path,
) -> None:
    path = tmp_path / "0.log"
    append(path, "begun", tag="P")
    append(path, "error", stream="stderr")
    async with following(path) as follower:
        await follower.until(b"begun")
        await follower.until(b"begun\nerror\n")


async def test_without_following_only_what_was_there_is_shown(tmp_path: Path) -> None:
    path = tmp_path / "0.log"
    append(path, "x" * 100_000)
    shown = b""
    async for piece in read_log(path, LogOptions()):
        shown += piece
        append(path, "later")
    assert shown == b"x" * 100_000 + b"\n"


async def test_a_log_that_is_not_there_is_empty(tmp_path: Path) -> None:
    assert [piece async for piece in read_log(tmp_path / "0.log", LogOptions())] == []
