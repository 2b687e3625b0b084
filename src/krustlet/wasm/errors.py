"""Why a module cannot run here."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from krustlet.base import KrustletError

_UNNAMED: Final = "<anon>"  # what the engine calls a text that it was handed


class WasmError(KrustletError):
    """A module, or what became of compiling it, is not as it has to be."""

    reason = "CreateContainerError"


class NotWasm(WasmError):
    """The bytes are neither the binary nor the text format."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"{name}: exec format error: it is not WebAssembly",
            hint="a module starts with the bytes \\0asm, its text form with (module",
        )


class ModuleInvalid(WasmError):
    """The engine refuses it; its words take several lines, and may show one of the text form."""

    def __init__(self, name: str, why: str) -> None:
        lines = [line.rstrip() for line in why.replace(_UNNAMED, name).splitlines()]
        told = "\n".join(line for line in lines if line)
        super().__init__(f"{name} is no valid WebAssembly module: {told}")


class ComponentUnsupported(WasmError):
    """A component, where a core module is needed."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"{name} is a component, and only core modules run here yet",
            hint="build for wasm32-wasip1 instead of wasm32-wasip2",
        )


class NoEntryPoint(WasmError):
    """Nothing in it can be started."""

    def __init__(self, name: str, exports: Sequence[str]) -> None:
        found = ", ".join(exports) if exports else "nothing"
        super().__init__(
            f"{name} has no _start to run; it exports {found}",
            hint="build it as a command (a program with main), not as a library (reactor)",
        )
        self.exports = exports


class ImportsMissing(WasmError):
    """It needs host functions that nobody here provides."""

    def __init__(self, name: str, missing: Sequence[str]) -> None:
        super().__init__(
            f"{name} imports what is not there: {', '.join(missing)}",
            hint="modules get wasi_snapshot_preview1 here, and nothing else",
        )
        self.missing = missing


class SourceChanged(WasmError):
    """The file was rewritten while it was looked at."""

    retryable = True

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} changed while it was being read", hint="run it again")


class CompileFailed(WasmError):
    """The compiler died or ran into a limit; the module is to blame, or the machine is."""

    retryable = True


class CacheUnusable(WasmError):
    """There is no place for native code."""

    retryable = True

    def __init__(self, directory: Path, why: OSError) -> None:
        super().__init__(
            f"compiled modules cannot be kept in {directory}: {why.strerror or why}",
            hint="it needs room, and must be writable by this user only",
        )
