"""What the engine is asked to be, by the compiler and by the zygote alike.

Native code loads only into an engine of the very settings it was compiled with, on a processor
that has the features it was compiled for: see `fingerprint`. Of the two that make an engine,
`compile` does so through wasmtime's Python bindings, and `command` without.
"""

import os
from collections.abc import Callable
from typing import Final, TypeVar

import msgspec

WASI_PREVIEW_1: Final = "wasi_snapshot_preview1"
WASI_UNSTABLE: Final = "wasi_unstable"
UNSTABLE_ALONE: Final = ("fd_seek", "fd_filestat_get", "path_filestat_get", "poll_oneoff")
"""What means something else in `wasi_unstable`; all else in it is that of preview 1 by now."""
OPTIMISATIONS: Final = ("none", "speed", "speed_and_size")
"""As wasmtime's C API numbers them."""
MAX_STACK_BYTES: Final = 2 << 20
"""The engine cannot be made with more: it is the stack of its own that calls may be made on."""

_SOURCE_LINES: Final = "WASMTIME_BACKTRACE_DETAILS"

Config = TypeVar("Config")


class EngineSettings(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a node asks of the engine.

    Attributes:
        optimisation: one of `OPTIMISATIONS`.
        max_stack_bytes: how deep a guest may recurse before it traps.
        simd: vector instructions, and the relaxed ones; without, a module that has some is
            refused.
        threads: atomic instructions and shared memories; without, refused likewise.
        max_memory_bytes: of a guest that no limit of its own is set for. It is kept when the guest
            runs, and changes no code.
    """

    optimisation: str = "speed"
    max_stack_bytes: int = 512 * 1024
    simd: bool = True
    threads: bool = False
    max_memory_bytes: int | None = None


def switches(settings: EngineSettings) -> tuple[tuple[str, bool], ...]:
    """Functions of wasmtime's C API, and what each is called with besides the configuration.

    In the order in which they are to be called. Whoever makes an engine calls all of them.
    """
    return (
        ("wasmtime_config_wasm_relaxed_simd_set", settings.simd),  # never without the next
        ("wasmtime_config_wasm_simd_set", settings.simd),
        ("wasmtime_config_wasm_threads_set", settings.threads),
        ("wasmtime_config_shared_memory_set", settings.threads),
    )


def with_source_lines(make_config: Callable[[], Config]) -> Config:
    """What `make_config` makes, told to keep source lines for back-traces.

    wasmtime reads this from its environment alone, the moment a configuration is made. Code that
    was compiled without does not load into an engine with, nor the other way about.
    """
    before = os.environ.get(_SOURCE_LINES)
    os.environ[_SOURCE_LINES] = "1"
    try:
        return make_config()
    finally:
        if before is None:
            del os.environ[_SOURCE_LINES]
        else:
            os.environ[_SOURCE_LINES] = before
