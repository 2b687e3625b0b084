"""Modules of `wasi_unstable`: what they ask by its numbers and layouts is answered by them.

Source: WASI, `phases/old/snapshot_0/docs.md`.
"""

import os
import struct
from pathlib import Path

import pytest

from krustlet.wasm import Preopen
from krustlet.wasm.traps import ABORTED
from tests.component.wasm.conftest import WithWasm

PAGE = 65536
UNTOUCHED = b"\xaa" * 8  # what the guest put behind a filestat

CUR, END, SET = 0, 1, 2  # as `wasi_unstable` numbers them
CLOCK, FD_READ, FD_WRITE = 0, 1, 2
REGULAR_FILE = 4
INVAL, NAMETOOLONG, NOENT, NOMEM = 28, 37, 44, 48

TEXT = """
(module
  (import "wasi_unstable" "proc_exit" (func $proc_exit (param i32)))
  (import "wasi_unstable" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_unstable" "path_open"
    (func $path_open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
  (import "wasi_unstable" "fd_seek" (func $fd_seek (param i32 i64 i32 i32) (result i32)))
  (import "wasi_unstable" "fd_filestat_get" (func $fd_filestat_get (param i32 i32) (result i32)))
  (import "wasi_unstable" "path_filestat_get"
    (func $path_filestat_get (param i32 i32 i32 i32 i32) (result i32)))
  (import "wasi_unstable" "poll_oneoff" (func $poll_oneoff (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 1024) "note")
  (func $check (param $errno i32)
    (if (local.get $errno) (then (call $proc_exit (local.get $errno)))))
  (func $dump (param $at i32) (param $bytes i32)
    (i32.store (i32.const 0) (local.get $at))
    (i32.store (i32.const 4) (local.get $bytes))
    (call $check (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8))))
  (func $open (result i32)
    (call $check (call $path_open (i32.const 3) (i32.const 1) (i32.const 1024) (i32.const 4)
      (i32.const 0) (i64.const 0x200026) (i64.const 0) (i32.const 0) (i32.const 16)))
    (i32.load (i32.const 16)))
  (func (export "_start") (local $fd i32) BODY))
"""


@pytest.fixture
def box(tmp_path: Path) -> Path:
    directory = tmp_path / "box"
    directory.mkdir()
    (directory / "note").write_text("0123456789")
    os.link(directory / "note", directory / "again")
    return directory


def guest(directory: Path, body: str) -> Path:
    source = directory / "old.wat"
    source.write_text(TEXT.replace("BODY", body))
    return source


async def outcome(wasm: WithWasm, source: Path, box: Path) -> tuple[int, bytes, str]:
    await wasm.start(source, preopens=[Preopen(str(box), "/")])
    end = await wasm.supervised.end("a")
    return end.code, wasm.supervised.printed("a"), end.message


# seeking ------------------------------------------------------------------------------------------


async def test_it_seeks_from_where_it_says(wasm: WithWasm, tmp_path: Path, box: Path) -> None:
    steps = [(4, SET, 4), (3, CUR, 7), (-1, END, 9), (0, SET, 0), (0, CUR, 0)]
    body = "(local.set $fd (call $open))"
    for offset, whence, _ in steps:
        body += f"""
          (call $check (call $fd_seek
            (local.get $fd) (i64.const {offset}) (i32.const {whence}) (i32.const 32)))
          (call $dump (i32.const 32) (i32.const 8))"""
    code, printed, _ = await outcome(wasm, guest(tmp_path, body), box)
    assert code == 0
    assert struct.unpack(f"<{len(steps)}Q", printed) == tuple(at for *_, at in steps)


async def test_a_whence_that_is_none_is_what_it_is_in_preview_1(
    wasm: WithWasm, tmp_path: Path, box: Path
) -> None:
    seek = "(drop (call $fd_seek (i32.const 0) (i64.const 0) (i32.const 3) (i32.const 32)))"
    source = guest(tmp_path, seek)
    told = await outcome(wasm, source, box)
    source.write_text(source.read_text().replace("wasi_unstable", "wasi_snapshot_preview1"))
    await wasm.start(source, preopens=[Preopen(str(box), "/")], id_="now")
    now = await wasm.supervised.end("now")
    assert (told[0], told[2].splitlines()[:2]) == (now.code, now.message.splitlines()[:2])
    assert "Invalid enum value Whence" in now.message.splitlines()[0]


# what files are -----------------------------------------------------------------------------------

FILESTAT = {
    "fd": "(call $check (call $fd_filestat_get (call $open) (i32.const {at})))",
    "path": "(call $check (call $path_filestat_get"
    " (i32.const 3) (i32.const 0) (i32.const 1024) (i32.const 4) (i32.const {at})))",
}


@pytest.mark.parametrize("way", FILESTAT)
async def test_it_sees_what_a_file_is(wasm: WithWasm, tmp_path: Path, box: Path, way: str) -> None:
    body = f"""
      (memory.fill (i32.const 512) (i32.const 0xaa) (i32.const 80))
      {FILESTAT[way].format(at=512)} (call $dump (i32.const 512) (i32.const 64))
    """
    code, printed, _ = await outcome(wasm, guest(tmp_path, body), box)
    assert code == 0
    *seen, behind = struct.unpack("<QQB3xIQQQQ8s", printed)
    real = (box / "note").stat()
    assert seen[2:5] == [REGULAR_FILE, real.st_nlink, 10] == [REGULAR_FILE, 2, 10]
    assert seen[5:7] == [real.st_atime_ns, real.st_mtime_ns]
    assert behind == UNTOUCHED


@pytest.mark.parametrize("way", FILESTAT)
async def test_there_need_be_no_more_room_than_it_takes(
    wasm: WithWasm, tmp_path: Path, box: Path, way: str
) -> None:
    at = PAGE - 56
    body = f"{FILESTAT[way].format(at=at)} (call $dump (i32.const {at}) (i32.const 56))"
    code, printed, _ = await outcome(wasm, guest(tmp_path, body), box)
    assert code == 0
    assert struct.unpack_from("<Q", printed, 24) == (10,)


@pytest.mark.parametrize("way", FILESTAT)
@pytest.mark.parametrize("at", [PAGE - 55, PAGE, 0xFFFFFFF0, 0xFFFFFFFF])
async def test_room_outside_its_memory_is_a_trap(
    wasm: WithWasm, tmp_path: Path, box: Path, way: str, at: int
) -> None:
    code, printed, message = await outcome(wasm, guest(tmp_path, FILESTAT[way].format(at=at)), box)
    assert (code, printed) == (ABORTED, b"")
    assert "out of bounds memory access" in message.splitlines()[0]


PATH = """
  (memory.fill (i32.const 2048) (i32.const 0x61) (i32.const 8192))
  (call $check (call $path_filestat_get
    (i32.const 3) (i32.const 0) (i32.const {at}) (i32.const {size}) (i32.const 512)))
"""


@pytest.mark.parametrize(
    ("at", "size", "errno"),
    [
        pytest.param(2048, 4, NOENT, id="no-such-file"),
        pytest.param(2048, 4096, NAMETOOLONG, id="longer-than-the-kernel-takes"),
        pytest.param(2048, 4097, NAMETOOLONG, id="longer-than-we-take"),
        pytest.param(2048, -1, NAMETOOLONG, id="longer-than-its-memory"),
    ],
)
async def test_an_odd_path_is_an_error(
    wasm: WithWasm, tmp_path: Path, box: Path, at: int, size: int, errno: int
) -> None:
    source = guest(tmp_path, PATH.format(at=at, size=size))
    assert await outcome(wasm, source, box) == (errno, b"", "")


@pytest.mark.parametrize("at", [PAGE - 3, PAGE, -1])
async def test_a_path_outside_its_memory_is_a_trap(
    wasm: WithWasm, tmp_path: Path, box: Path, at: int
) -> None:
    source = guest(tmp_path, PATH.format(at=at, size=4))
    code, _, message = await outcome(wasm, source, box)
    assert (code, message.splitlines()[0]) == (ABORTED, "wasm trap: out of bounds memory access")


# waiting ------------------------------------------------------------------------------------------


def subscription(number: int, kind: int, descriptor: int = 0, timeout_ns: int = 0) -> bytes:
    """As `wasi_unstable` has it: 56 bytes, with an identifier that nothing reads at 16."""
    head = struct.pack("<QB7x", number, kind)
    if kind == CLOCK:
        monotonic, relative = 1, 0
        return head + struct.pack("<QI4xQQH6x", 99, monotonic, timeout_ns, 0, relative)
    return (head + struct.pack("<I", descriptor)).ljust(56, b"\0")


def waiting(*subscriptions: bytes, count: int | None = None, at: int = 4096) -> str:
    data = "".join(f"\\{byte:02x}" for byte in b"".join(subscriptions))
    count = len(subscriptions) if count is None else count
    return f"""
      (memory.init $subscriptions (i32.const 4096) (i32.const 0) (i32.const {len(data) // 3}))
      (call $check (call $poll_oneoff
        (i32.const {at}) (i32.const 512) (i32.const {count}) (i32.const 24)))
      (call $dump (i32.const 512) (i32.mul (i32.load (i32.const 24)) (i32.const 32))))
      (data $subscriptions "{data}"
    """


async def test_it_waits_for_a_clock(wasm: WithWasm, tmp_path: Path, box: Path) -> None:
    soon = subscription(7, CLOCK, timeout_ns=300_000_000)
    late = subscription(8, CLOCK, timeout_ns=3_600_000_000_000)
    started = await wasm.start(guest(tmp_path, waiting(late, soon)))
    end = await wasm.supervised.end("a")
    assert end.code == 0
    assert end.at - started.at >= 0.3
    printed = wasm.supervised.printed("a")
    assert struct.unpack("<QHB", printed[:11]) == (7, 0, CLOCK)
    assert len(printed) == 32


async def test_it_waits_for_a_time_of_day(wasm: WithWasm, tmp_path: Path, box: Path) -> None:
    realtime, absolute = 0, 1
    past = struct.pack("<QB7xQI4xQQH6x", 7, CLOCK, 99, realtime, 1_600_000_000 * 10**9, 0, absolute)
    code, printed, _ = await outcome(wasm, guest(tmp_path, waiting(past)), box)
    assert (code, struct.unpack("<QHB", printed[:11])) == (0, (7, 0, CLOCK))


async def test_it_waits_for_descriptors(wasm: WithWasm, tmp_path: Path, box: Path) -> None:
    late = subscription(8, CLOCK, timeout_ns=3_600_000_000_000)
    body = waiting(late, subscription(9, FD_READ, 0), subscription(10, FD_WRITE, 1))
    code, printed, _ = await outcome(wasm, guest(tmp_path, body), box)
    assert code == 0
    events = {struct.unpack_from("<QHB", printed, at) for at in range(0, len(printed), 32)}
    assert events <= {(9, 0, FD_READ), (10, 0, FD_WRITE)}
    assert (10, 0, FD_WRITE) in events


async def test_it_may_wait_for_many(wasm: WithWasm, tmp_path: Path, box: Path) -> None:
    """More than fit the first page of what translates them."""
    many = [subscription(number, CLOCK) for number in range(1000)]
    body = waiting(*many).replace("(i32.const 512)", "(i32.const 0)")  # and of its own memory
    body = f"(drop (memory.grow (i32.const 9))) {body}".replace("4096", "100000")
    body = body.replace("(i32.const 24)", "(i32.const 99992)")
    code, printed, _ = await outcome(wasm, guest(tmp_path, body), box)
    assert code == 0
    numbers = [struct.unpack_from("<Q", printed, at)[0] for at in range(32, len(printed), 32)]
    assert set(numbers) <= set(range(1000))
    assert numbers


@pytest.mark.parametrize(
    ("count", "errno"), [(0, INVAL), (1_000_001, NOMEM), (-1, NOMEM), (0x7FFFFFFF, NOMEM)]
)
async def test_an_odd_number_of_subscriptions_is_an_error(
    wasm: WithWasm, tmp_path: Path, box: Path, count: int, errno: int
) -> None:
    source = guest(tmp_path, waiting(subscription(7, CLOCK), count=count))
    assert await outcome(wasm, source, box) == (errno, b"", "")


@pytest.mark.parametrize(
    ("at", "count"), [(PAGE - 8, 1), (PAGE, 1), (-1, 1), (4096, 2000), (-112, 4)]
)
async def test_subscriptions_outside_its_memory_are_a_trap(
    wasm: WithWasm, tmp_path: Path, box: Path, at: int, count: int
) -> None:
    source = guest(tmp_path, waiting(subscription(7, CLOCK), at=at, count=count))
    code, _, message = await outcome(wasm, source, box)
    assert code == ABORTED
    assert "out of bounds memory access" in message.splitlines()[0]


async def test_events_outside_its_memory_are_a_trap(
    wasm: WithWasm, tmp_path: Path, box: Path
) -> None:
    body = waiting(subscription(7, CLOCK)).replace("(i32.const 512)", f"(i32.const {PAGE - 31})")
    code, _, message = await outcome(wasm, guest(tmp_path, body), box)
    assert (code, message.splitlines()[0]) == (ABORTED, "wasm trap: out of bounds memory access")


# the rest -----------------------------------------------------------------------------------------


async def test_one_that_exports_no_memory_is_told_so(wasm: WithWasm, tmp_path: Path) -> None:
    source = tmp_path / "none.wat"
    source.write_text(
        '(module (import "wasi_unstable" "fd_seek"'
        " (func $seek (param i32 i64 i32 i32) (result i32)))"
        ' (func (export "_start")'
        " (drop (call $seek (i32.const 0) (i64.const 0) (i32.const 0) (i32.const 0)))))"
    )
    await wasm.start(source)
    end = await wasm.supervised.end("a")
    assert (end.code, end.message.splitlines()[0]) == (ABORTED, "missing required memory export")
