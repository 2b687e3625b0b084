"""The few functions of wasmtime's C API that make an engine and run a module in it.

Not through wasmtime's Python bindings: these wrap each function in several objects, and a child
that looks at an object copies the page it lies on. Measured: through the bindings a container has
0.9 MB more of its own, and its zygote 3 MB, which is ready 25 ms later.

Pointers are plain numbers here, and nothing tells C a wrong one from a right one. The bindings do
know what the installed engine expects: `check` compares.
"""

import ctypes
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

Pointer: Final = ctypes.c_void_p
Text: Final = ctypes.c_char_p
Size: Final = ctypes.c_size_t
Flag: Final = ctypes.c_bool
Enum: Final = ctypes.c_uint8

I32: Final = 0  # WASM_I32
FUNCTION: Final = 0  # WASMTIME_EXTERN_FUNC


class Vector(ctypes.Structure):
    """`wasm_byte_vec_t`, and every other vector."""

    _fields_ = (("size", Size), ("data", Pointer))


class Instance(ctypes.Structure):
    """`wasmtime_instance_t`, which only wasmtime looks into."""

    _fields_ = (("inside", ctypes.c_uint64 * 2),)


class Number(ctypes.Union):
    """`wasmtime_valunion_t`, of which we know the numbers of 32 bits."""

    _fields_ = (("i32", ctypes.c_int32), ("others", ctypes.c_uint64 * 3))


class Value(ctypes.Structure):
    """`wasmtime_val_t`."""

    _fields_ = (("kind", Enum), ("of", Number))


class Extern(ctypes.Structure):
    """`wasmtime_extern_t`; what it is of depends on its kind."""

    _fields_ = (("kind", Enum), ("of", ctypes.c_uint64 * 3))


Callback: Final = ctypes.CFUNCTYPE(Pointer, Pointer, Pointer, Pointer, Size, Pointer, Size)
"""`wasmtime_func_callback_t`: an exception in one is printed, and C goes on with any answer."""

_signatures: dict[str, tuple[Any, ...]] = {}


def _library() -> ctypes.CDLL:
    package = find_spec("wasmtime")
    for directory in (package and package.submodule_search_locations) or ():
        for path in Path(directory).glob("*/_libwasmtime.*"):
            return ctypes.CDLL(str(path))
    raise ImportError("there is no wasmtime library in a package of that name")


_dll = _library()


def _function(name: str, result: Any, *parameters: Any) -> Callable[..., Any]:
    try:
        function = ctypes.CFUNCTYPE(result, *parameters)((name, _dll))
    except AttributeError as exc:
        raise ImportError(f"this wasmtime has no {name}") from exc
    _signatures[name] = (result, *parameters)
    return function


config_new = _function("wasm_config_new", Pointer)
config_set_optimisation = _function("wasmtime_config_cranelift_opt_level_set", None, Pointer, Enum)
config_set_max_stack = _function("wasmtime_config_max_wasm_stack_set", None, Pointer, Size)
engine_new = _function("wasm_engine_new_with_config", Pointer, Pointer)
linker_new = _function("wasmtime_linker_new", Pointer, Pointer)
linker_define_wasi = _function("wasmtime_linker_define_wasi", Pointer, Pointer)
linker_allow_shadowing = _function("wasmtime_linker_allow_shadowing", None, Pointer, Flag)
linker_define_func = _function(
    "wasmtime_linker_define_func",
    *(Pointer, Pointer, Text, Size, Text, Size, Pointer, Callback, Pointer, Pointer),
)
valtype_new = _function("wasm_valtype_new", Pointer, Enum)
valtype_vec_new = _function("wasm_valtype_vec_new", None, Pointer, Size, Pointer)
functype_new = _function("wasm_functype_new", Pointer, Pointer, Pointer)
module_deserialize_file = _function(
    "wasmtime_module_deserialize_file", Pointer, Pointer, Text, Pointer
)
store_new = _function("wasmtime_store_new", Pointer, Pointer, Pointer, Pointer)
store_context = _function("wasmtime_store_context", Pointer, Pointer)
context_set_wasi = _function("wasmtime_context_set_wasi", Pointer, Pointer, Pointer)
wasi_new = _function("wasi_config_new", Pointer)
wasi_set_argv = _function("wasi_config_set_argv", Flag, Pointer, Size, Pointer)
wasi_set_env = _function("wasi_config_set_env", Flag, Pointer, Size, Pointer, Pointer)
wasi_inherit_stdin = _function("wasi_config_inherit_stdin", None, Pointer)
wasi_inherit_stdout = _function("wasi_config_inherit_stdout", None, Pointer)
wasi_inherit_stderr = _function("wasi_config_inherit_stderr", None, Pointer)
wasi_preopen_dir = _function("wasi_config_preopen_dir", Flag, Pointer, Text, Text, Flag)
linker_instantiate = _function("wasmtime_linker_instantiate", *[Pointer] * 6)
instance_export_get = _function(
    "wasmtime_instance_export_get", Flag, Pointer, Pointer, Text, Size, Pointer
)
func_call = _function(
    "wasmtime_func_call", *(Pointer, Pointer, Pointer, Pointer, Size, Pointer, Size, Pointer)
)
error_message = _function("wasmtime_error_message", None, Pointer, Pointer)
error_wasm_trace = _function("wasmtime_error_wasm_trace", None, Pointer, Pointer)
trap_message = _function("wasm_trap_message", None, Pointer, Pointer)


def check() -> None:
    """Compare all of the above with what the bindings know. For processes that load them anyway.

    Raises:
        ImportError: the installed wasmtime has another interface.
    """
    from wasmtime import _bindings as known
    from wasmtime import _ffi as numbers

    for name, signature in _signatures.items():
        function = getattr(known, f"_{name}", None)
        _compare(name, signature, function and (function.restype, *function.argtypes))
    callback = known.wasmtime_func_callback_t
    for name, ours, theirs in (
        ("wasmtime_func_callback_t", _parts_of(Callback), _parts_of(callback)),
        ("wasm_byte_vec_t", (Vector,), (known.wasm_byte_vec_t,)),
        ("wasmtime_instance_t", (Instance,), (known.wasmtime_instance_t,)),
        ("wasmtime_val_t", (Value,), (known.wasmtime_val_t,)),
        ("wasmtime_extern_t", (Extern,), (known.wasmtime_extern_t,)),
    ):
        _compare(name, ours, theirs)
    if (numbers.WASM_I32.value, numbers.WASMTIME_EXTERN_FUNC.value) != (I32, FUNCTION):
        raise ImportError("this wasmtime numbers its kinds in another way than is expected")


def _compare(name: str, ours: tuple[Any, ...], theirs: tuple[Any, ...] | None) -> None:
    if theirs is None or [*map(_shape, ours)] != [*map(_shape, theirs)]:
        raise ImportError(f"{name} of this wasmtime is not the one that is expected")


def _parts_of(callback: Any) -> tuple[Any, ...]:
    return (callback._restype_, *callback._argtypes_)


def _shape(type_: Any) -> tuple[int, int, int]:
    """Size, alignment, and where what it is `of` begins: all that C goes by."""
    if type_ is None:
        return 0, 0, 0
    of = getattr(type_, "of", None)
    return ctypes.sizeof(type_), ctypes.alignment(type_), of.offset if of is not None else 0
