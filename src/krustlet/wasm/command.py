"""Run a command module in this process: the engine's side of a container.

Owns the engine and everything in it. Out of a zygote it runs one module, as a process does; all
that can be made beforehand is made when this is imported.
"""

import ctypes
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any, Final, NoReturn

from krustlet.wasm import capi
from krustlet.wasm.engine import OPTIMISATIONS, WASI_PREVIEW_1, EngineSettings

_ENTRY_POINT: Final = b"_start"
_ABORTED: Final = 134  # as by SIGABRT, without its core file, which would hold all that is secret
_FEW: Final = 64
_FewWords: Final = capi.Text * _FEW  # most arrays fit one, so that a child need not make a type

# What the functions answer into.
_module = capi.Pointer()
_trap = capi.Pointer()
_instance = capi.Instance()
_export = capi.Extern()
_module_at = ctypes.addressof(_module)
_trap_at = ctypes.addressof(_trap)
_instance_at = ctypes.addressof(_instance)
_export_at = ctypes.addressof(_export)
_exported_function_at = _export_at + capi.Extern.of.offset


class EngineError(Exception):
    """The engine refuses; its own words."""


class Trapped(Exception):
    """The guest was ended by the engine; its own words, with a back-trace."""


class Engine:
    """An engine without a thread (none of epochs, fuel, profiler), and WASI linked to it."""

    def __init__(self, settings: EngineSettings, *, proc_exit: Callable[[int], object]) -> None:
        """Make it.

        Args:
            settings: of the native code that is to be loaded.
            proc_exit: called in place of WASI's own, to end this process.
        """
        config = capi.config_new()
        capi.config_set_optimisation(config, OPTIMISATIONS.index(settings.optimisation))
        capi.config_set_max_stack(config, settings.max_stack_bytes)
        self._engine = capi.engine_new(config)
        self._linker = capi.linker_new(self._engine)
        _check(capi.linker_define_wasi(self._linker))
        self._proc_exit = capi.Callback(lambda _e, _c, values, *_: _call(proc_exit, values))
        self._define(b"proc_exit", self._proc_exit)

    def load(self, code: str) -> int:
        """Map the native code at the path `code`; returns the module.

        Raises:
            EngineError: it cannot be read, or is not for this engine.
        """
        path = _bytes(code, "a path")
        if error := capi.module_deserialize_file(self._engine, path, _module_at):
            raise EngineError(f"{code}: {_in_one_line(error)}")
        return _module.value or 0

    def run(self, module: int, wasi: int) -> None:
        """Run a command's `_start` until it returns.

        Raises:
            EngineError: it could not be begun.
            Trapped: it was begun, and ended by the engine.
        """
        context = capi.store_context(capi.store_new(self._engine, None, None))
        _check(capi.context_set_wasi(context, wasi))
        if error := capi.linker_instantiate(self._linker, context, module, _instance_at, _trap_at):
            raise _error_of_guest(error)
        _raise_trap()  # of the module's start function
        if not _find(context, _ENTRY_POINT) or _export.kind != capi.FUNCTION:
            raise EngineError("it has no _start to run")
        if error := capi.func_call(context, _exported_function_at, None, 0, None, 0, _trap_at):
            raise _error_of_guest(error, "its _start cannot be called: ")
        _raise_trap()

    def _define(self, name: bytes, function: Any) -> None:
        """Have guests call `function`, which takes one number, in place of WASI's of that name."""
        types = (capi.Pointer * 1)(capi.valtype_new(capi.I32))
        parameters, results = capi.Vector(), capi.Vector()
        capi.valtype_vec_new(ctypes.addressof(parameters), 1, ctypes.addressof(types))
        signature = capi.functype_new(ctypes.addressof(parameters), ctypes.addressof(results))
        room = WASI_PREVIEW_1.encode()
        capi.linker_allow_shadowing(self._linker, True)
        _check(
            capi.linker_define_func(
                self._linker, room, len(room), name, len(name), signature, function, None, None
            )
        )


def make_wasi(argv: Sequence[str], env: Sequence[tuple[str, str]]) -> int:
    """What a guest is given; its standard streams are this process' own.

    Raises:
        EngineError: a word of it cannot be given to a guest.
    """
    wasi = capi.wasi_new()
    words = _array(argv, "an argument")
    if not capi.wasi_set_argv(wasi, len(argv), ctypes.addressof(words)):
        raise EngineError("the engine does not take these arguments")
    names = _array([name for name, _ in env], "a variable's name")
    values = _array([value for _, value in env], "a variable")
    if not capi.wasi_set_env(wasi, len(env), ctypes.addressof(names), ctypes.addressof(values)):
        raise EngineError("the engine does not take these variables")
    capi.wasi_inherit_stdin(wasi)
    capi.wasi_inherit_stdout(wasi)
    capi.wasi_inherit_stderr(wasi)
    return int(wasi)


def preopen(wasi: int, *, host: str, guest: str, read_only: bool) -> bool:
    """Show the host's directory to the guest; whether that is possible."""
    paths = _bytes(host, "a path"), _bytes(guest, "a path")
    return bool(capi.wasi_preopen_dir(wasi, *paths, not read_only))


def _call(function: Callable[[int], object], values: int) -> NoReturn:
    """Whatever `function` does: no exception passes through C, and the guest would run on."""
    try:
        function(capi.Value.from_address(values).of.i32)
    except BaseException:  # noqa: BLE001 - the wall
        sys.excepthook(*sys.exc_info())
    finally:
        os._exit(_ABORTED)


def _find(context: int, name: bytes) -> bool:
    return bool(capi.instance_export_get(context, _instance_at, name, len(name), _export_at))


# errors -------------------------------------------------------------------------------------------


def _check(error: int | None) -> None:
    if error:
        raise EngineError(_in_one_line(error))


def _raise_trap() -> None:
    if _trap.value is not None:
        raise Trapped(_told(capi.trap_message, _trap.value))


def _error_of_guest(error: int, prefix: str = "") -> Exception:
    """A host function's error has a trace of the guest that called it; any other has none."""
    frames = capi.Vector()
    capi.error_wasm_trace(error, ctypes.addressof(frames))
    if frames.size:
        return Trapped(_told(capi.error_message, error))
    return EngineError(f"{prefix}{_in_one_line(error)}")


def _in_one_line(error: int) -> str:
    return " ".join(_told(capi.error_message, error).split())


def _told(message_of: Callable[[int, int], None], source: int) -> str:
    text = capi.Vector()
    message_of(source, ctypes.addressof(text))
    return ctypes.string_at(text.data, text.size).rstrip(b"\0").decode(errors="replace")


# words --------------------------------------------------------------------------------------------


def _array(words: Sequence[str], what: str) -> "ctypes.Array[ctypes.c_char_p]":
    make = _FewWords if len(words) <= _FEW else capi.Text * len(words)
    return make(*[_bytes(word, what) for word in words])


def _bytes(text: str, what: str) -> bytes:
    data = text.encode()
    if b"\0" in data:  # C would take it for the end
        raise EngineError(f"{what} holds a zero byte")  # and may hold a secret
    return data
