"""A supervisor of a test's own, the containers it runs, and all that it tells of them."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Self, TypeVar

import msgspec

from krustlet.process import (
    End,
    Ended,
    Launch,
    LogEntry,
    Started,
    Supervisor,
    SupervisorSettings,
    connect,
)
from krustlet.process.logfile import parse_entry
from krustlet.process.messages import Execute
from krustlet.process.session import ProcessSession
from krustlet.process.walls import NO_WALLS, Walls
from tests.support.processes import children, descriptors, name_of, processes_of, supervisors_of
from tests.support.script_runner import Script
from tests.support.toy_runner import Toy
from tests.support.until import PATIENCE_S, until, until_not

ROOT: Final = Path(__file__).parents[2]
TOY: Final = "tests.support.toy_runner:ToyRunner"
SCRIPT: Final = "tests.support.script_runner:ScriptRunner"
T = TypeVar("T")
LIMIT_S: Final = PATIENCE_S
_LEFT_S: Final = 20.0  # less than what is left of a test would run for


def settings(directory: Path, **changes: Any) -> SupervisorSettings:
    """A supervisor in `directory` that can run toys and scripts."""
    defaults = SupervisorSettings(
        directory=directory / "supervisor",
        runners=(TOY, SCRIPT),
        import_paths=(str(ROOT), str(directory)),  # the latter marks whose processes they are
    )
    return msgspec.structs.replace(defaults, **changes)


class Supervised:
    """A connection to a supervisor, as `async with`; the supervisor ends with the block.

    Nothing may be left then: no process of it, and no descriptor of ours.

    Attributes:
        events: all that was told, in order.
        lost: how often the supervisor was told to be lost.
    """

    def __init__(self, directory: Path, settings_: SupervisorSettings | None = None) -> None:
        self.directory = directory
        self.settings = settings_ or settings(directory)
        self.events: list[Started | Ended] = []
        self.lost = 0
        self._news = asyncio.Event()
        self._supervisor: Supervisor | None = None
        self._numbers = 0

    async def __aenter__(self) -> Self:
        self._before = descriptors(), children()
        await self.connect()
        return self

    async def __aexit__(self, *_: object) -> None:
        try:
            if not self.lost:
                await self.supervisor.quit(within_s=LIMIT_S)
        finally:
            self.supervisor.close()
        # The log pump may outlive a supervisor that was killed, by the time of a last write.
        await asyncio.to_thread(until_not, lambda: processes_of(self.directory), within_s=_LEFT_S)
        await asyncio.to_thread(until_not, self._left, within_s=_LEFT_S)

    def _left(self) -> list[object]:
        """What there is by now that there was not before; tidying up may take a moment."""
        had, bore = self._before
        more = [what for number, what in descriptors().items() if had.get(number) != what]
        return [*more, *set(children()).difference(bore)]

    async def connect(self) -> Supervisor:
        """Connect once more; the latest connection is the one that is used."""
        supervisor = await connect(self.settings, on_event=self._hear, on_lost=self._lose)
        self._supervisor = await supervisor.__aenter__()
        return self._supervisor

    @property
    def supervisor(self) -> Supervisor:
        assert self._supervisor is not None
        return self._supervisor

    @property
    def pid(self) -> int:
        """Of the supervisor."""
        return supervisors_of(self.directory)[0]

    @property
    def pump(self) -> int:
        """The process id of the log pump."""
        return until(lambda: self._child("krustlet-logpum") or 0)

    def _child(self, name: str) -> int | None:
        for pid in processes_of(self.directory):
            if name_of(pid) == name:
                return pid
        return None

    # containers -------------------------------------------------------------------------------

    async def start(
        self, runner: str, payload: bytes, *, id_: str = "", walls: Walls = NO_WALLS, **launch: Any
    ) -> Started:
        self._numbers += 1
        plain = self.launch(id_ or f"c{self._numbers}", runner)
        wanted = msgspec.structs.replace(plain, **launch)
        return await self.supervisor.start(wanted, payload, walls)

    async def toy(self, *, id_: str = "", **toy: Any) -> Started:
        return await self.start(TOY, msgspec.msgpack.encode(Toy(**toy)), id_=id_)

    async def script(
        self,
        runs: str = "",
        *,
        loads: str = "",
        data: bytes = b"",
        id_: str = "",
        walls: Walls = NO_WALLS,
        **launch: Any,
    ) -> Started:
        """Run pieces of Python as a container; `launch` changes how."""
        payload = msgspec.msgpack.encode(Script(runs, loads, data))
        return await self.start(SCRIPT, payload, id_=id_, walls=walls, **launch)

    async def execute(
        self, runs: str, *, within: str, stdin: bool = False, tty: bool = False
    ) -> ProcessSession:
        """Run a piece of Python beside a container."""
        self._numbers += 1
        wanted = Execute(f"x{self._numbers}", within, SCRIPT, tty)
        payload = msgspec.msgpack.encode(Script(runs))
        return await self.supervisor.execute(wanted, payload, stdin=stdin)

    def launch(self, id_: str, runner: str = TOY) -> Launch:
        return Launch(id_, runner, str(self.record_directory(id_)), str(self.log(id_)))

    async def end(self, id_: str, *, within_s: float = LIMIT_S) -> End:
        """How container `id_` ended, once that was told."""

        def told() -> End | None:
            ends = [e.end for e in self.events if isinstance(e, Ended) and e.id == id_]
            assert len(ends) < 2, f"the end of {id_} was told {len(ends)} times"
            return ends[0] if ends else None

        return await self._until(told, within_s=within_s)

    async def until_lost(self) -> None:
        await self._until(lambda: self.lost or None, within_s=LIMIT_S)

    def record_directory(self, id_: str) -> Path:
        return self.directory / "run" / id_

    def log(self, id_: str) -> Path:
        return self.directory / "logs" / id_ / "0.log"

    def entries(self, id_: str) -> list[LogEntry]:
        """Of a log that may still be written: its whole lines."""
        return [parse_entry(line) for line in self.log(id_).read_bytes().split(b"\n")[:-1]]

    def printed(self, id_: str, stream: str = "stdout") -> bytes:
        """What the log holds of a stream, partial lines put together again."""
        return b"".join(entry.text for entry in self.entries(id_) if entry.stream == stream)

    async def until_printed(self, id_: str, text: bytes, stream: str = "stdout") -> None:
        def seen() -> bool:
            return self.log(id_).exists() and text in self.printed(id_, stream)

        await asyncio.to_thread(until, seen)

    # events -----------------------------------------------------------------------------------

    def _hear(self, event: Started | Ended) -> None:
        self.events.append(event)
        self._news.set()

    def _lose(self) -> None:
        self.lost += 1
        self._news.set()

    async def _until(self, told: Callable[[], T | None], *, within_s: float) -> T:
        async with asyncio.timeout(within_s):
            while (seen := told()) is None:
                self._news.clear()
                await self._news.wait()
        return seen
