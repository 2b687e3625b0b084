"""How a guest that traps is told of: by its cause, and where in its source it was."""

from pathlib import Path

import pytest

from krustlet.process import ERROR, START_ERROR, START_ERROR_CODE
from krustlet.wasm.traps import ABORTED
from tests.component.wasm.conftest import WithWasm

SOURCE = Path(__file__).parents[2] / "modules" / "crash.c"
MIB = 1 << 20
WAYS = {
    "unreachable": (0, "wasm trap: wasm `unreachable` instruction executed"),
    "divides": (1, "wasm trap: integer divide by zero"),
    "loads": (2, "wasm trap: out of bounds memory access: memory fault at wasm address 0xfffffff0"),
    "recurses": (3, "wasm trap: call stack exhausted"),
    "calls": (4, "wasm trap: indirect call type mismatch"),
}


def line_of(text: str) -> int:
    """Where `text` is in the guest's source."""
    lines = SOURCE.read_text().splitlines()
    return next(number for number, line in enumerate(lines, 1) if text in line)


@pytest.mark.parametrize("way", WAYS)
async def test_a_trap_is_told_by_cause_function_and_line(wasm: WithWasm, way: str) -> None:
    number, cause = WAYS[way]
    await wasm.start("crash", str(number))
    end = await wasm.supervised.end("a")
    assert (end.code, end.reason) == (ABORTED, ERROR)
    first, title, *trace = end.message.splitlines()
    assert first.startswith(cause)
    assert title == "wasm backtrace:"
    assert any(line.endswith(f"- {way}") for line in trace) or way == "recurses"
    function = "deeper(int depth) {" if way == "recurses" else f"static void {way}(void) {{"
    places = [line.rpartition("/")[2] for line in trace if " at " in line]
    lines = [int(place.split(":")[1]) for place in places if place.startswith("crash.c:")]
    assert lines[0] - line_of(function) in (0, 1)
    assert wasm.supervised.printed("a", "stderr").decode().strip() == end.message


async def test_a_guest_that_gives_up_for_want_of_memory_is_told_so(wasm: WithWasm) -> None:
    await wasm.start("crash", "5", memory_bytes=64 * MIB)
    end = await wasm.supervised.end("a")
    assert (end.code, end.reason) == (ABORTED, ERROR)
    first, *trace = end.message.splitlines()
    cause = "wasm trap: wasm `unreachable` instruction executed"
    assert first.startswith("memory exhausted, 6")
    assert first.endswith(f" of 64.0 MiB: {cause}")
    assert any("crash.c:" in line for line in trace)


async def test_one_that_has_memory_left_is_not(wasm: WithWasm) -> None:
    await wasm.start("crash", "0", memory_bytes=64 * MIB)
    end = await wasm.supervised.end("a")
    assert end.message.splitlines()[0] == WAYS["unreachable"][1]


async def test_nor_is_one_that_traps_for_another_reason(wasm: WithWasm) -> None:
    await wasm.start("crash", "1", memory_bytes=17 * MIB)
    end = await wasm.supervised.end("a")
    assert end.message.splitlines()[0] == WAYS["divides"][1]


async def test_less_memory_than_it_begins_with_is_a_start_error(wasm: WithWasm) -> None:
    await wasm.start("crash", "0", memory_bytes=65536)
    end = await wasm.supervised.end("a")
    assert (end.code, end.reason) == (START_ERROR_CODE, START_ERROR)
    assert "exceeds memory limits" in end.message
