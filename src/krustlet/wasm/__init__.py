"""WebAssembly: compile modules ahead of time, and run one in a child process.

The runner's half is imported by the zygote; the cache's half is loaded when first named.
"""

from typing import TYPE_CHECKING, Any

from krustlet.wasm.launch import Preopen, WasmLaunch, encode_launch

if TYPE_CHECKING:
    from krustlet.wasm.cache import DEFAULT_MAX_BYTES, AotCache, CompiledModule
    from krustlet.wasm.compiler import CompileLimits
    from krustlet.wasm.engine import MAX_STACK_BYTES, OPTIMISATIONS, EngineSettings
    from krustlet.wasm.errors import (
        CacheUnusable,
        CompileFailed,
        ImportsMismatched,
        ImportsMissing,
        ModuleInvalid,
        NoEntryPoint,
        NotWasm,
        ServerUnsupported,
        SourceChanged,
        WasmError,
    )

RUNNER = "krustlet.wasm.runner:WasmRunner"

__all__ = [
    "DEFAULT_MAX_BYTES",
    "MAX_STACK_BYTES",
    "OPTIMISATIONS",
    "RUNNER",
    "AotCache",
    "CacheUnusable",
    "CompileFailed",
    "CompileLimits",
    "CompiledModule",
    "EngineSettings",
    "ImportsMismatched",
    "ImportsMissing",
    "ModuleInvalid",
    "NoEntryPoint",
    "NotWasm",
    "Preopen",
    "ServerUnsupported",
    "SourceChanged",
    "WasmError",
    "WasmLaunch",
    "encode_launch",
]

_HOMES = {
    "DEFAULT_MAX_BYTES": "cache",
    "MAX_STACK_BYTES": "engine",
    "OPTIMISATIONS": "engine",
    "AotCache": "cache",
    "CompileLimits": "compiler",
    "CompiledModule": "cache",
    "EngineSettings": "engine",
    "CacheUnusable": "errors",
    "CompileFailed": "errors",
    "ImportsMismatched": "errors",
    "ImportsMissing": "errors",
    "ModuleInvalid": "errors",
    "NoEntryPoint": "errors",
    "NotWasm": "errors",
    "ServerUnsupported": "errors",
    "SourceChanged": "errors",
    "WasmError": "errors",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:  # `from krustlet.wasm import capi` asks, too
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from krustlet.base.lazy import load_on_demand  # as late as the rest: it brings all of `base`

    return load_on_demand(__name__, _HOMES)(name)
