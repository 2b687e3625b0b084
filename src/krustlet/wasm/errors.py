"""Why a module cannot run here."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from krustlet.base import KrustletError
from krustlet.wasm.outcome import Kind

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


class NoEntryPoint(WasmError):
    """Nothing in it can be started."""

    def __init__(self, name: str, exports: Sequence[str], *, kind: Kind = "module") -> None:
        found = ", ".join(exports) if exports else "nothing"
        entry = "wasi:cli/run@0.2" if kind == "component" else "_start"
        super().__init__(
            f"{name} has no {entry} to run; it exports {found}",
            hint="build it as a command (a program with main), not as a library (reactor)",
        )
        self.exports = exports


class ServerUnsupported(WasmError):
    """A component that answers HTTP requests, which nobody here would hand to it."""

    def __init__(self, name: str, exports: Sequence[str]) -> None:
        found = ", ".join(exports)
        super().__init__(
            f"{name} is an HTTP handler, which is not supported yet; it exports {found}",
            hint="a command that listens on a socket of its own can run here",
        )
        self.exports = exports


class ImportsMissing(WasmError):
    """It needs host functions that nobody here provides."""

    def __init__(self, name: str, missing: Sequence[str]) -> None:
        super().__init__(
            f"{name} imports what is not there: {', '.join(missing)}",
            hint="modules get wasi_snapshot_preview1 and wasi_unstable here, components WASI 0.2",
        )
        self.missing = missing


class ImportsMismatched(WasmError):
    """It imports something by a name that is known here, but as something else."""

    def __init__(self, name: str, why: str) -> None:
        told = "\n".join(line for line in why.splitlines() if line.strip())
        super().__init__(
            f"{name} cannot be linked: {told}",
            hint="build it with tools that follow WASI as it was published",
        )


class SourceChanged(WasmError):
    """The file was rewritten while it was looked at."""

    retryable = True

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} changed while it was being read", hint="run it again")


class CompileFailed(WasmError):
    """The compiler died or ran into a limit; the module is to blame, or the machine is."""

    retryable = True

    def __init__(self, name: str, why: str, *, held_s: float = 0.0) -> None:
        hint = f"it is not tried again for {held_s / 60:.2g} minutes" if held_s else ""
        super().__init__(f"{name}: {why}", hint=hint)


class CacheUnusable(WasmError):
    """There is no place for native code."""

    retryable = True

    def __init__(self, directory: Path, why: OSError) -> None:
        super().__init__(
            f"compiled modules cannot be kept in {directory}: {why.strerror or why}",
            hint="it needs room, and must be writable by this user only",
        )
