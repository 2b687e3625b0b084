"""A supervisor, compiled guests and the bare engine, side by side; no walls but the process."""

import asyncio
import hashlib
import statistics
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from benchmarks.machine import bare_engine, private_kb
from krustlet.process import Ended, Launch, Started, Supervisor, SupervisorSettings, connect
from krustlet.wasm import RUNNER, AotCache, WasmLaunch, encode_launch
from tests.support.guests import Guests, default_cache

_LIMIT_S: Final = 120.0


class Bench:
    """What a measure is given."""

    def __init__(self, directory: Path, supervisor: Supervisor, ends: "asyncio.Queue[Ended]"):
        self.directory = directory
        self.supervisor = supervisor
        self._ends = ends
        self._cache = AotCache(directory / "aot")
        self._guests = Guests(default_cache())
        self._codes: dict[str, str] = {}
        self._number = 0
        self._wasmtime: Path | None = None

    async def start(self, guest: str, *arguments: str) -> Started:
        """Start a guest; its log is `self.log`."""
        self._number += 1
        name = f"bench{self._number}"
        self.log = self.directory / f"{name}.log"
        launch = Launch(name, RUNNER, str(self.directory / name), str(self.log))
        payload = WasmLaunch(code=await self._code(guest), argv=[guest, *arguments])
        return await self.supervisor.start(launch, encode_launch(payload))

    async def _code(self, guest: str) -> str:
        if guest not in self._codes:
            source = self._guests.path(guest)
            compiled = await self._cache.ensure(source, digest=_digest(source), name=guest)
            self._codes[guest] = str(compiled.code)
        return self._codes[guest]

    async def ended(self) -> Ended:
        """The next container that ends."""
        async with asyncio.timeout(_LIMIT_S):
            ended = await self._ends.get()
        self.supervisor.forget(ended.id)
        return ended

    async def run(self, guest: str, *arguments: str) -> float:
        """Seconds from asking for a container to knowing how it ended, its log complete."""
        begun = time.perf_counter()
        await self.start(guest, *arguments)
        ended = await self.ended()
        took_s = time.perf_counter() - begun
        assert ended.end.code == 0, ended
        return took_s

    def bare(self, guest: str) -> list[str]:
        """The command that runs a guest on the bare engine, compiled by that engine."""
        if self._wasmtime is None:
            self._wasmtime = bare_engine(self.directory)
        code = self.directory / f"{guest}.cwasm"
        if not code.exists():
            source = self._guests.path(guest)
            compile_ = [str(self._wasmtime), "compile", str(source), "-o", str(code)]
            subprocess.run(compile_, check=True)
        return [str(self._wasmtime), "run", "--allow-precompiled", str(code)]

    async def bare_idle_kb(self, guest: str, many: int) -> float:
        """Memory that a process of the bare engine shares with nobody, while the guest sleeps."""
        command, null = self.bare(guest), asyncio.subprocess.DEVNULL
        running = [
            await asyncio.create_subprocess_exec(*command, stdin=null, stdout=null)
            for _ in range(many)
        ]
        await asyncio.sleep(1)  # they print, then sleep
        found = statistics.median(private_kb(process.pid) for process in running)
        for process in running:
            process.kill()
            await process.wait()
        return found


@asynccontextmanager
async def a_bench() -> AsyncIterator[Bench]:
    """A bench that is cleared afterwards."""
    with tempfile.TemporaryDirectory(prefix="krustlet-bench-") as temporary:
        directory = Path(temporary)
        ends: asyncio.Queue[Ended] = asyncio.Queue()
        supervisor = await connect(
            SupervisorSettings(
                directory=directory / "run", runners=[RUNNER], scratch=directory / "run"
            ),
            on_event=lambda event: ends.put_nowait(event) if isinstance(event, Ended) else None,
            on_lost=lambda: None,
        )
        async with supervisor:
            yield Bench(directory, supervisor, ends)
            await supervisor.quit(within_s=10)


def _digest(path: Path) -> str:
    return f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"
