"""The few functions of wasmtime's C API that run a module, called as they are.

The Python bindings wrap each in several objects, and a child that looks at an object copies the
page it lies on. Measured: through them a container has 0.9 MB more of its own.
All that can be made beforehand is made when this is imported, in the zygote; what is kept here
serves one run, as a process does.

Pointers are plain numbers. The bindings still know each function's parameters, so an engine of
another interface is noticed here, and not by a guest that may write where it should only read.
"""

import ctypes
from collections.abc import Callable, Sequence
from typing import Any, Final

import wasmtime
from wasmtime import _bindings as bindings
from wasmtime._ffi import dll

_Pointer: Final = ctypes.c_void_p
_Text: Final = ctypes.c_char_p
_FEW: Final = 64
_FewWords: Final = _Text * _FEW  # most arrays fit one, so that a child need not make a type
_ENTRY_POINT: Final = b"_start"
_FUNCTION: Final = 0  # WASMTIME_EXTERN_FUNC


class EngineError(Exception):
    """The engine refuses; its own words."""


class Trapped(Exception):
    """The guest was ended by the engine; its own words, with a back-trace."""


def _function(name: str, result: Any, *parameters: Any) -> Callable[..., Any]:
    """The C function `name`, checked against what the bindings know of it.

    Raises:
        ImportError: this wasmtime's function is another one.
    """
    known = getattr(bindings, f"_{name}", None)
    if known is None or _sizes(known.restype, *known.argtypes) != _sizes(result, *parameters):
        raise ImportError(f"{name} of this wasmtime is not the one that is expected")
    return ctypes.CFUNCTYPE(result, *parameters)((name, dll))


def _sizes(*types: Any) -> list[int]:
    return [0 if type_ is None else ctypes.sizeof(type_) for type_ in types]


_deserialize = _function("wasmtime_module_deserialize_file", _Pointer, _Pointer, _Text, _Pointer)
_new_store = _function("wasmtime_store_new", _Pointer, _Pointer, _Pointer, _Pointer)
_context = _function("wasmtime_store_context", _Pointer, _Pointer)
_new_wasi = _function("wasi_config_new", _Pointer)
_set_argv = _function("wasi_config_set_argv", ctypes.c_bool, _Pointer, ctypes.c_size_t, _Pointer)
_set_env = _function(
    "wasi_config_set_env", ctypes.c_bool, _Pointer, ctypes.c_size_t, _Pointer, _Pointer
)
_inherit_stdin = _function("wasi_config_inherit_stdin", None, _Pointer)
_inherit_stdout = _function("wasi_config_inherit_stdout", None, _Pointer)
_inherit_stderr = _function("wasi_config_inherit_stderr", None, _Pointer)
_preopen = _function(
    "wasi_config_preopen_dir", ctypes.c_bool, _Pointer, _Text, _Text, ctypes.c_bool
)
_set_wasi = _function("wasmtime_context_set_wasi", _Pointer, _Pointer, _Pointer)
_instantiate = _function("wasmtime_linker_instantiate", *[_Pointer] * 6)
_get_export = _function(
    "wasmtime_instance_export_get",
    ctypes.c_bool, _Pointer, _Pointer, _Text, ctypes.c_size_t, _Pointer,
)  # fmt: skip
_call = _function(
    "wasmtime_func_call",
    _Pointer, _Pointer, _Pointer, _Pointer, ctypes.c_size_t, _Pointer, ctypes.c_size_t, _Pointer,
)  # fmt: skip
_error_message = _function("wasmtime_error_message", None, _Pointer, _Pointer)
_error_trace = _function("wasmtime_error_wasm_trace", None, _Pointer, _Pointer)
_trap_message = _function("wasm_trap_message", None, _Pointer, _Pointer)

# What the functions answer into.
_module = _Pointer()
_trap = _Pointer()
_instance = bindings.wasmtime_instance_t()
_export = bindings.wasmtime_extern_t()
_module_at = ctypes.addressof(_module)
_trap_at = ctypes.addressof(_trap)
_instance_at = ctypes.addressof(_instance)
_export_at = ctypes.addressof(_export)
_export_kind = ctypes.c_uint8.from_address(_export_at)
_exported_function_at = _export_at + bindings.wasmtime_extern_t.of.offset


def address(of: wasmtime.Engine | wasmtime.Linker) -> int:
    """Where the bindings' object has what it stands for."""
    found = ctypes.cast(of.ptr(), _Pointer).value
    assert found is not None
    return found


def load_module(engine: int, code: str) -> int:
    """Map the native code at the path `code`.

    Raises:
        EngineError: it cannot be read, or is not for this engine.
    """
    if error := _deserialize(engine, _bytes(code, "a path"), _module_at):
        raise EngineError(f"{code}: {_in_one_line(error)}")
    return _module.value or 0


def make_wasi(argv: Sequence[str], env: Sequence[tuple[str, str]]) -> int:
    """What a guest is given; its standard streams are this process' own.

    Raises:
        EngineError: a word of it cannot be given to a guest.
    """
    wasi = _new_wasi()
    words = _array(argv, "an argument")
    if not _set_argv(wasi, len(argv), ctypes.addressof(words)):
        raise EngineError("the engine does not take these arguments")
    names = _array([name for name, _ in env], "a variable's name")
    values = _array([value for _, value in env], "a variable")
    if not _set_env(wasi, len(env), ctypes.addressof(names), ctypes.addressof(values)):
        raise EngineError("the engine does not take these variables")
    _inherit_stdin(wasi)
    _inherit_stdout(wasi)
    _inherit_stderr(wasi)
    return int(wasi)


def preopen(wasi: int, *, host: str, guest: str, read_only: bool) -> bool:
    """Show the host's directory to the guest; whether that is possible."""
    return bool(_preopen(wasi, _bytes(host, "a path"), _bytes(guest, "a path"), not read_only))


def run_command(engine: int, linker: int, module: int, wasi: int) -> None:
    """Run a command's `_start` until it returns.

    Raises:
        EngineError: it could not be begun.
        Trapped: it was begun, and ended by the engine.
    """
    context = _context(_new_store(engine, None, None))
    if error := _set_wasi(context, wasi):
        raise EngineError(_in_one_line(error))
    if error := _instantiate(linker, context, module, _instance_at, _trap_at):
        raise EngineError(_in_one_line(error))
    _raise_trap()  # of the module's start function
    found = _get_export(context, _instance_at, _ENTRY_POINT, len(_ENTRY_POINT), _export_at)
    if not found or _export_kind.value != _FUNCTION:
        raise EngineError("it has no _start to run")
    if error := _call(context, _exported_function_at, None, 0, None, 0, _trap_at):
        raise _error_in_call(error)
    _raise_trap()


def _raise_trap() -> None:
    if _trap.value is not None:
        raise Trapped(_told(_trap_message, _trap.value))


def _error_in_call(error: int) -> Exception:
    """A host function's error has a trace of the guest that called it; a wrong call has none."""
    frames = bindings.wasm_frame_vec_t()
    _error_trace(error, ctypes.addressof(frames))
    if frames.size:
        return Trapped(_told(_error_message, error))
    return EngineError(f"its _start cannot be called: {_in_one_line(error)}")


def _in_one_line(error: int) -> str:
    return " ".join(_told(_error_message, error).split())


def _told(message_of: Callable[[int, int], None], source: int) -> str:
    text = bindings.wasm_byte_vec_t()
    message_of(source, ctypes.addressof(text))
    told = ctypes.string_at(text.data, text.size)
    return told.rstrip(b"\0").decode(errors="replace")


def _array(words: Sequence[str], what: str) -> "ctypes.Array[ctypes.c_char_p]":
    make = _FewWords if len(words) <= _FEW else _Text * len(words)
    return make(*[_bytes(word, what) for word in words])


def _bytes(text: str, what: str) -> bytes:
    data = text.encode()
    if b"\0" in data:  # C would take it for the end
        raise EngineError(f"{what} holds a zero byte")  # and may hold a secret
    return data
