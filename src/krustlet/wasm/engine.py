"""One way to make an engine, for the compiler and for the zygote alike.

Native code loads only into an engine of the very settings it was compiled with, on a processor
that has the features it was compiled for: see `fingerprint`.
"""

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
