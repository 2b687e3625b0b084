"""wasmtime's words for a trap, put the way a person reads them."""

import pytest

from krustlet.wasm.runner import describe_trap

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
        pytest.param(
            f"{TRACE}note: using the `WASMTIME_BACKTRACE_DETAILS=1` environment variable may show "
            "more debugging information\n\nCaused by:\n    wasm trap: out of bounds\n",
            "wasm trap: out of bounds\n"
            "wasm backtrace:\n    0:   0x2e - boom\n    1: main.wasm!main",
            id="without-advice-that-nobody-here-can-take",
        ),
        pytest.param("wasm trap: interrupt\n", "wasm trap: interrupt", id="no-trace"),
        pytest.param("", "", id="nothing"),
    ],
)
def test_the_cause_comes_first(text: str, expected: str) -> None:
    assert describe_trap(text) == expected
