"""What the runner makes of its settings and of a launch."""

import msgspec
import pytest

from krustlet.wasm import EngineSettings, WasmLaunch
from krustlet.wasm.runner import WasmRunner, variables_of
from krustlet.wasm.traps import EngineError


def test_without_settings_it_has_the_defaults() -> None:
    assert WasmRunner().settings == EngineSettings()


def test_its_settings_are_read_from_text() -> None:
    wanted = EngineSettings(optimisation="none", max_memory_bytes=1 << 20, threads=True)
    assert WasmRunner(msgspec.json.encode(wanted).decode()).settings == wanted


@pytest.mark.parametrize("text", ["{", '{"simd": "yes"}', "[]"])
def test_settings_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(EngineError, match=r"^settings of the engine: "):
        WasmRunner(text)


@pytest.mark.parametrize(
    ("env", "working_dir", "expected"),
    [
        pytest.param([("A", "1")], "", [("A", "1")], id="none"),
        pytest.param([("A", "1")], "/srv", [("A", "1"), ("PWD", "/srv")], id="told"),
        pytest.param([("PWD", "/mine")], "/srv", [("PWD", "/mine")], id="the-pods-own-wins"),
    ],
)
def test_the_working_directory_is_a_variable(
    env: list[tuple[str, str]], working_dir: str, expected: list[tuple[str, str]]
) -> None:
    launch = WasmLaunch(code="/code", argv=["a"], env=env, working_dir=working_dir)
    assert variables_of(launch) == expected
