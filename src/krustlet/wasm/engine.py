"""What the engine is asked to be, by the compiler and by the zygote alike.

Native code loads only into an engine of the very settings it was compiled with, on a processor
that has the features it was compiled for: see `fingerprint`. Of the two that make an engine,
`compile` does so through wasmtime's Python bindings, and `command` without.
"""

from typing import Final

import msgspec

WASI_PREVIEW_1: Final = "wasi_snapshot_preview1"
OPTIMISATIONS: Final = ("none", "speed", "speed_and_size")
"""As wasmtime's C API numbers them."""


class EngineSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What changes the code that is generated.

    Attributes:
        optimisation: one of `OPTIMISATIONS`.
        max_stack_bytes: how deep a guest may recurse before it traps.
    """

    optimisation: str = "speed"
    max_stack_bytes: int = 512 * 1024
