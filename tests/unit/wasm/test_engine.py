"""The engine: what names it, and what is expected of its C interface."""

import ctypes
from collections.abc import Callable

import msgspec
import pytest

from krustlet.wasm import EngineSettings, Preopen, WasmLaunch, capi, encode_launch
from krustlet.wasm import fingerprint as fingerprint_room
from krustlet.wasm.engine import make_engine, make_linker
from krustlet.wasm.fingerprint import fingerprint
from krustlet.wasm.launch import decode_launch


def test_an_engine_has_one_name() -> None:
    assert fingerprint(EngineSettings()) == fingerprint(EngineSettings())
    assert len(fingerprint(EngineSettings())) == 16


@pytest.mark.parametrize(
    "change",
    [
        {"optimisation": "none"},
        {"max_stack_bytes": 1 << 20},
    ],
)
def test_settings_are_part_of_it(change: dict[str, str | int]) -> None:
    changed = msgspec.convert(change, EngineSettings)
    assert fingerprint(changed) != fingerprint(EngineSettings())


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("version", lambda _: "99"),
        ("_cpu_features", lambda: "avx10"),
    ],
)
def test_so_are_version_and_processor(
    monkeypatch: pytest.MonkeyPatch, name: str, value: Callable[..., str]
) -> None:
    before = fingerprint(EngineSettings())
    monkeypatch.setattr(fingerprint_room, name, value)
    assert fingerprint(EngineSettings()) != before


def test_a_function_of_another_interface_is_noticed() -> None:
    """Called with one parameter too few, C would take whatever lies about for it."""
    pointer = ctypes.c_void_p
    for name, signature in {
        "wasmtime_store_new": (pointer, pointer),
        "wasi_config_preopen_dir": (ctypes.c_bool, pointer, pointer, pointer, ctypes.c_uint64),
        "wasi_config_new": (None,),
        "wasmtime_no_such_function": (None,),
    }.items():
        with pytest.raises(ImportError, match=f"{name} of this wasmtime is not the one"):
            capi._function(name, *signature)


def test_an_engine_and_its_linker_have_addresses() -> None:
    engine = make_engine(EngineSettings())
    linker = make_linker(engine)
    assert capi.address(engine) != capi.address(linker) != 0


def test_a_launch_comes_back() -> None:
    launch = WasmLaunch(
        code="/code", argv=["a", ""], env=[("A", "b")], preopens=[Preopen("/h", "/g", True)]
    )
    assert decode_launch(encode_launch(launch)) == launch
