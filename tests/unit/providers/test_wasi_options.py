"""What a node sets of the WASI provider is checked, and reaches compiler and runner alike."""

import re
from pathlib import Path

import pytest

from krustlet.provider import ProviderContext, ProviderOptionInvalid
from krustlet.providers.wasi import WasiProvider
from krustlet.providers.wasi.options import _OPTIONS, WasiOptions, parse
from krustlet.wasm import RUNNER, EngineSettings

PAGE = Path(__file__).parents[3] / "docs/reference/modules.md"


def test_without_any_all_is_as_the_engine_has_it() -> None:
    assert parse({}) == WasiOptions(settings=EngineSettings(), cache_bytes=1 << 30)


def test_each_is_understood() -> None:
    parsed = parse(
        {
            "simd": "false",
            "threads": "true",
            "max-stack": "1Mi",
            "max-memory": "512M",
            "optimisation": "speed-and-size",
            "cache-size": "2Gi",
        }
    )
    assert parsed == WasiOptions(
        settings=EngineSettings(
            simd=False,
            threads=True,
            max_stack_bytes=1 << 20,
            max_memory_bytes=512_000_000,
            optimisation="speed_and_size",
        ),
        cache_bytes=2 << 30,
    )


@pytest.mark.parametrize(
    ("name", "value", "wanted"),
    [
        ("simd", "yes", "true or false"),
        ("threads", "", "true or false"),
        ("max-stack", "3Mi", "a size from 64Ki to 2Mi"),
        ("max-stack", "1", "a size from 64Ki to 2Mi"),
        ("max-memory", "0", "a size of at least 64Ki, as in 512Mi"),
        ("max-memory", "much", "a size of at least 64Ki, as in 512Mi"),
        ("max-memory", "1e3", "a size of at least 64Ki, as in 512Mi"),
        ("cache-size", "-1", "a size, as in 2Gi"),
        ("cache-size", "9999999Ti", "a size, as in 2Gi"),
        ("optimisation", "fast", "none, speed or speed-and-size"),
    ],
)
def test_a_value_it_cannot_have_is_told(name: str, value: str, wanted: str) -> None:
    with pytest.raises(ProviderOptionInvalid) as caught:
        parse({name: value})
    assert caught.value.message == f"provider option {name}={value}: it has to be {wanted}"


def test_an_option_that_is_none_is_told_with_those_there_are() -> None:
    with pytest.raises(
        ProviderOptionInvalid, match="'sims' is unknown; there are: cache-size, max"
    ):
        parse({"sims": "true"})


def test_the_runner_is_named_with_what_differs(tmp_path: Path) -> None:
    plain = WasiProvider(ProviderContext(cache=tmp_path, options={"cache-size": "1Gi"}))
    assert plain.runners == (RUNNER,)
    chosen = WasiProvider(ProviderContext(cache=tmp_path, options={"simd": "false"}))
    assert chosen.runners == (f'{RUNNER}={{"simd":false}}',)


def test_the_documentation_has_every_option_and_no_other() -> None:
    table = PAGE.read_text().partition("| option | default | |")[2].partition("\n\n")[0]
    assert set(re.findall(r"^\| `([^`]+)`", table, re.MULTILINE)) == set(_OPTIONS)
