"""Name the engine that native code belongs to.

Apart from `engine`, as the zygote needs none of what this imports.
"""

import hashlib
import platform
from importlib.metadata import version
from typing import Final

from krustlet.wasm.engine import EngineSettings

_STEP: Final = "3"  # what is done besides compiling, and noted: a change makes everything anew


def fingerprint(settings: EngineSettings) -> str:
    """Names the engine that native code belongs to: 16 hex digits."""
    parts = (
        version("wasmtime"),
        platform.machine(),
        platform.system(),
        _cpu_features(),
        _STEP,
        # The others change no code, only what is done with it.
        f"{settings.optimisation} simd={settings.simd} threads={settings.threads}",
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
