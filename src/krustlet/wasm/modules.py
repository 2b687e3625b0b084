"""Run a preview-1 command module.

Owns the linker of modules, and what stands in it for WASI's own functions.
"""

import ctypes
import os
from collections.abc import Callable
from typing import Final

from krustlet.wasm import capi
from krustlet.wasm.engine import WASI_PREVIEW_1
from krustlet.wasm.given import as_text, new_context
from krustlet.wasm.traps import (
    ABORTED,
    EngineError,
    Trapped,
    abort,
    check,
    error_of_guest,
    in_one_line,
    trapped,
)
from krustlet.wasm.unstable import Unstable

_ENTRY_POINT: Final = b"_start"
_MEMORY: Final = b"memory"  # as WASI wants it to be called
_ADDRESSABLE: Final = 1 << 32  # bytes, by a number of 32 bits

# What the functions answer into.
_module = capi.Pointer()
_trap = capi.Pointer()
_instance = capi.Instance()
_export = capi.Extern()
_module_at = ctypes.addressof(_module)
_trap_at = ctypes.addressof(_trap)
_instance_at = ctypes.addressof(_instance)
_export_at = ctypes.addressof(_export)
_exported_at = _export_at + capi.Extern.of.offset


class Modules:
    """A linker with preview 1 in it, and with what is left of its forerunner."""

    def __init__(self, engine: int, proc_exit: Callable[[int], object]) -> None:
        self._engine = engine
        self._linker = capi.linker_new(engine)
        check(capi.linker_define_wasi(self._linker))
        self._proc_exit = capi.RawCallback(lambda _e, _c, values, _: _end(proc_exit, values))
        capi.linker_allow_shadowing(self._linker, True)
        capi.define(self._linker, WASI_PREVIEW_1, "proc_exit", [capi.I32], [], self._proc_exit)
        self.unstable = Unstable(engine, self._linker)

    def load(self, path: str) -> int:
        """Map the native code of a module."""
        if error := capi.module_deserialize_file(self._engine, as_text(path, "a path"), _module_at):
            raise EngineError(f"{path}: {in_one_line(error)}")
        return _module.value or 0

    def run(self, module: int, wasi: int, memory_bytes: int | None) -> int:
        """Run `_start` until it returns."""
        context = new_context(self._engine, wasi, memory_bytes)
        if error := capi.linker_instantiate(self._linker, context, module, _instance_at, _trap_at):
            raise error_of_guest(error)
        if _trap.value is not None:  # of the module's start function
            raise trapped(_trap.value)
        entry = (_ENTRY_POINT, len(_ENTRY_POINT), _export_at)
        found = capi.instance_export_get(context, _instance_at, *entry)
        if not found or _export.kind != capi.FUNCTION:
            raise EngineError("it has no _start to run")
        error = capi.func_call(context, _exported_at, None, 0, None, 0, _trap_at)
        if error or _trap.value is not None:
            raise _ended(error, context, memory_bytes or _ADDRESSABLE)
        return 0


class UnstableModules:
    """Those that need what only `wasi_unstable` had: they are linked to the same."""

    def __init__(self, modules: Modules) -> None:
        self._modules = modules

    def load(self, path: str) -> int:
        """Map the native code of a module, and make that of the translation."""
        self._modules.unstable.prepare()
        return self._modules.load(path)

    def run(self, module: int, wasi: int, memory_bytes: int | None) -> int:
        """See `Modules.run`."""
        return self._modules.run(module, wasi, memory_bytes)


def _end(proc_exit: Callable[[int], object], values: int) -> int:
    """Whatever `proc_exit` does, the guest does not run on."""
    try:
        proc_exit(ctypes.c_int32.from_address(values).value)
    except BaseException:  # noqa: BLE001 - the wall
        abort()
    os._exit(ABORTED)


def _ended(error: int | None, context: int, most: int) -> Exception:
    if error:
        exc = error_of_guest(error, "its _start cannot be called: ")
    else:
        exc = trapped(_trap.value or 0)
    found = capi.instance_export_get(context, _instance_at, _MEMORY, len(_MEMORY), _export_at)
    if isinstance(exc, Trapped) and found and _export.kind == capi.MEMORY:
        exc.memory = capi.memory_size(context, _exported_at), most
    return exc
