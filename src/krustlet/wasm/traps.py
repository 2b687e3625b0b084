"""What the engine says when it refuses or ends a guest, and how a person is told.

Owns the reading of wasmtime's errors and traps, and the words for them. Leaves what becomes of the
container to `runner`.
"""

import ctypes
import os
import re
import sys
from collections.abc import Callable
from typing import Final, NoReturn

from krustlet.wasm import capi

ABORTED: Final = 134  # 128 + SIGABRT, what the wasmtime command ends with
_MIB: Final = 1 << 20
_NEARLY: Final = 16  # of a full memory, less than one part in this many is left
_CAUSES: Final = "\n\nCaused by:\n"
_NUMBER: Final = re.compile(r"^\d+: ")
_SHORT_OF_MEMORY: Final = ("wasm `unreachable` instruction", "out of bounds memory access")

_exit_status = ctypes.c_int()
_exit_status_at = ctypes.addressof(_exit_status)


class EngineError(Exception):
    """The engine refuses; its own words."""


class Trapped(Exception):
    """The guest was ended by the engine; its own words, with a back-trace.

    Attributes:
        memory: bytes that the guest had, and the most that it could have had; None if unknown.
    """

    memory: tuple[int, int] | None = None


class Exited(Exception):
    """The guest ended itself; its code."""

    def __init__(self, code: int) -> None:
        self.code = code


def check(error: int | None) -> None:
    """Raise what the engine answered, if that is an error."""
    if error:
        raise EngineError(in_one_line(error))


def error_of_guest(error: int, prefix: str = "") -> Exception:
    """What an error that came up while a guest ran means.

    A host function's error has a trace of the guest that called it; any other has none.
    """
    if capi.error_exit_status(error, _exit_status_at):
        return Exited(_exit_status.value)
    frames = capi.Vector()
    capi.error_wasm_trace(error, ctypes.addressof(frames))
    if frames.size:
        return Trapped(_told(capi.error_message, error))
    return EngineError(f"{prefix}{in_one_line(error)}")


def trapped(trap: int) -> Trapped:
    return Trapped(_told(capi.trap_message, trap))


def in_one_line(error: int) -> str:
    return " ".join(_told(capi.error_message, error).split())


def _told(message_of: Callable[[int, int], None], source: int) -> str:
    text = capi.Vector()
    message_of(source, ctypes.addressof(text))
    return ctypes.string_at(text.data, text.size).rstrip(b"\0").decode(errors="replace")


def abort() -> NoReturn:
    """End this process with the exception that is being handled.

    No exception passes through C, and the guest would run on. As by SIGABRT, without its core file,
    which would hold all that is secret.
    """
    try:
        sys.excepthook(*sys.exc_info())
    finally:
        os._exit(ABORTED)


# words --------------------------------------------------------------------------------------------


def describe_trap(trap: Trapped) -> str:
    """wasmtime's words for a trap with the cause first, the back-trace after it."""
    trace, _, causes = str(trap).partition(_CAUSES)
    if not causes:
        return str(trap).strip()
    frames = [line.replace("<unknown>!", "").rstrip() for line in trace.splitlines()[1:]]
    cause = cause_of(trap)
    return "\n".join([f"{_of_memory(trap.memory, cause)}{cause}", "wasm backtrace:", *frames])


def cause_of(exc: Exception) -> str:
    """What it was, in one line, without where.

    wasmtime tells a cause a line, numbered if there are several; the last is what the others come
    down to.
    """
    text, _, causes = str(exc).partition(_CAUSES)
    said = [_NUMBER.sub("", line.strip()) for line in causes.splitlines() if line.strip()]
    return ": ".join(reversed(said)) or " ".join(text.split())


def _of_memory(memory: tuple[int, int] | None, cause: str) -> str:
    """What to say first of a guest that had no memory left: that is what most of them trap for.

    Nobody tells us that it asked for more and was refused. But who gives up after that does so by
    `unreachable`, or goes on with an address that is none; and by then has nearly all there is.
    """
    if memory is None or not any(words in cause for words in _SHORT_OF_MEMORY):
        return ""
    used, most = memory
    if most - used > max(most // _NEARLY, _MIB) or used < _MIB:
        return ""
    return f"memory exhausted, {used / _MIB:.1f} of {most / _MIB:.1f} MiB: "
