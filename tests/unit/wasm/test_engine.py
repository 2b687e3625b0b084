"""The engine: what names it, and what is expected of its C interface."""

import ctypes
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from krustlet.wasm import EngineSettings, Preopen, WasmLaunch, capi, encode_launch
from krustlet.wasm import fingerprint as fingerprint_room
from krustlet.wasm.command import make_engine as make_engine_of_containers
from krustlet.wasm.compile import compile_module, make_engine
from krustlet.wasm.engine import MAX_STACK_BYTES
from krustlet.wasm.fingerprint import fingerprint
from krustlet.wasm.launch import decode_launch
from krustlet.wasm.traps import EngineError


def test_an_engine_has_one_name() -> None:
    assert fingerprint(EngineSettings()) == fingerprint(EngineSettings())
    assert len(fingerprint(EngineSettings())) == 16


@pytest.mark.parametrize(
    "change",
    [
        {"optimisation": "none"},
        {"simd": False},
        {"threads": True},
    ],
)
def test_settings_that_change_code_are_part_of_it(change: dict[str, str | bool]) -> None:
    changed = msgspec.convert(change, EngineSettings)
    assert fingerprint(changed) != fingerprint(EngineSettings())


def test_settings_that_change_no_code_are_not() -> None:
    changed = EngineSettings(max_stack_bytes=1 << 20, max_memory_bytes=1 << 20)
    assert fingerprint(changed) == fingerprint(EngineSettings())


@pytest.mark.parametrize(
    "settings",
    [
        EngineSettings(),
        EngineSettings(simd=False),
        EngineSettings(threads=True),
        EngineSettings(optimisation="none", simd=False, max_stack_bytes=MAX_STACK_BYTES),
        EngineSettings(optimisation="speed_and_size", threads=True, max_stack_bytes=64 << 10),
    ],
    ids=str,
)
def test_code_loads_into_every_engine_of_its_name(settings: EngineSettings, tmp_path: Path) -> None:
    for kind, text in (("module", "(module)"), ("component", "(component)")):
        code = tmp_path / f"{kind}.cwasm"
        with code.open("wb") as into:
            compile_module(make_engine(settings), text.encode(), into=into.fileno())
        for stack in (64 << 10, MAX_STACK_BYTES):
            same = msgspec.structs.replace(settings, max_stack_bytes=stack, max_memory_bytes=1)
            assert fingerprint(same) == fingerprint(settings)
            engine = make_engine_of_containers(same, proc_exit=lambda code: None)
            assert engine[kind].load(str(code))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("version", lambda _: "99"),
        ("_cpu_features", lambda: "avx10"),
        ("_STEP", "what we did long ago"),
    ],
)
def test_so_are_version_and_processor(
    monkeypatch: pytest.MonkeyPatch, name: str, value: Callable[..., str] | str
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
        pytest.param(
            "ComponentValue", Packed, "wasmtime_component_val_t", id="where-the-answer-lies"
        ),
        pytest.param("Extern", Aligned, "wasmtime_extern_t", id="its-alignment"),
        pytest.param(
            "RawCallback",
            ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p),
            "wasmtime_func_unchecked_callback_t",
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


@pytest.mark.parametrize("name", ["I32", "I64", "FUNCTION", "MEMORY", "RESULT"])
def test_another_number_for_a_kind_is_noticed(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(capi, name, 77)
    with pytest.raises(ImportError, match="numbers its kinds in another way"):
        capi.check()


def test_what_the_library_lacks_is_an_import_error() -> None:
    with pytest.raises(ImportError, match=r"^this wasmtime has no wasmtime_no_such_function$"):
        capi._function("wasmtime_no_such_function", None)


def test_native_code_that_cannot_be_loaded_is_told_in_the_engines_words(tmp_path: Path) -> None:
    odd = tmp_path / "odd.cwasm"
    odd.write_bytes(b"\x7fELF" + bytes(10_000))
    engine = make_engine_of_containers(EngineSettings(), proc_exit=lambda code: None)["module"]
    with pytest.raises(EngineError, match=f"^{odd}: "):
        engine.load(str(odd))
    with pytest.raises(EngineError, match=f"^{odd}.gone: .*[nN]o such file"):
        engine.load(f"{odd}.gone")


def test_a_launch_comes_back() -> None:
    launch = WasmLaunch(
        code="/code", argv=["a", ""], env=[("A", "b")], preopens=[Preopen("/h", "/g", True)]
    )
    assert decode_launch(encode_launch(launch)) == launch
