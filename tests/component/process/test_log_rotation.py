"""Logs are begun anew while containers print, others read, and the pump is killed."""

import asyncio
import calendar
import os
import re
import signal
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest

from krustlet.process import LogEntry, follow_log, read_log
from krustlet.process.lognames import rotated
from krustlet.process.logtext import LogOptions
from tests.component.process.test_log_pump import kill_pump
from tests.support.supervised import Supervised
from tests.support.until import until

CHUNK = 64 * 1024
LONGEST = 16 * 1024
FILE_BYTES = 256 * 1024
PLENTY = 10_000
COUNTS = """
import os, time
for start in range(0, COUNT, 1000):
    output = b"".join(b"%07d\\n" % number for number in range(start, start + 1000))
    while output:
        output = output[os.write(1, output):]
    time.sleep(PAUSE_S)
"""


def counting(count: int, *, pause_s: float = 0) -> str:
    return COUNTS.replace("COUNT", str(count)).replace("PAUSE_S", str(pause_s))


def counted(count: int) -> bytes:
    return b"".join(b"%07d\n" % number for number in range(count))


@asynccontextmanager
async def followed(path: Path) -> AsyncIterator[tuple[list[LogEntry], list[bytes]]]:
    """What those find who follow the log during the block: its entries, and its text."""
    entries, pieces, ended = list[LogEntry](), list[bytes](), asyncio.Event()

    async def follow_entries() -> None:
        async for some in follow_log(path, ended=ended):
            entries.extend(some)

    async def follow_text() -> None:
        async for piece in read_log(path, LogOptions(), ended=ended):
            pieces.append(piece)

    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        group.create_task(follow_entries())
        group.create_task(follow_text())
        yield entries, pieces
        ended.set()


async def test_all_is_followed_through_any_number_of_files(supervised: Supervised) -> None:
    async with followed(supervised.log("a")) as (entries, pieces):
        await supervised.script(
            counting(200_000), id_="a", log_max_bytes=FILE_BYTES, log_max_files=PLENTY
        )
        assert (await supervised.end("a")).code == 0
    assert len(rotated(str(supervised.log("a")))) > 20
    assert b"".join(entry.text for entry in entries) == counted(200_000)
    assert b"".join(pieces) == counted(200_000)


async def test_a_flood_takes_no_more_room_than_it_may(supervised: Supervised) -> None:
    await supervised.script(counting(200_000), id_="a", log_max_bytes=FILE_BYTES, log_max_files=3)
    assert (await supervised.end("a")).code == 0
    names = [*rotated(str(supervised.log("a"))), str(supervised.log("a"))]
    assert len(names) == 3
    # The entries of a chunk are up to six times as long as these lines.
    assert sum(map(os.path.getsize, names)) <= 3 * (FILE_BYTES + 6 * CHUNK)
    text = b"".join([piece async for piece in read_log(supervised.log("a"), LogOptions())])
    assert text
    assert counted(200_000).endswith(text)


async def test_each_run_has_files_of_its_own(supervised: Supervised) -> None:
    for id_ in ("a", "b"):
        log = supervised.log("a").with_name(f"{id_}.log")
        await supervised.script(counting(20_000), id_=id_, log=str(log), log_max_bytes=FILE_BYTES)
        await supervised.end(id_)
        assert b"".join([p async for p in read_log(log, LogOptions())]) == counted(20_000)


async def test_a_pump_that_dies_while_logs_are_begun_anew_loses_what_was_in_its_hand(
    supervised: Supervised,
) -> None:
    """A chunk and a line that was begun, each time; nothing is torn, nothing is there twice."""
    count, kills = 300_000, 8
    async with followed(supervised.log("a")) as (entries, pieces):
        await supervised.script(
            counting(count, pause_s=0.005),
            id_="a",
            log_max_bytes=CHUNK,  # so that it is begun anew after each chunk
            log_max_files=PLENTY,
        )
        for _ in range(kills):
            await asyncio.sleep(0.1)
            await asyncio.to_thread(kill_pump, supervised)
        assert (await supervised.end("a")).code == 0
    whole = [entry.text for entry in entries if len(entry.text) == 8]
    numbers = [int(text) for text in whole]
    assert numbers == sorted(set(numbers))
    assert numbers[-1] == count - 1
    assert (count - len(numbers)) * 8 <= kills * (CHUNK + LONGEST)
    # Where a chunk is lost, its first line's end and its last one's beginning are, too.
    assert len(entries) - len(whole) <= kills * 2
    assert b"".join(pieces) == b"".join(entry.text for entry in entries)


async def test_an_end_is_told_though_the_log_is_stuck(supervised: Supervised) -> None:
    """As on a file system that hangs: a pipe that nobody reads takes 64 KiB, then nothing more."""
    supervised.log("stuck").parent.mkdir(parents=True)
    os.mkfifo(supervised.log("stuck"))
    await supervised.script("import os\nwhile True: os.write(1, b'x' * 999)", id_="stuck")
    await asyncio.sleep(0.2)
    begun = asyncio.get_running_loop().time()
    await supervised.toy(prints="x\n", id_="other")
    assert (await supervised.end("other")).code == 0
    supervised.supervisor.stop("stuck", grace_s=0)
    assert (await supervised.end("stuck")).code == 128 + signal.SIGTERM
    assert asyncio.get_running_loop().time() - begun < 30


def memory_kib(pid: int) -> int:
    """What the process has for itself."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Private_"))


@pytest.mark.parametrize(
    "chunk", ["b'x' * 65536", r"b'\n' * 65536", r"b'xy\n' * 20000", r"(b'x' * 16384 + b'\n') * 4"]
)
async def test_the_pump_stays_small_whatever_is_printed(supervised: Supervised, chunk: str) -> None:
    await supervised.toy(prints="x\n", id_="first")
    await supervised.end("first")
    before = memory_kib(supervised.pump)
    floods = f"import os\nfor _ in range(40): os.write(1, {chunk}); os.write(2, {chunk})"
    for number in range(4):
        await supervised.script(floods, id_=f"c{number}")
    most = 0
    for number in range(4):
        await supervised.end(f"c{number}")
        most = max(most, memory_kib(supervised.pump))
    assert most - before < 16 * 1024


CHATTY = "import os\nwhile True: os.write(1, (b'x' * 99 + b'\\n') * 600)"
QUIET = """
import os, time
for _ in range(50):
    os.write(1, b"%d\\n" % time.time_ns())
    time.sleep(0.01)
"""


async def test_a_quiet_container_is_heard_beside_chatty_ones(supervised: Supervised) -> None:
    chatty = [f"c{number}" for number in range(8)]
    for id_ in chatty:
        await supervised.script(CHATTY, id_=id_)
    await supervised.script(QUIET, id_="quiet")
    await supervised.end("quiet")
    late_ns = sorted(_at_ns(entry.time) - int(entry.text) for entry in supervised.entries("quiet"))
    for id_ in chatty:
        supervised.supervisor.stop(id_, grace_s=0)
        await supervised.end(id_)
    assert len(late_ns) == 50
    assert late_ns[25] < 200_000_000  # 6 ms on an idle machine


def _at_ns(at: bytes) -> int:
    seconds = calendar.timegm(time.strptime(at[:19].decode(), "%Y-%m-%dT%H:%M:%S"))
    return seconds * 10**9 + int(at[20:29])


LOSS = rb"\nkrustlet: (\d+) bytes of this log could not be written: No space left on device\n"


@pytest.mark.root
async def test_a_disk_that_was_full_has_what_it_lacks_written_on_it(
    supervised: Supervised, tmp_path: Path
) -> None:
    """And nobody else's log lacks anything."""
    directory = supervised.log("a").parent
    directory.mkdir(parents=True)
    gate = tmp_path / "gate"
    with mounted_tmpfs(directory, size_bytes=2 << 20):
        waits = f"while not os.path.exists({str(gate)!r}): time.sleep(0.005)\n"
        await supervised.script(
            counting(100_000) + waits + "os.write(1, b'room again\\n')", id_="a"
        )
        await asyncio.to_thread(_until_noted, supervised, "the log of a loses lines")
        await supervised.toy(prints="x\n", id_="other")
        await supervised.end("other")
        assert supervised.printed("other") == b"x\n"
        await asyncio.to_thread(_mount, "-o", "remount,size=16m", str(directory))
        gate.touch()
        assert (await supervised.end("a")).code == 0
        text = b"".join([piece async for piece in read_log(supervised.log("a"), LogOptions())])
        assert text.endswith(b"\nroom again\n")
        assert (lost := re.search(LOSS, text)) is not None
        entry_bytes = len(b"2023-11-14T22:13:20.000000001Z stdout F 0000000\n")
        written = supervised.log("a").stat().st_size
        assert abs(int(lost[1]) + written - 100_000 * entry_bytes) < 1000
        assert "the log of a is written again" in supervised.settings.log.read_text()


@contextmanager
def mounted_tmpfs(directory: Path, *, size_bytes: int) -> Iterator[None]:
    _mount("-t", "tmpfs", "-o", f"size={size_bytes}", "tmpfs", str(directory))
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(directory)], check=True)


def _mount(*arguments: str) -> None:
    subprocess.run(["mount", *arguments], check=True)


def _until_noted(supervised: Supervised, text: str) -> None:
    until(lambda: text in supervised.settings.log.read_text())
