"""The few functions of wasmtime's C API that make an engine and run a module in it.

Not through wasmtime's Python bindings: these wrap each function in several objects, and a child
that looks at an object copies the page it lies on. Measured: through the bindings a container has
0.9 MB more of its own, and its zygote 3 MB, which is ready 25 ms later.

Pointers are plain numbers here, and nothing tells C a wrong one from a right one. The bindings do
know what the installed engine expects: `check` compares.
"""

import ctypes
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

Pointer: Final = ctypes.c_void_p
Text: Final = ctypes.c_char_p
Size: Final = ctypes.c_size_t
Flag: Final = ctypes.c_bool
Enum: Final = ctypes.c_uint8

I32: Final = 0  # WASM_I32
I64: Final = 1  # WASM_I64
FUNCTION: Final = 0  # WASMTIME_EXTERN_FUNC
MEMORY: Final = 3  # WASMTIME_EXTERN_MEMORY
RESULT: Final = 19  # WASMTIME_COMPONENT_RESULT


class Vector(ctypes.Structure):
    """`wasm_byte_vec_t`, and every other vector."""

    _fields_ = (("size", Size), ("data", Pointer))


class Instance(ctypes.Structure):
    """`wasmtime_instance_t`, which only wasmtime looks into."""

    _fields_ = (("inside", ctypes.c_uint64 * 2),)


class Extern(ctypes.Structure):
    """`wasmtime_extern_t`; what it is of depends on its kind."""

    _fields_ = (("kind", Enum), ("of", ctypes.c_uint64 * 3))


RawCallback: Final = ctypes.CFUNCTYPE(Pointer, Pointer, Pointer, Pointer, Size)
"""`wasmtime_func_unchecked_callback_t`; its results take the place of its arguments.

An exception in one is printed, and C goes on with any answer.
"""


class ComponentInstance(ctypes.Structure):
    """`wasmtime_component_instance_t`, which only wasmtime looks into."""

    _fields_ = (("inside", ctypes.c_uint64 * 2),)


class ComponentFunction(ctypes.Structure):
    """`wasmtime_component_func_t`, which only wasmtime looks into."""

    _fields_ = (("inside", ctypes.c_uint64 * 4),)


class Result(ctypes.Union):
    """`wasmtime_component_valunion_t`, of which we know whether a result is the good one."""

    _fields_ = (("is_ok", Flag), ("others", ctypes.c_uint64 * 3))


class ComponentValue(ctypes.Structure):
    """`wasmtime_component_val_t`."""

    _fields_ = (("kind", Enum), ("of", Result))


_signatures: dict[str, tuple[Any, ...]] = {}


def _library() -> Path:
    package = find_spec("wasmtime")
    for directory in (package and package.submodule_search_locations) or ():
        for path in Path(directory).glob("*/_libwasmtime.*"):
            return path
    raise ImportError("there is no wasmtime library in a package of that name")


_path = _library()
_dll = ctypes.CDLL(str(_path))


def is_version(version: str) -> bool:
    """Whether the installed wasmtime is this one; asked without what reads metadata at length."""
    return (_path.parents[2] / f"wasmtime-{version}.dist-info").is_dir()


def _function(name: str, result: Any, *parameters: Any) -> Callable[..., Any]:
    try:
        function = ctypes.CFUNCTYPE(result, *parameters)((name, _dll))
    except AttributeError as exc:
        raise ImportError(f"this wasmtime has no {name}") from exc
    _signatures[name] = (result, *parameters)
    return function


# of every guest, side by side: a child copies the page of each that it calls
module_deserialize_file = _function(
    "wasmtime_module_deserialize_file", Pointer, Pointer, Text, Pointer
)
wasi_new = _function("wasi_config_new", Pointer)
wasi_set_argv = _function("wasi_config_set_argv", Flag, Pointer, Size, Pointer)
wasi_set_env = _function("wasi_config_set_env", Flag, Pointer, Size, Pointer, Pointer)
wasi_inherit_stdin = _function("wasi_config_inherit_stdin", None, Pointer)
wasi_inherit_stdout = _function("wasi_config_inherit_stdout", None, Pointer)
wasi_inherit_stderr = _function("wasi_config_inherit_stderr", None, Pointer)
wasi_preopen_dir = _function("wasi_config_preopen_dir", Flag, Pointer, Text, Text, Flag)
store_new = _function("wasmtime_store_new", Pointer, Pointer, Pointer, Pointer)
store_limit = _function("wasmtime_store_limiter", None, Pointer, *[ctypes.c_int64] * 5)
store_context = _function("wasmtime_store_context", Pointer, Pointer)
context_set_wasi = _function("wasmtime_context_set_wasi", Pointer, Pointer, Pointer)
linker_instantiate = _function("wasmtime_linker_instantiate", *[Pointer] * 6)
instance_export_get = _function(
    "wasmtime_instance_export_get", Flag, Pointer, Pointer, Text, Size, Pointer
)
func_call = _function(
    "wasmtime_func_call", *(Pointer, Pointer, Pointer, Pointer, Size, Pointer, Size, Pointer)
)

# of components
wasi_inherit_network = _function("wasi_config_inherit_network", None, Pointer)
wasi_allow_name_lookup = _function("wasi_config_allow_ip_name_lookup", None, Pointer, Flag)
component_deserialize_file = _function(
    "wasmtime_component_deserialize_file", Pointer, Pointer, Text, Pointer
)
component_linker_instantiate = _function("wasmtime_component_linker_instantiate", *[Pointer] * 5)
component_export_index = _function(
    "wasmtime_component_get_export_index", Pointer, Pointer, Pointer, Text, Size
)
component_instance_func = _function("wasmtime_component_instance_get_func", Flag, *[Pointer] * 4)
component_func_call = _function(
    "wasmtime_component_func_call", *(Pointer, Pointer, Pointer, Pointer, Size, Pointer, Size)
)

# of what is made once
config_new = _function("wasm_config_new", Pointer)
config_set_optimisation = _function("wasmtime_config_cranelift_opt_level_set", None, Pointer, Enum)
config_set_max_stack = _function("wasmtime_config_max_wasm_stack_set", None, Pointer, Size)
config_switches = {
    name: _function(name, None, Pointer, Flag)
    for name in (
        "wasmtime_config_wasm_simd_set",
        "wasmtime_config_wasm_relaxed_simd_set",
        "wasmtime_config_wasm_threads_set",
        "wasmtime_config_shared_memory_set",
    )
}
config_set_parallel_compilation = _function(
    "wasmtime_config_parallel_compilation_set", None, Pointer, Flag
)
engine_new = _function("wasm_engine_new_with_config", Pointer, Pointer)
linker_new = _function("wasmtime_linker_new", Pointer, Pointer)
linker_define_wasi = _function("wasmtime_linker_define_wasi", Pointer, Pointer)
linker_allow_shadowing = _function("wasmtime_linker_allow_shadowing", None, Pointer, Flag)
linker_define_raw_func = _function(
    "wasmtime_linker_define_func_unchecked",
    *(Pointer, Pointer, Text, Size, Text, Size, Pointer, RawCallback, Pointer, Pointer),
)
valtype_new = _function("wasm_valtype_new", Pointer, Enum)
valtype_vec_new = _function("wasm_valtype_vec_new", None, Pointer, Size, Pointer)
functype_new = _function("wasm_functype_new", Pointer, Pointer, Pointer)
component_linker_new = _function("wasmtime_component_linker_new", Pointer, Pointer)
component_linker_add_wasi = _function("wasmtime_component_linker_add_wasip2", Pointer, Pointer)

# of calls back
caller_context = _function("wasmtime_caller_context", Pointer, Pointer)
caller_export_get = _function("wasmtime_caller_export_get", Flag, Pointer, Text, Size, Pointer)
wat_to_wasm = _function("wasmtime_wat2wasm", Pointer, Text, Size, Pointer)
module_new = _function("wasmtime_module_new", Pointer, Pointer, Pointer, Size, Pointer)
linker_define = _function(
    "wasmtime_linker_define", *(Pointer, Pointer, Pointer, Text, Size, Text, Size, Pointer)
)
raw_func_call = _function(
    "wasmtime_func_call_unchecked", *(Pointer, Pointer, Pointer, Pointer, Size, Pointer)
)

# of bad ends
memory_size = _function("wasmtime_memory_data_size", Size, Pointer, Pointer)
error_exit_status = _function("wasmtime_error_exit_status", Flag, Pointer, Pointer)
error_message = _function("wasmtime_error_message", None, Pointer, Pointer)
error_wasm_trace = _function("wasmtime_error_wasm_trace", None, Pointer, Pointer)
trap_message = _function("wasm_trap_message", None, Pointer, Pointer)
trap_new = _function("wasmtime_trap_new", Pointer, Text, Size)


def define(
    linker: int,
    module: str,
    name: str,
    parameters: Sequence[int],
    results: Sequence[int],
    callback: Any,
    number: int = 0,
) -> None:
    """Have guests call `callback` by that name.

    Args:
        parameters: their kinds; those of `results` likewise.
        callback: a `RawCallback` that outlives the linker; told `number` as its first argument.
    """
    lists = [Vector(), Vector()]
    for kinds, into in zip((parameters, results), lists, strict=True):
        types = (Pointer * len(kinds))(*[valtype_new(kind) for kind in kinds])
        valtype_vec_new(ctypes.addressof(into), len(kinds), ctypes.addressof(types))
    signature = functype_new(*[ctypes.addressof(kinds) for kinds in lists])
    names = (module.encode(), len(module), name.encode(), len(name))
    if linker_define_raw_func(linker, *names, signature, callback, number, None):
        raise ImportError(f"this wasmtime does not take a {name}")


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
    callback = known.wasmtime_func_unchecked_callback_t
    _compare("wasmtime_func_unchecked_callback_t", _parts_of(RawCallback), _parts_of(callback))
    for name, type_ in (
        ("wasm_byte_vec_t", Vector),
        ("wasmtime_instance_t", Instance),
        ("wasmtime_extern_t", Extern),
        ("wasmtime_component_instance_t", ComponentInstance),
        ("wasmtime_component_func_t", ComponentFunction),
        ("wasmtime_component_val_t", ComponentValue),
    ):
        _compare(name, (type_,), (getattr(known, name),))
    for number, theirs in (
        (I32, numbers.WASM_I32),
        (I64, numbers.WASM_I64),
        (FUNCTION, numbers.WASMTIME_EXTERN_FUNC),
        (MEMORY, numbers.WASMTIME_EXTERN_MEMORY),
        (RESULT, numbers.WASMTIME_COMPONENT_RESULT),
    ):
        if number != theirs.value:
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
