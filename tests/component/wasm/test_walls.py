"""Guests behind all walls: whatever the engine needs still works, and they see what they are to."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from krustlet.process import End
from krustlet.process.walls import Bind
from krustlet.wasm import RUNNER, AotCache, Preopen, WasmLaunch, encode_launch
from tests.component.wasm.conftest import ensure
from tests.support.guests import Guests
from tests.support.processes import private_bytes, status
from tests.support.supervised import Supervised, settings
from tests.support.walled import ALICE, a_root, a_volume, mount_points, walls_around

pytestmark = pytest.mark.root


class Walled:
    """Runs guests as a node does that has root: behind all walls, with a volume at `/data`."""

    def __init__(
        self, supervised: Supervised, directory: Path, cache: AotCache, guests: Guests
    ) -> None:
        self.supervised = supervised
        self.root = a_root(directory)
        self.volume = a_volume(directory, note="read me\n")
        self._directory = directory
        self._cache = cache
        self._guests = guests

    async def start(self, guest: str, *argv: str, network: bool = False, id_: str = "a") -> int:
        """The process of a guest of `tests/modules`, or of a module in the text format."""
        source = self._guests.path(guest) if "(" not in guest else self._directory / "guest.wat"
        if "(" in guest:
            source.write_text(f"(module {guest})")
        module = await ensure(self._cache, source)
        launch = WasmLaunch(
            code=str(module.code), argv=[source.stem, *argv], preopens=[Preopen("/", "/")]
        )
        walls = walls_around(self.root, Bind(str(self.volume), "/data"), network=network)
        payload = encode_launch(launch)
        started = await self.supervised.start(RUNNER, payload, id_=id_, walls=walls)
        return started.pid

    async def run(self, guest: str, *argv: str, network: bool = False) -> tuple[End, str]:
        await self.start(guest, *argv, network=network)
        return await self.supervised.end("a"), self.supervised.printed("a").decode()


@pytest.fixture
async def walled(tmp_path: Path, shared_cache: Path, guests: Guests) -> AsyncIterator[Walled]:
    chosen = settings(tmp_path, runners=(RUNNER,))
    async with Supervised(tmp_path, chosen) as supervised:
        yield Walled(supervised, tmp_path, AotCache(shared_cache), guests)


@pytest.mark.parametrize("network", [True, False])
async def test_it_runs_to_its_end(walled: Walled, *, network: bool) -> None:
    end, printed = await walled.run("hello", network=network)
    assert (end.code, end.message, printed) == (0, "", "Hello, world!\n")


async def test_it_reads_its_volume(walled: Walled) -> None:
    end, printed = await walled.run("cat", "/data/note")
    assert (end.code, printed) == (0, "read me\n")


async def test_what_it_writes_is_its_own(walled: Walled) -> None:
    end, _ = await walled.run("write", "/data/new", "hello")
    assert end.code == 0
    written = walled.volume / "new"
    assert (written.read_text(), written.stat().st_uid) == ("hello\n", ALICE.uid)


async def test_its_root_is_all_that_there_is(walled: Walled) -> None:
    end, printed = await walled.run("ls", "/")
    assert end.code == 0
    assert set(printed.split()) - {".", ".."} == {"data"}


async def test_it_reads_the_empty_stdin(walled: Walled) -> None:
    end, printed = await walled.run("stdin")
    assert (end.code, printed) == (0, "")


async def test_it_can_wait(walled: Walled) -> None:
    end, printed = await walled.run("sleep", "1")
    assert (end.code, printed) == (0, "ready\ndone\n")


async def test_its_exit_code_is_told_as_it_was(walled: Walled) -> None:
    end, _ = await walled.run("exit", "300")
    assert end.code == 300


@pytest.mark.parametrize(
    ("body", "cause"),
    [
        ('(func $deeper (export "_start") call $deeper)', "call stack exhausted"),
        (
            '(memory 1) (func (export "_start") (drop (i32.load (i32.const 0x7fffffff))))',
            "out of bounds memory access",
        ),
        (
            '(func (export "_start") (drop (i32.div_s (i32.const 1) (i32.const 0))))',
            "integer divide by zero",
        ),
        ('(func (export "_start") unreachable)', "`unreachable` instruction executed"),
    ],
)
async def test_the_signals_of_traps_get_through(walled: Walled, body: str, cause: str) -> None:
    end, _ = await walled.run(body)
    assert end.code == 134
    assert cause in end.message.splitlines()[0]


async def test_memory_grows_as_far_as_the_module_says(walled: Walled) -> None:
    grows = (
        '(memory 1 1024) (func (export "_start") (local i32)'
        " (if (i32.eq (memory.grow (i32.const 1000)) (i32.const -1)) (then unreachable))"
        " (i32.store (i32.const 65000000) (i32.const 1)))"
    )
    end, _ = await walled.run(grows)
    assert (end.code, end.message) == (0, "")


@pytest.mark.parametrize("guest", ["sleep", "spin"])
async def test_it_can_be_stopped_whatever_it_does(walled: Walled, guest: str) -> None:
    await walled.start(guest)
    await walled.supervised.until_printed("a", b"ready\n")
    walled.supervised.supervisor.stop("a", grace_s=10)
    end = await walled.supervised.end("a")
    assert end.code == 143


async def test_from_outside_it_stands_behind_all_walls(walled: Walled) -> None:
    pid = await walled.start("sleep")
    await walled.supervised.until_printed("a", b"ready\n")
    assert set(mount_points(pid)) == {"/", "/data"}
    facts = status(pid)
    assert (facts["Seccomp"], facts["NoNewPrivs"], facts["CapEff"]) == ("2", "1", "0" * 16)
    for thread in Path(f"/proc/{pid}/task").iterdir():  # the engine's begin behind them
        assert "Seccomp:\t2" in (thread / "status").read_text()


async def test_walls_take_little_memory(walled: Walled) -> None:
    """A guest has 1.7 MB of its own behind them; it had 1.5 MB without."""
    for number in range(4):
        await walled.start("sleep", id_=f"c{number}")
    pid = await walled.start("sleep")
    await walled.supervised.until_printed("a", b"ready\n")
    assert private_bytes(pid) < 3_000_000
