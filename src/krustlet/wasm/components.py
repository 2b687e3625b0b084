"""Run a preview-2 command component.

Owns the linker of components. A component ends itself by an error that holds its exit code, and
its memories cannot be seen from outside.
"""

import ctypes
from typing import Final

from krustlet.wasm import capi
from krustlet.wasm.given import as_text, new_context
from krustlet.wasm.traps import EngineError, check, error_of_guest, in_one_line

_INTERFACE: Final = b"wasi:cli/run@0.2.0"  # any 0.2 answers to it
_ENTRY_POINT: Final = b"run"
_FAILED: Final = 1

# What the functions answer into.
_component = capi.Pointer()
_instance = capi.ComponentInstance()
_function = capi.ComponentFunction()
_result = capi.ComponentValue()
_component_at = ctypes.addressof(_component)
_instance_at = ctypes.addressof(_instance)
_function_at = ctypes.addressof(_function)
_result_at = ctypes.addressof(_result)


class Components:
    """A linker with preview 2 in it."""

    def __init__(self, engine: int) -> None:
        self._engine = engine
        self._linker = capi.component_linker_new(engine)
        check(capi.component_linker_add_wasi(self._linker))

    def load(self, path: str) -> int:
        """Map the native code of a component."""
        text = as_text(path, "a path")
        if error := capi.component_deserialize_file(self._engine, text, _component_at):
            raise EngineError(f"{path}: {in_one_line(error)}")
        return _component.value or 0

    def run(self, component: int, wasi: int, memory_bytes: int | None) -> int:
        """Run `wasi:cli/run` until it returns; 0 if it says that all went well."""
        context = new_context(self._engine, wasi, memory_bytes)
        linker, arguments = self._linker, (context, component, _instance_at)
        if error := capi.component_linker_instantiate(linker, *arguments):
            raise error_of_guest(error)
        if not _find_run(component, context):
            raise EngineError("it has no wasi:cli/run to run")
        if error := capi.component_func_call(_function_at, context, None, 0, _result_at, 1):
            raise error_of_guest(error, "its wasi:cli/run cannot be called: ")
        return 0 if _result.kind == capi.RESULT and _result.of.is_ok else _FAILED


def _find_run(component: int, context: int) -> bool:
    interface = capi.component_export_index(component, None, _INTERFACE, len(_INTERFACE))
    if not interface:
        return False
    index = capi.component_export_index(component, interface, _ENTRY_POINT, len(_ENTRY_POINT))
    return bool(index and capi.component_instance_func(_instance_at, context, index, _function_at))
