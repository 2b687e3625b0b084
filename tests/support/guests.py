"""Build the guest modules of `tests/modules` from their sources.

Owns the cache they are kept in, outside the tree and shared by all checkouts: a module is built
again only when its source, its compiler or the flags below change. `make test` builds all of them
before the first test runs (`python -m tests.support.guests`), so that no test pays for a compiler.
"""

import fcntl
import hashlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Final

import wasmtime

MODULES: Final = Path(__file__).parent.parent / "modules"

_CACHE_VARIABLE: Final = "KRUSTLET_TEST_CACHE"
# Optimised, or libc is interpreted line by line; but not stripped, as traps name their functions.
_CC_FLAGS: Final = ("-target", "wasm32-wasi", "-O1", "-Wall", "-Werror")
_BUILD_LIMIT_S: Final = 600.0  # the very first build compiles libc too: half a minute on two cores
_FORMAT: Final = "1"  # of what is done after the compiler: a change rebuilds everything

_KEEPS_DEBUG_INFO: Final = b"debug info: kept"  # said by a source that has use for it, not libc
_TRACED_FLAGS: Final = ("-g", "-nostdlib")

_HEADER_BYTES: Final = 8  # the magic number and the version
_CUSTOM_SECTION: Final = 0


class GuestError(Exception):
    """A guest module cannot be had: no such source, or its compiler refused it."""


class Guests:
    """The guest modules by name; each is built when it is first asked for."""

    def __init__(self, cache: Path, sources: Path = MODULES) -> None:
        self._cache = cache
        self._sources = sources
        self._built: dict[str, Path] = {}

    def names(self) -> list[str]:
        """Every guest that has a source."""
        return sorted(
            source.stem for source in self._sources.iterdir() if source.suffix in _COMPILERS
        )

    def path(self, name: str) -> Path:
        """Where the module `name` is; it is whole, and may be read but not changed.

        Raises:
            GuestError: `tests/modules` holds no such source, or it does not compile.
        """
        if name not in self._built:
            source = self._source(name)
            module = self._module(source)
            if not module.exists():
                self._build(source, module)
            self._built[name] = module
        return self._built[name]

    def build_all(self) -> None:
        """Build whatever is not in the cache yet, with a line on stderr for each that is built."""
        missing = [name for name in self.names() if not self._module(self._source(name)).exists()]
        if missing:
            _report(f"Compiling {len(missing)} guest modules; the very first takes a minute\n")
        for name in missing:
            started_at = time.monotonic()
            _report(f"  {name} … ")
            size_bytes = self.path(name).stat().st_size
            _report(f"{size_bytes} bytes, {time.monotonic() - started_at:.1f} s\n")

    def _source(self, name: str) -> Path:
        for suffix in _COMPILERS:
            source = self._sources / f"{name}{suffix}"
            if source.is_file():
                return source
        raise GuestError(f"no guest {name!r} in {self._sources}; there are: {self.names()}")

    def _module(self, source: Path) -> Path:
        """Where the module built from `source` as it is now belongs."""
        identity = (_FORMAT, *_COMPILERS[source.suffix].identity())
        key = hashlib.sha256("\0".join(identity).encode())
        key.update(source.read_bytes())
        return self._cache / "guests" / f"{key.hexdigest()}.wasm"

    def _build(self, source: Path, module: Path) -> None:
        module.parent.mkdir(parents=True, exist_ok=True)
        with _only_one_builder(module.parent / "lock"):
            if not module.exists():  # another process may have built it while we waited
                part = module.with_suffix(".part")
                _COMPILERS[source.suffix].build(source, part, self._cache)
                part.replace(module)


class _C:
    """C by Zig's compiler, which carries a WASI libc and comes from PyPI."""

    def identity(self) -> tuple[str, ...]:
        return ("ziglang", version("ziglang"), *_CC_FLAGS, *_TRACED_FLAGS)

    def build(self, source: Path, into: Path, cache: Path) -> None:
        traced = _KEEPS_DEBUG_INFO in source.read_bytes()
        flags = (*_CC_FLAGS, *_TRACED_FLAGS) if traced else _CC_FLAGS
        command = [sys.executable, "-m", "ziglang", "cc", *flags, "-o", str(into), str(source)]
        # Zig keeps a built libc; without a word it would do so in the home directory.
        caches = {
            "ZIG_GLOBAL_CACHE_DIR": str(cache / "zig"),
            "ZIG_LOCAL_CACHE_DIR": str(cache / "zig"),
        }
        result = subprocess.run(
            command,
            env=os.environ | caches,
            capture_output=True,
            text=True,
            timeout=_BUILD_LIMIT_S,
            check=False,
        )
        if result.returncode != 0:
            raise GuestError(f"{source} does not compile:\n{result.stderr or result.stdout}")
        if not traced:
            into.write_bytes(_without_debug_info(into.read_bytes()))


class _Wat:
    """The text format by the engine itself."""

    def identity(self) -> tuple[str, ...]:
        return ("wasmtime", version("wasmtime"))

    def build(self, source: Path, into: Path, cache: Path) -> None:
        try:
            into.write_bytes(wasmtime.wat2wasm(source.read_text()))
        except wasmtime.WasmtimeError as exc:
            raise GuestError(f"{source} does not compile: {exc}") from exc


_COMPILERS: Final[dict[str, _C | _Wat]] = {".c": _C(), ".wat": _Wat()}


def default_cache() -> Path:
    """`$KRUSTLET_TEST_CACHE`, else `krustlet-tests` where this user's caches are."""
    if chosen := os.environ.get(_CACHE_VARIABLE):
        return Path(chosen).absolute()
    caches = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(caches).absolute() / "krustlet-tests"


@contextmanager
def _only_one_builder(lock: Path) -> Iterator[None]:
    with lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)  # let go of when the file is closed
        yield


def _without_debug_info(module: bytes) -> bytes:
    """`module` less libc's DWARF: 900 kB that no test reads. The function names stay.

    Zig's own linker can only strip both. Source: WebAssembly core specification, "Modules" under
    "Binary Format": a section is its id, its size, and for a custom one a name before the rest.
    """
    kept = [module[:_HEADER_BYTES]]
    at = _HEADER_BYTES
    while at < len(module):
        size, content = _read_leb128(module, at + 1)
        end = content + size
        if module[at] != _CUSTOM_SECTION or not _section_name(module, content).startswith(".debug"):
            kept.append(module[at:end])
        at = end
    return b"".join(kept)


def _section_name(module: bytes, at: int) -> str:
    length, start = _read_leb128(module, at)
    return module[start : start + length].decode()


def _read_leb128(data: bytes, at: int) -> tuple[int, int]:
    """The unsigned number at `at`, and where the next byte after it is."""
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7


def _report(words: str) -> None:
    sys.stderr.write(words)
    sys.stderr.flush()


if __name__ == "__main__":
    try:
        Guests(default_cache()).build_all()
    except GuestError as error:
        sys.exit(f"\n{error}")
