"""WebAssembly: compile modules ahead of time, and run one in a child process.

The runner's half is imported by the zygote; the cache's half is loaded when first named.
"""

from typing import TYPE_CHECKING, Any

from krustlet.wasm.launch import Preopen, WasmLaunch, encode_launch

if TYPE_CHECKING:
    from krustlet.wasm.cache import AotCache, CompiledModule, CompileLimits
    from krustlet.wasm.engine import EngineSettings
    from krustlet.wasm.errors import (
        CacheUnusable,
        CompileFailed,
        ComponentUnsupported,
        ImportsMissing,
        ModuleInvalid,
        NoEntryPoint,
        NotWasm,
        SourceChanged,
        WasmError,
    )

RUNNER = "krustlet.wasm.runner:WasmRunner"

__all__ = [
    "RUNNER",
    "AotCache",
    "CacheUnusable",
    "CompileFailed",
    "CompileLimits",
    "CompiledModule",
    "ComponentUnsupported",
    "EngineSettings",
    "ImportsMissing",
    "ModuleInvalid",
    "NoEntryPoint",
    "NotWasm",
    "Preopen",
    "SourceChanged",
    "WasmError",
    "WasmLaunch",
    "encode_launch",
]

_HOMES = {
    "AotCache": "cache",
    "CompileLimits": "cache",
    "CompiledModule": "cache",
    "EngineSettings": "engine",
    "CacheUnusable": "errors",
    "CompileFailed": "errors",
    "ComponentUnsupported": "errors",
    "ImportsMissing": "errors",
    "ModuleInvalid": "errors",
    "NoEntryPoint": "errors",
    "NotWasm": "errors",
    "SourceChanged": "errors",
    "WasmError": "errors",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:  # `from krustlet.wasm import capi` asks, too
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from krustlet.base.lazy import load_on_demand  # as late as the rest: it brings all of `base`

    return load_on_demand(__name__, _HOMES)(name)
