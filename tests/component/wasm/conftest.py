"""Guests as containers of a supervisor that has the wasm runner."""

import hashlib
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

import pytest

from krustlet.process import Started, Walls
from krustlet.wasm import RUNNER, AotCache, CompiledModule, Preopen, WasmLaunch, encode_launch
from tests.support.guests import Guests
from tests.support.supervised import SCRIPT, Supervised, settings

Compile = Callable[[Path], "CompiledModule"]


def digest_of(source: Path) -> str:
    return f"sha256:{hashlib.sha256(source.read_bytes()).hexdigest()}"


async def ensure(cache: AotCache, source: Path) -> CompiledModule:
    return await cache.ensure(source, digest=digest_of(source), name=source.name)


@pytest.fixture(scope="session")
def shared_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the guests' native code is, compiled once for all tests of a run."""
    return tmp_path_factory.mktemp("aot")


class WithWasm:
    """A supervisor that runs guests."""

    def __init__(self, supervised: Supervised, cache: AotCache, guests: Guests) -> None:
        self.supervised = supervised
        self._cache = cache
        self._guests = guests
        self.code = Path()
        """The native code that was started last."""

    async def start(
        self,
        guest: str | Path,
        *argv: str,
        id_: str = "a",
        env: Sequence[tuple[str, str]] = (),
        preopens: Sequence[Preopen] = (),
        working_dir: str = "",
        network: bool = False,
        memory_bytes: int | None = None,
    ) -> Started:
        """Start a guest of `tests/modules`, or a module of the test's own, as container `id_`."""
        source = self._guests.path(guest) if isinstance(guest, str) else guest
        module = await ensure(self._cache, source)
        self.code = module.code
        launch = WasmLaunch(
            code=str(module.code),
            argv=[source.stem if isinstance(guest, Path) else guest, *argv],
            env=list(env),
            preopens=list(preopens),
            kind=module.kind,
            working_dir=working_dir,
            network=network,
            memory_bytes=memory_bytes,
        )
        return await self.launch(launch, id_=id_)

    async def launch(self, launch: WasmLaunch, *, id_: str = "a") -> Started:
        # All that stands without root: nothing of the engine may need what is behind it.
        seen = tuple((preopen.host, not preopen.read_only) for preopen in launch.preopens)
        walls = Walls(visible=seen, network=launch.network)
        return await self.supervised.start(RUNNER, encode_launch(launch), id_=id_, walls=walls)


@pytest.fixture
async def wasm(tmp_path: Path, shared_cache: Path, guests: Guests) -> AsyncIterator[WithWasm]:
    chosen = settings(tmp_path, runners=(RUNNER, SCRIPT))
    async with Supervised(tmp_path, chosen) as supervised:
        yield WithWasm(supervised, AotCache(shared_cache), guests)
