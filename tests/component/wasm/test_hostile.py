"""Guests that mean harm, each contained and told of: what one process and its engine can do.

Lettered as in the list of hostile modules; those that harm the compiler are in its own tests.
"""

import os
from pathlib import Path

import pytest

from krustlet.process import ERROR
from krustlet.wasm import Preopen
from krustlet.wasm.traps import ABORTED
from tests.component.wasm.conftest import WithWasm
from tests.support import components
from tests.support.processes import private_bytes

MIB = 1 << 20
GIVES_UP = "wasm trap: wasm `unreachable` instruction executed"
REFUSED = 50  # what the guest adds to the number of the error's case
UNKNOWN, ACCESS_DENIED, NEW_SOCKET_LIMIT = 0, 1, 10  # of wasi:sockets/network's error-code


async def works_as_ever(wasm: WithWasm) -> None:
    """Another container beside it is none the worse for it."""
    await wasm.start("hello", id_="neighbour")
    assert (await wasm.supervised.end("neighbour")).code == 0
    assert wasm.supervised.printed("neighbour") == b"Hello, world!\n"


async def test_a_memory_that_grows_without_end_stops_at_its_limit(wasm: WithWasm) -> None:
    await wasm.start("crash", "5", memory_bytes=64 * MIB)
    end = await wasm.supervised.end("a")
    assert (end.code, end.reason) == (ABORTED, ERROR)
    assert end.message.splitlines()[0].startswith("memory exhausted, ")
    assert end.message.splitlines()[0].endswith(f" of 64.0 MiB: {GIVES_UP}")
    await works_as_ever(wasm)


async def test_a_memory_that_grows_without_a_limit_stops_at_4_gib(wasm: WithWasm) -> None:
    await wasm.start("crash", "5")
    end = await wasm.supervised.end("a")
    assert (end.code, end.reason) == (ABORTED, ERROR)
    assert end.message.splitlines()[0] == f"memory exhausted, 4095.1 of 4096.0 MiB: {GIVES_UP}"
    await works_as_ever(wasm)


async def test_b_sockets_without_end_stop_at_the_limit_of_descriptors(
    wasm: WithWasm, tmp_path: Path
) -> None:
    source = tmp_path / "sockets.wat"
    source.write_text(components.opening_sockets())
    await wasm.start(source, network=True)
    refused = (await wasm.supervised.end("a", within_s=60)).code - REFUSED
    assert refused in (NEW_SOCKET_LIMIT, UNKNOWN)  # wasmtime 50 has no name for this errno
    await works_as_ever(wasm)


async def test_b_sockets_without_the_network_are_refused_at_once(
    wasm: WithWasm, tmp_path: Path
) -> None:
    source = tmp_path / "sockets.wat"
    source.write_text(components.opening_sockets())
    await wasm.start(source, network=False)
    assert (await wasm.supervised.end("a")).code == REFUSED + ACCESS_DENIED


async def test_b_timers_without_end_end_with_their_process(wasm: WithWasm) -> None:
    await wasm.start("timers")
    await wasm.supervised.until_printed("a", b"ready\n")
    await works_as_ever(wasm)
    wasm.supervised.supervisor.stop("a", grace_s=1)
    end = await wasm.supervised.end("a")
    assert (end.code, end.reason) == (143, ERROR)


async def test_d_output_without_end_is_not_kept_in_memory(wasm: WithWasm) -> None:
    await wasm.start("spew")
    await works_as_ever(wasm)
    assert private_bytes(wasm.supervised.pump) < 40 * MIB
    wasm.supervised.supervisor.stop("a", grace_s=1)
    end = await wasm.supervised.end("a")
    assert end.code in (143, 137)
    assert private_bytes(wasm.supervised.pid) < 40 * MIB


async def test_e_a_recursion_without_end_is_a_trap(wasm: WithWasm) -> None:
    await wasm.start("crash", "3")
    end = await wasm.supervised.end("a")
    assert (end.code, end.reason) == (ABORTED, ERROR)
    assert end.message.splitlines()[0] == "wasm trap: call stack exhausted"
    await works_as_ever(wasm)


# what lies outside --------------------------------------------------------------------------------


class Outside:
    """A directory that a guest is given, amid what it is not to reach."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.box = directory / "box"
        (self.box / "sub").mkdir(parents=True)
        (self.box / "own").write_text("own\n")
        (directory / "secret").write_text("secret\n")
        (directory / "others").mkdir()
        (directory / "others" / "file").write_text("of others\n")
        os.utime(directory / "secret", (1, 1))

    def facts(self) -> dict[str, tuple[int, str]]:
        """All that is outside, as it is."""
        return {
            str(path.relative_to(self.directory)): (
                path.lstat().st_mtime_ns,
                path.read_text() if path.is_file() else "",
            )
            for path in self.directory.rglob("*")
            if not path.is_relative_to(self.box)
        }


@pytest.fixture
def outside(tmp_path: Path) -> Outside:
    directory = tmp_path / "volume"
    directory.mkdir()
    return Outside(directory)


async def escapes(wasm: WithWasm, outside: Outside, *paths: str) -> bytes:
    """What went well of all that a guest could try; nothing outside is changed."""
    before = outside.facts()
    await wasm.start("escapes", *paths, preopens=[Preopen(str(outside.box), "/")])
    end = await wasm.supervised.end("a")
    printed = wasm.supervised.printed("a")
    assert end.code == len(printed.splitlines())
    assert outside.facts() == before
    return printed


async def test_f_what_tries_to_escape_can_do_all_that_within(
    wasm: WithWasm, outside: Outside
) -> None:
    """Or the other tests would prove nothing."""
    ways = [line.rpartition(b" ")[0] for line in (await escapes(wasm, outside, "own")).splitlines()]
    assert {b"read", b"write", b"look at", b"touch", b"link", b"rename from"} <= set(ways)


@pytest.mark.parametrize(
    "path",
    [
        "../secret",
        "../others",
        "../others/file",
        "../new",
        "..",
        "../",
        "sub/../../secret",
        "sub/../../box/../secret",
        "./../secret",
        ".//..//secret",
        "/",
        "//",
        "/etc/passwd",
        "/proc/self/environ",
        "//etc/passwd",
        "{outside}/secret",
        "/..{outside}/secret",
    ],
)
async def test_f_no_path_leads_outside(wasm: WithWasm, outside: Outside, path: str) -> None:
    assert await escapes(wasm, outside, path.format(outside=outside.directory)) == b""


@pytest.mark.parametrize(
    ("target", "path"),
    [
        ("../secret", "link"),
        ("{outside}/secret", "link"),
        ("/etc/passwd", "link"),
        ("..", "link/secret"),
        ("..", "link/new"),
        ("../others", "link/file"),
        ("{outside}", "link/secret"),
        ("/", "link/etc/passwd"),
        ("sub/../../secret", "link"),
        ("/proc/self/root", "link/etc/passwd"),
        ("/proc/self/cwd", "link/etc/passwd"),
    ],
)
async def test_g_no_symlink_leads_outside(
    wasm: WithWasm, outside: Outside, target: str, path: str
) -> None:
    target = target.format(outside=outside.directory)
    (outside.box / "link").symlink_to(target)
    printed = await escapes(wasm, outside, path)
    # The link itself is the guest's own: it may give it another name, or remove it.
    on_links = {f"{way} {path}".encode() for way in ("link", "rename from", "rename to", "unlink")}
    assert set(printed.splitlines()) <= (on_links if path == "link" else set())


async def test_g_a_link_to_a_link_outside_leads_nowhere(wasm: WithWasm, outside: Outside) -> None:
    (outside.box / "sub" / "first").symlink_to("../second")
    (outside.box / "second").symlink_to("../secret")
    printed = await escapes(wasm, outside, "sub/first")
    assert not [line for line in printed.splitlines() if line.startswith((b"read", b"write"))]


async def test_h_a_hundred_thousand_files_are_its_own_affair(
    wasm: WithWasm, outside: Outside
) -> None:
    before = outside.facts()
    started = await wasm.start("files", "/sub", "100000", preopens=[Preopen(str(outside.box), "/")])
    await works_as_ever(wasm)
    end = await wasm.supervised.end("a", within_s=120)
    assert (end.code, wasm.supervised.printed("a")) == (0, b"100000\n")
    assert sum(1 for _ in os.scandir(outside.box / "sub")) == 100_000
    assert outside.facts() == before
    assert not Path(f"/proc/{started.pid}").exists()
