"""One way to make an engine, for the compiler and for the zygote alike.

Native code loads only into an engine of the very settings it was compiled with, on a processor
that has the features it was compiled for; `fingerprint` names all of that.
"""

import hashlib
import platform
from importlib.metadata import version

import msgspec
import wasmtime

WASI_PREVIEW_1 = "wasi_snapshot_preview1"


class EngineSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What changes the code that is generated.

    Attributes:
        optimisation: `speed`, `speed_and_size` or `none`.
        max_stack_bytes: how deep a guest may recurse before it traps.
    """

    optimisation: str = "speed"
    max_stack_bytes: int = 512 * 1024


def make_engine(settings: EngineSettings) -> wasmtime.Engine:
    """An engine that starts no thread: none of epochs, fuel, profiler."""
    config = wasmtime.Config()
    config.cranelift_opt_level = settings.optimisation
    config.max_wasm_stack = settings.max_stack_bytes
    return wasmtime.Engine(config)


def make_linker(engine: wasmtime.Engine) -> wasmtime.Linker:
    """All that a command module may import."""
    linker = wasmtime.Linker(engine)
    linker.define_wasi()
    return linker


def fingerprint(settings: EngineSettings) -> str:
    """Names the engine that native code belongs to: 16 hex digits."""
    parts = (
        version("wasmtime"),
        platform.machine(),
        platform.system(),
        _cpu_features(),
        msgspec.json.encode(settings).decode(),
    )
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def _cpu_features() -> str:
    try:
        with open("/proc/cpuinfo", encoding="ascii", errors="replace") as file:
            for line in file:
                if line.startswith(("flags", "Features")):
                    return " ".join(sorted(line.partition(":")[2].split()))
    except OSError:
        pass  # not Linux: the engine itself still refuses code for another processor
    return platform.processor()
