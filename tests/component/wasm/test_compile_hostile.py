"""Modules made to hurt whoever compiles them are stopped, said so, and hurt nobody else."""

import asyncio
import signal
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from krustlet.wasm import AotCache, CompileFailed, CompileLimits
from krustlet.wasm.compiler import Compiler
from tests.component.wasm.conftest import digest_of, ensure
from tests.support.fuzzing import fuzz
from tests.support.guests import Guests
from tests.support.processes import children
from tests.support.wasm_sources import laborious_module, nested_component

INPUTS = 6000
WORKERS = 2
BOUND_S = 60.0


@pytest.fixture
async def cache(tmp_path: Path) -> AsyncIterator[AotCache]:
    cache = AotCache(tmp_path / "cache", limits=CompileLimits(cpu_s=2, memory_bytes=2 << 30))
    yield cache
    await cache.close()
    assert children() == []


@pytest.fixture
def laborious(tmp_path: Path) -> Path:
    """90 kB that take a compiler without limits a minute."""
    source = tmp_path / "laborious.wasm"
    source.write_bytes(laborious_module(loops=4000, variables=1000))
    return source


async def test_c_an_enormous_function_is_stopped_while_others_are_compiled(
    cache: AotCache, laborious: Path, guests: Guests
) -> None:
    hostile = asyncio.create_task(ensure(cache, laborious))
    assert (await ensure(cache, guests.path("hello"))).entry == "_start"
    assert not hostile.done()
    with pytest.raises(CompileFailed) as caught:
        await hostile
    assert caught.value.message == "laborious.wasm: compiling took over 2 s of processor time"


async def test_c_and_it_is_not_tried_again_at_full_cost(cache: AotCache, laborious: Path) -> None:
    with pytest.raises(CompileFailed):
        await ensure(cache, laborious)
    started = time.monotonic()
    with pytest.raises(CompileFailed) as caught:
        await cache.ensure(laborious, digest=digest_of(laborious), name="another-name.wasm")
    assert time.monotonic() - started < 2
    assert caught.value.message.startswith("another-name.wasm: compiling took over 2 s")
    assert caught.value.hint == "it is not tried again for 5 minutes"


async def test_i_a_component_of_ten_thousand_instances_is_compiled(
    cache: AotCache, tmp_path: Path
) -> None:
    source = tmp_path / "nested.wat"
    source.write_text(nested_component(levels=4, width=10))
    assert (await ensure(cache, source)).kind == "component"


async def test_i_a_component_of_more_instances_than_there_is_memory_for_is_stopped(
    cache: AotCache, tmp_path: Path
) -> None:
    source = tmp_path / "nested.wat"
    source.write_text(nested_component(levels=12, width=10))
    with pytest.raises(CompileFailed, match=r"compiling (took|needs) over"):
        await ensure(cache, source)


@pytest.mark.parametrize(
    ("dies_by", "told"),
    [
        (signal.SIGABRT, "the compiler died by SIGABRT: it broke"),
        (signal.SIGSEGV, "the compiler died by SIGSEGV: it broke"),
        (signal.SIGKILL, "the compiler was killed; perhaps this machine is short of memory"),
    ],
)
async def test_a_compiler_that_dies_is_told_as_such(
    cache: AotCache,
    guests: Guests,
    monkeypatch: pytest.MonkeyPatch,
    dies_by: signal.Signals,
    told: str,
) -> None:
    dies = f"import os; os.write(2, b'it broke'); os.kill(os.getpid(), {int(dies_by)})"
    monkeypatch.setattr(Compiler, "_command", lambda *_: [sys.executable, "-I", "-c", dies])
    with pytest.raises(CompileFailed) as caught:
        await ensure(cache, guests.path("hello"))
    assert caught.value.message == f"{guests.path('hello').name}: {told}"
    assert caught.value.retryable


def test_j_whatever_is_fed_to_the_compiler_it_answers(tmp_path: Path, guests: Guests) -> None:
    """Thousands of modules and components, each broken in another way."""
    seeds = [guests.path(name) for name in ("hello", "nostart", "imports")]
    started = time.monotonic()
    counted = fuzz(tmp_path, seeds, inputs=INPUTS, workers=WORKERS, seed=20240229)
    assert sum(counted.values()) == INPUTS
    assert time.monotonic() - started < BOUND_S
    # Not all are rejected for the same reason, or little of the compiler was seen.
    assert {kind for kind, count in counted.items() if count >= 50} >= {
        "module",
        "component",
        "invalid",
        "not-wasm",
    }
