"""A clock of a process' own, which a test sets while the process runs.

Owns a library that shifts the time of day for whoever is started with it, built once into the cache
of the tests. Shifts neither the time stamps of files nor anything of the kernel's.
"""

import hashlib
import os
import shutil
import struct
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Final

from tests.support.guests import default_cache

_SOURCE: Final = Path(__file__).with_suffix(".c")
_ZIG_CACHES: Final = ("ZIG_GLOBAL_CACHE_DIR", "ZIG_LOCAL_CACHE_DIR")
_FLAGS: Final = ("-shared", "-fPIC", "-O1", "-Wall", "-Werror")
_BUILD_LIMIT_S: Final = 600.0
_SECOND_NS: Final = 1_000_000_000


class SkewedClock:
    """The time of day that processes see which are started with `environment`.

    Attributes:
        library: what shifts it, for whoever cannot be given an environment.
    """

    def __init__(self, directory: Path) -> None:
        """It is right until it is set.

        Args:
            directory: its own; need not exist.
        """
        directory.mkdir(parents=True, exist_ok=True)
        self.library = directory / "skewed_clock.so"
        shutil.copyfile(_built(default_cache() / "skewed-clock"), self.library)
        self._offset = directory / f"{self.library.name}.offset"
        self._offset.write_bytes(struct.pack("=q", 0))

    @property
    def environment(self) -> dict[str, str]:
        return {"LD_PRELOAD": str(self.library)}

    def be_ahead(self, by_s: float) -> None:
        """From now on it is `by_s` seconds ahead of the right time, or behind if that is less."""
        with self._offset.open("r+b") as file:  # in place, as the file is mapped
            file.write(struct.pack("=q", int(by_s * _SECOND_NS)))


def _built(cache: Path) -> Path:
    """The library, from the cache if it is there."""
    told = "\0".join((version("ziglang"), *_FLAGS)).encode()
    library = cache / f"{hashlib.sha256(told + _SOURCE.read_bytes()).hexdigest()}.so"
    if not library.exists():
        cache.mkdir(parents=True, exist_ok=True)
        part = library.with_suffix(f".{os.getpid()}")
        command = [sys.executable, "-m", "ziglang", "cc", *_FLAGS, "-o", str(part), str(_SOURCE)]
        caches = {name: str(cache / "zig") for name in _ZIG_CACHES}
        done = subprocess.run(
            command,
            env=os.environ | caches,
            capture_output=True,
            text=True,
            timeout=_BUILD_LIMIT_S,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        part.replace(library)
    return library
