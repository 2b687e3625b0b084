"""What containers print ends up in their logs: all of it, and before their end is told."""

import asyncio
import os
import re
import signal
import stat
from pathlib import Path

import pytest

from krustlet.process import LogEntry, follow_log
from krustlet.process.logwriter import Log
from tests.support.supervised import LIMIT_S, Supervised
from tests.support.until import until, until_not

LINE = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z (stdout|stderr) [FP] [^\n]*\n")
LONGEST = 16 * 1024
COUNTS = """
import os
lines = [b"%d %s\\n" % (number, b"x" * (number % 60)) for number in range(COUNT)]
for stream in STREAMS:
    for start in range(0, COUNT, 500):
        output = b"".join(lines[start:start + 500])
        while output:
            output = output[os.write(stream, output):]
"""
WAITS_TO_GO_ON = """
import os, time
while not os.path.exists(GATE): time.sleep(0.005)
"""


def counting(count: int, *streams: int) -> str:
    return COUNTS.replace("COUNT", str(count)).replace("STREAMS", str(streams))


def counted(count: int) -> bytes:
    return b"".join(b"%d %s\n" % (number, b"x" * (number % 60)) for number in range(count))


async def test_the_format_is_the_cris(supervised: Supervised) -> None:
    prints = "import os; os.write(1, b'out\\n'); os.write(2, b'err\\n'); os.write(1, b'begun')"
    await supervised.script(prints, id_="a")
    await supervised.end("a")
    lines = supervised.log("a").read_bytes().splitlines(keepends=True)
    assert all(LINE.fullmatch(line) for line in lines)
    said = sorted(line.split(b" ", 1)[1] for line in lines)
    assert said == [b"stderr F err\n", b"stdout F out\n", b"stdout P begun\n"]


async def test_who_prints_nothing_has_an_empty_log(supervised: Supervised) -> None:
    await supervised.toy(id_="a")
    await supervised.end("a")
    assert supervised.log("a").read_bytes() == b""


async def test_others_may_collect_logs(supervised: Supervised) -> None:
    await supervised.toy(id_="a")
    await supervised.end("a")
    assert stat.S_IMODE(supervised.log("a").stat().st_mode) == 0o640
    assert stat.S_IMODE(supervised.log("a").parent.stat().st_mode) == 0o755


async def test_a_long_line_and_one_in_pieces(supervised: Supervised) -> None:
    prints = f"""
import os, time
os.write(1, b"x" * {LONGEST * 2 + 5} + b"\\n")
for piece in (b"in ", b"pie", b"ces\\n"):
    os.write(1, piece)
    time.sleep(0.05)
"""
    await supervised.script(prints, id_="a")
    await supervised.end("a")
    lengths = [len(entry.text) for entry in supervised.entries("a")]
    assert lengths == [LONGEST, LONGEST, 6, 10]
    assert supervised.printed("a") == b"x" * (LONGEST * 2 + 5) + b"\nin pieces\n"


async def test_no_line_of_many_is_lost(supervised: Supervised) -> None:
    await supervised.script(counting(100_000, 1), id_="a")
    await supervised.script(counting(100_000, 2), id_="b")
    await supervised.end("a")
    await supervised.end("b")
    assert supervised.printed("a") == counted(100_000)
    assert supervised.printed("b", "stderr") == counted(100_000)


async def test_each_stream_keeps_its_order(supervised: Supervised) -> None:
    await supervised.script(counting(5_000, 1, 2), id_="a")
    await supervised.end("a")
    assert supervised.printed("a") == supervised.printed("a", "stderr") == counted(5_000)


async def test_the_end_is_told_after_the_log_is_complete(supervised: Supervised) -> None:
    for number in range(20):
        id_ = f"c{number}"
        await supervised.toy(prints="x" * 60_000 + "\n", id_=id_)
        await supervised.end(id_)
        assert len(supervised.printed(id_)) == 60_001


# followed -----------------------------------------------------------------------------------------


async def follow(path: Path, ended: asyncio.Event, found: list[LogEntry]) -> None:
    async for entries in follow_log(path, ended=ended):
        found += entries


async def test_a_log_is_followed_from_before_its_beginning_to_its_end(
    supervised: Supervised,
) -> None:
    ended, found = asyncio.Event(), list[LogEntry]()
    following = asyncio.create_task(follow(supervised.log("a"), ended, found))
    await asyncio.sleep(0.05)  # nothing is there to be read
    await supervised.script(counting(20_000, 1), id_="a")
    await supervised.end("a")
    ended.set()
    await asyncio.wait_for(following, LIMIT_S)
    assert b"".join(entry.text for entry in found) == counted(20_000)


async def test_what_is_printed_is_followed_at_once(supervised: Supervised, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    prints = "import os; os.write(1, b'first\\n')" + WAITS_TO_GO_ON.replace("GATE", repr(str(gate)))
    ended, found = asyncio.Event(), list[LogEntry]()
    following = asyncio.create_task(follow(supervised.log("a"), ended, found))
    await supervised.script(prints + "os.write(1, b'second\\n')", id_="a")
    await asyncio.to_thread(until, lambda: len(found) == 1)
    gate.touch()
    await asyncio.to_thread(until, lambda: len(found) == 2)
    await supervised.end("a")
    ended.set()
    await asyncio.wait_for(following, LIMIT_S)
    assert [entry.text for entry in found] == [b"first\n", b"second\n"]


async def test_a_log_of_long_ago_is_read_to_its_end(supervised: Supervised) -> None:
    await supervised.toy(prints="a\nb\n", id_="a")
    await supervised.end("a")
    ended, found = asyncio.Event(), list[LogEntry]()
    ended.set()
    await follow(supervised.log("a"), ended, found)
    assert [entry.text for entry in found] == [b"a\n", b"b\n"]


async def test_a_log_that_never_was_has_no_entries(tmp_path: Path) -> None:
    ended, found = asyncio.Event(), list[LogEntry]()
    ended.set()
    await follow(tmp_path / "no" / "such.log", ended, found)
    assert found == []


async def test_torn_lines_are_left_out(tmp_path: Path) -> None:
    log = tmp_path / "0.log"
    whole = b"2023-11-14T22:13:20.000000001Z stdout F %s\n"
    log.write_bytes(whole % b"a" + b"2023-11-14T22:13\n\n" + whole % b"b" + b"2023-11-14T2")
    ended, found = asyncio.Event(), list[LogEntry]()
    ended.set()
    await follow(log, ended, found)
    assert [entry.text for entry in found] == [b"a\n", b"b\n"]


async def test_nobody_who_stops_following_leaves_a_watch(tmp_path: Path) -> None:
    before = os.listdir("/proc/self/fd")
    for _ in range(3):
        following = asyncio.create_task(follow(tmp_path / "0.log", asyncio.Event(), []))
        await asyncio.sleep(0.02)
        following.cancel()
        with pytest.raises(asyncio.CancelledError):
            await following
    assert len(os.listdir("/proc/self/fd")) == len(before)


def a_log(directory: Path) -> Log:
    return Log("a", str(directory / "log"), max_bytes=0, max_files=5)


# where nothing can be written ---------------------------------------------------------------------


async def test_a_directory_in_place_of_the_log_stops_nobody(supervised: Supervised) -> None:
    supervised.log("a").mkdir(parents=True)
    await supervised.script(counting(10_000, 1, 2), id_="a")  # more than a pipe holds
    assert (await supervised.end("a")).code == 0
    assert "the log of a loses lines" in supervised.settings.log.read_text()
    await supervised.toy(prints="x\n", id_="b")
    await supervised.end("b")
    assert supervised.printed("b") == b"x\n"


async def test_a_file_in_place_of_the_directory_stops_nobody(supervised: Supervised) -> None:
    supervised.log("a").parent.parent.write_text("")
    await supervised.script(counting(10_000, 1, 2), id_="a")
    assert (await supervised.end("a")).code == 0


async def test_a_full_disk_stops_nobody(supervised: Supervised) -> None:
    supervised.log("a").parent.mkdir(parents=True)
    supervised.log("a").symlink_to("/dev/full")
    await supervised.script(counting(10_000, 1, 2), id_="a")
    assert (await supervised.end("a")).code == 0


async def test_a_log_begins_as_soon_as_it_can(supervised: Supervised, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    supervised.log("a").mkdir(parents=True)
    prints = "import os; os.write(1, b'first\\n')" + WAITS_TO_GO_ON.replace("GATE", repr(str(gate)))
    await supervised.script(prints + "os.write(1, b'second\\n')", id_="a")
    await asyncio.to_thread(_until_noted, supervised)
    supervised.log("a").rmdir()
    gate.touch()
    await supervised.end("a")
    assert supervised.printed("a").endswith(b"second\n")


def _until_noted(supervised: Supervised) -> None:
    until_not(lambda: "loses lines" not in supervised.settings.log.read_text())


def test_after_a_line_cut_short_the_next_begins_on_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = a_log(tmp_path)
    write = os.write
    room = 10

    def write_until_full(descriptor: int, data: bytes) -> int:
        nonlocal room
        if not room:
            raise OSError(28, "No space left on device")
        written = write(descriptor, data[:room])
        room -= written
        return written

    monkeypatch.setattr(os, "write", write_until_full)
    log.write(b"first\nsecond\n")
    log.write(b"third\n")
    room = 1000
    log.write(b"fourth\n")
    log.write(b"fifth\n")
    log.close()
    first, torn, remark, *others = (tmp_path / "log").read_bytes().splitlines()
    assert (first, torn, others) == (b"first", b"seco", [b"fourth", b"fifth"])
    assert remark.endswith(
        b" stderr F krustlet: 9 bytes of this log could not be written: No space left on device"
    )


def test_after_a_pump_that_was_killed_in_a_line_the_next_begins_on_its_own(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(b"first\nseco")
    log = a_log(tmp_path)
    log.write(b"third\n")
    log.close()
    assert (tmp_path / "log").read_bytes() == b"first\nseco\nthird\n"


async def test_a_full_disk_under_the_supervisors_own_log_stops_nobody(tmp_path: Path) -> None:
    (tmp_path / "supervisor").mkdir()
    (tmp_path / "supervisor" / "supervisor.log").symlink_to("/dev/full")
    async with Supervised(tmp_path) as supervised:
        os.kill(supervised.pump, signal.SIGKILL)  # that is noted
        supervised.log("a").mkdir(parents=True)  # and so is this
        await supervised.script(counting(10_000, 1), id_="a")
        assert (await supervised.end("a")).code == 0
