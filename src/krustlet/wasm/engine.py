"""What the engine is asked to be, by the compiler and by the zygote alike.

Native code loads only into an engine of the very settings it was compiled with, on a processor
that has the features it was compiled for: see `fingerprint`. Of the two that make an engine,
`compile` does so through wasmtime's Python bindings, and `command` without.
"""

from typing import Final

import msgspec

WASI_PREVIEW_1: Final = "wasi_snapshot_preview1"
WASI_UNSTABLE: Final = "wasi_unstable"
OPTIMISATIONS: Final = ("none", "speed", "speed_and_size")
"""As wasmtime's C API numbers them."""


class EngineSettings(msgspec.Struct, frozen=True, kw_only=True):
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
