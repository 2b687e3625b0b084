"""WebAssembly: compile modules ahead of time, and run one in a child process.

The runner's half is imported by the zygote; the cache's half is loaded when first named.
"""

from typing import TYPE_CHECKING

from krustlet.base.lazy import load_on_demand
from krustlet.wasm.launch import Preopen, WasmLaunch, encode_launch

if TYPE_CHECKING:
    from krustlet.wasm.cache import AotCache, CompiledModule, CompileLimits
    from krustlet.wasm.engine import EngineSettings
    from krustlet.wasm.errors import ImportsMissing, NoEntryPoint, WasmError

RUNNER = "krustlet.wasm.runner:WasmRunner"

__all__ = [
    "RUNNER",
    "AotCache",
    "CompileLimits",
    "CompiledModule",
    "EngineSettings",
    "ImportsMissing",
    "NoEntryPoint",
    "Preopen",
    "WasmError",
    "WasmLaunch",
    "encode_launch",
]

__getattr__ = load_on_demand(
    __name__,
    {
        "AotCache": "cache",
        "CompileLimits": "cache",
        "CompiledModule": "cache",
        "EngineSettings": "engine",
        "ImportsMissing": "errors",
        "NoEntryPoint": "errors",
        "WasmError": "errors",
    },
)
