"""Name the engine that native code belongs to.

Apart from `engine`, as the zygote needs none of what this imports.
"""

import hashlib
import platform
from importlib.metadata import version

import msgspec

from krustlet.wasm.engine import EngineSettings


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
