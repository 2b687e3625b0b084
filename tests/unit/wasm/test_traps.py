"""wasmtime's words for a trap, put the way a person reads them."""

import pytest

from krustlet.wasm.traps import Trapped, describe_trap

TRACE = """error while executing at wasm backtrace:
    0:   0x2e - <unknown>!boom
    1: main.wasm!main
"""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(
            f"{TRACE}\nCaused by:\n    wasm trap: integer divide by zero\n",
            "wasm trap: integer divide by zero\n"
            "wasm backtrace:\n    0:   0x2e - boom\n    1: main.wasm!main",
            id="one-cause",
        ),
        pytest.param(
            f"{TRACE}\nCaused by:\n    0: memory fault at 0x7\n    1: wasm trap: out of bounds\n",
            "wasm trap: out of bounds: memory fault at 0x7\n"
            "wasm backtrace:\n    0:   0x2e - boom\n    1: main.wasm!main",
            id="two-causes",
        ),
        pytest.param("wasm trap: interrupt\n", "wasm trap: interrupt", id="no-trace"),
        pytest.param("", "", id="nothing"),
    ],
)
def test_the_cause_comes_first(text: str, expected: str) -> None:
    assert describe_trap(Trapped(text)) == expected


UNREACHABLE = "wasm trap: wasm `unreachable` instruction executed"
BOUNDS = "wasm trap: out of bounds memory access"
MIB = 1 << 20


@pytest.mark.parametrize(
    ("cause", "memory", "prefix"),
    [
        pytest.param(UNREACHABLE, (64 * MIB, 64 * MIB), "memory exhausted, 64.0 of", id="full"),
        pytest.param(BOUNDS, (61 * MIB, 64 * MIB), "memory exhausted, 61.0 of", id="nearly"),
        pytest.param(UNREACHABLE, (59 * MIB, 64 * MIB), "wasm trap", id="a-part-is-left"),
        pytest.param(UNREACHABLE, (MIB, 4 << 30), "wasm trap", id="hardly-used"),
        pytest.param(UNREACHABLE, None, "wasm trap", id="nobody-knows"),
        pytest.param("wasm trap: call stack exhausted", (MIB, MIB), "wasm trap", id="another"),
    ],
)
def test_who_gives_up_without_memory_left_is_told_so(
    cause: str, memory: tuple[int, int] | None, prefix: str
) -> None:
    trap = Trapped(f"{TRACE}\nCaused by:\n    {cause}\n")
    trap.memory = memory
    first = describe_trap(trap).splitlines()[0]
    assert first.startswith(prefix)
    assert first.endswith(cause)
