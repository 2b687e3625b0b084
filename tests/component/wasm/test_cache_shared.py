"""Processes that share a cache compile a module once between them, whoever of them is killed."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from krustlet.wasm import AotCache, CompileFailed, CompileLimits
from tests.component.wasm.conftest import ensure
from tests.support.processes import GONE, children, descriptors, processes_of
from tests.support.supervised import LIMIT_S, ROOT
from tests.support.until import until, until_not
from tests.support.wasm_sources import laborious_module

OWNER = """
import asyncio, sys
from pathlib import Path
from krustlet.wasm import AotCache
from tests.component.wasm.conftest import ensure
module = asyncio.run(ensure(AotCache(Path(sys.argv[1])), Path(sys.argv[2])))
print(module.code.stat().st_ino)
"""
COMPILER = "krustlet.wasm.compile"
WAITER = "turns.py"


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A module that takes a second or two."""
    source = tmp_path / "laborious.wasm"
    source.write_bytes(laborious_module(loops=800, variables=400))
    return source


@pytest.fixture
async def caches(directory: Path) -> AsyncIterator[tuple[AotCache, AotCache]]:
    """Two that know nothing of each other; a lock knows no more than that of two processes."""
    first, second = AotCache(directory), AotCache(directory)
    yield first, second
    await first.close()
    await second.close()
    assert children() == []


def running(what: str, mentioning: Path) -> list[int]:
    """Processes with these words in their command."""
    found = []
    for pid in processes_of(mentioning):
        if what in command_of(pid):
            found.append(pid)
    return found


def waiters() -> list[int]:
    return [pid for pid in children() if WAITER in command_of(pid)]


def command_of(pid: int) -> str:
    """Empty if it has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")
    except GONE:
        return ""


def test_processes_side_by_side_compile_once(directory: Path, source: Path) -> None:
    command = [sys.executable, "-c", OWNER, str(directory), str(source)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    owners = [
        subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    told = [owner.communicate(timeout=LIMIT_S)[0] for owner in owners]
    assert [owner.returncode for owner in owners] == [0, 0, 0]
    assert sum(text.count("aot.compiled") for text in told) == 1
    assert len({text.splitlines()[-1] for text in told}) == 1  # a file that was never replaced


async def test_who_comes_second_waits_for_the_first(
    caches: tuple[AotCache, AotCache], source: Path
) -> None:
    first, second = (asyncio.create_task(ensure(cache, source)) for cache in caches)
    await asyncio.to_thread(until, waiters)
    assert len(running(COMPILER, source)) == 1
    assert await first == await second
    assert waiters() == []


async def test_when_the_first_is_killed_the_second_compiles(
    caches: tuple[AotCache, AotCache], directory: Path, source: Path
) -> None:
    command = [sys.executable, "-c", OWNER, str(directory), str(source)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    owner = await asyncio.create_subprocess_exec(*command, env=environment)
    await asyncio.to_thread(until, lambda: running(COMPILER, source))
    second = asyncio.create_task(ensure(caches[0], source))
    await asyncio.to_thread(until, waiters)
    owner.kill()
    await owner.wait()
    assert (await second).entry == "_start"


async def test_who_gives_up_waiting_leaves_nothing(
    caches: tuple[AotCache, AotCache], source: Path
) -> None:
    first = asyncio.create_task(ensure(caches[0], source))
    await asyncio.to_thread(until, lambda: running(COMPILER, source))
    before = len(descriptors())
    second = asyncio.create_task(ensure(caches[1], source))
    await asyncio.to_thread(until, waiters)
    second.cancel()
    with pytest.raises(asyncio.CancelledError):
        await second
    await asyncio.to_thread(until_not, waiters)
    await asyncio.to_thread(until, lambda: len(descriptors()) <= before)
    assert (await first).entry == "_start"


async def test_waiting_has_an_end(directory: Path, source: Path) -> None:
    patient = AotCache(directory)
    first = asyncio.create_task(ensure(patient, source))
    await asyncio.to_thread(until, lambda: running(COMPILER, source))
    impatient = AotCache(directory, limits=CompileLimits(wall_s=0.2))
    with pytest.raises(
        CompileFailed, match=r"another process has been compiling it for over 0\.2 s"
    ):
        await ensure(impatient, source)
    assert (await first).entry == "_start"
    await patient.close()
