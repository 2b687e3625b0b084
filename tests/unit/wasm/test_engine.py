"""The engine: what names it, and what is expected of its C interface."""

import ctypes
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from krustlet.wasm import EngineSettings, Preopen, WasmLaunch, capi, encode_launch
from krustlet.wasm import fingerprint as fingerprint_room
from krustlet.wasm.command import Engine, EngineError
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


def test_the_engine_that_is_installed_is_the_one_expected() -> None:
    capi.check()


@pytest.mark.parametrize(
    ("name", "signature"),
    [
        pytest.param(
            "wasmtime_store_new",
            (capi.Pointer, capi.Pointer, capi.Pointer),
            id="one-parameter-too-few",  # C would take whatever lies about for it
        ),
        pytest.param(
            "wasi_config_preopen_dir",
            (capi.Flag, capi.Pointer, capi.Text, capi.Text, capi.Size),
            id="a-parameter-of-another-size",
        ),
        pytest.param("wasi_config_new", (None,), id="no-result"),
        pytest.param("wasi_config_inherit_stdin", (capi.Pointer, capi.Pointer), id="a-result"),
        pytest.param("wasmtime_no_such_function", (None,), id="a-function-that-is-gone"),
    ],
)
def test_a_function_of_another_interface_is_noticed(
    monkeypatch: pytest.MonkeyPatch, name: str, signature: tuple[object, ...]
) -> None:
    monkeypatch.setitem(capi._signatures, name, signature)
    with pytest.raises(ImportError, match=f"^{name} of this wasmtime is not the one"):
        capi.check()


class Longer(ctypes.Structure):
    _fields_ = (("inside", ctypes.c_uint64 * 3),)


class Packed(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("kind", ctypes.c_uint8), ("of", ctypes.c_uint8 * 31))


class Aligned(ctypes.Structure):
    _fields_ = (("kind", ctypes.c_uint8), ("rest", ctypes.c_uint8 * 31))


@pytest.mark.parametrize(
    ("ours", "other", "name"),
    [
        pytest.param("Instance", Longer, "wasmtime_instance_t", id="its-size"),
        pytest.param("Value", Packed, "wasmtime_val_t", id="where-the-number-lies"),
        pytest.param("Extern", Aligned, "wasmtime_extern_t", id="its-alignment"),
        pytest.param(
            "Callback",
            ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p),
            "wasmtime_func_callback_t",
            id="what-it-calls-back",
        ),
    ],
)
def test_a_value_of_another_shape_is_noticed(
    monkeypatch: pytest.MonkeyPatch, ours: str, other: type, name: str
) -> None:
    monkeypatch.setattr(capi, ours, other)
    with pytest.raises(ImportError, match=f"^{name} of this wasmtime is not the one"):
        capi.check()


@pytest.mark.parametrize("name", ["I32", "FUNCTION"])
def test_another_number_for_a_kind_is_noticed(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(capi, name, 1)
    with pytest.raises(ImportError, match="numbers its kinds in another way"):
        capi.check()


def test_what_the_library_lacks_is_an_import_error() -> None:
    with pytest.raises(ImportError, match=r"^this wasmtime has no wasmtime_no_such_function$"):
        capi._function("wasmtime_no_such_function", None)


def test_native_code_that_cannot_be_loaded_is_told_in_the_engines_words(tmp_path: Path) -> None:
    odd = tmp_path / "odd.cwasm"
    odd.write_bytes(b"\x7fELF" + bytes(10_000))
    engine = Engine(EngineSettings(), proc_exit=lambda code: None)
    with pytest.raises(EngineError, match=f"^{odd}: "):
        engine.load(str(odd))
    with pytest.raises(EngineError, match=f"^{odd}.gone: .*[nN]o such file"):
        engine.load(f"{odd}.gone")


def test_a_launch_comes_back() -> None:
    launch = WasmLaunch(
        code="/code", argv=["a", ""], env=[("A", "b")], preopens=[Preopen("/h", "/g", True)]
    )
    assert decode_launch(encode_launch(launch)) == launch
