"""Native code on disk, so that nothing is compiled twice.

Owns the cache directory. Loading native code is running it, so an entry counts only while it is
ours, private, and byte for byte what the compiler wrote. Entries are named by the module's digest
below a directory named by the engine's fingerprint; the note beside the code is written last, and
code without a note is nobody's.
"""

import asyncio
import contextlib
import errno
import hashlib
import os
import signal
import stat
import sys
import time
from pathlib import Path
from typing import Final

import msgspec
import structlog

from krustlet.base import Unnamed, make_private_directory, write_atomically
from krustlet.wasm.engine import EngineSettings
from krustlet.wasm.errors import (
    CacheUnusable,
    CompileFailed,
    ComponentUnsupported,
    ModuleInvalid,
    NotWasm,
    SourceChanged,
    WasmError,
)
from krustlet.wasm.fingerprint import fingerprint
from krustlet.wasm.outcome import Inspection, Outcome, Rejection

_PART_AGE_S: Final = 3600.0  # older than any compiler may get: left behind by one that was killed
_MOST_THREADS: Final = 8

_outcomes: msgspec.json.Decoder[Outcome] = msgspec.json.Decoder(Outcome)

log = structlog.get_logger(__name__)


class CompileLimits(msgspec.Struct, frozen=True, kw_only=True):
    """What one compiler process may use."""

    memory_bytes: int = 4 << 30
    cpu_s: int = 300
    wall_s: float = 600.0
    output_bytes: int = 1 << 30


class CompiledModule(msgspec.Struct, frozen=True):
    """Native code ready to be mapped, and what is known of the module it came from."""

    digest: str
    code: Path
    exports: list[str]
    missing: list[str]


class _Making:
    """A module that is being looked for or compiled, for everybody who asks meanwhile."""

    def __init__(self, task: asyncio.Task[CompiledModule]) -> None:
        self.task = task
        self.waiting = 0


class AotCache:
    """Compile ahead of time, once for each module and engine."""

    def __init__(
        self,
        directory: Path,
        *,
        settings: EngineSettings | None = None,
        limits: CompileLimits | None = None,
    ) -> None:
        self._settings = settings or EngineSettings()
        self._limits = limits or CompileLimits()
        self._directory = directory / fingerprint(self._settings)
        self._making: dict[str, _Making] = {}
        self._tasks: set[asyncio.Task[CompiledModule]] = set()
        self._verified: dict[Path, tuple[int, int, int]] = {}

    async def ensure(self, source: Path, *, digest: str, name: str) -> CompiledModule:
        """The native code of a module; compiled now if it is not there yet.

        Whoever else asks for the same module meanwhile waits for the same compiler. It ends with
        the last who waits for it.

        Args:
            source: a file that holds the module, binary or text.
            digest: `sha256:<hex>` of its bytes.
            name: what to call it in an error.

        Raises:
            WasmError: one of its kinds; nothing was kept.
        """
        making = self._making.get(digest)
        if making is None:
            work = self._find_or_compile(source, digest, name)
            task = asyncio.create_task(work, name=f"wasm.ensure:{digest}")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            making = self._making[digest] = _Making(task)
        making.waiting += 1
        try:
            return await asyncio.shield(making.task)
        finally:
            making.waiting -= 1
            if not making.waiting:
                del self._making[digest]
                making.task.cancel()

    async def close(self) -> None:
        """End the compilers that still run."""
        tasks = list(self._tasks)
        for task in tasks:
            if not task.cancelling():  # told twice, it would not see its compiler end
                task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _find_or_compile(self, source: Path, digest: str, name: str) -> CompiledModule:
        if (found := await asyncio.to_thread(self._find, digest)) is not None:
            return found
        try:
            await asyncio.to_thread(self._make_directory)
            return await self._compile(source, digest, name)
        except OSError as exc:
            raise CacheUnusable(self._directory, exc) from exc

    # what is there ----------------------------------------------------------------------------

    def _find(self, digest: str) -> CompiledModule | None:
        code, note = self._paths(digest)
        try:
            inspection = msgspec.json.decode(note.read_bytes(), type=Inspection)
            if not self._is_sound(code, inspection):
                log.warning("aot.entry_unsound", digest=digest)
                return None
        except (OSError, msgspec.MsgspecError):
            return None
        return CompiledModule(digest, code, inspection.exports, inspection.missing)

    def _is_sound(self, code: Path, inspection: Inspection) -> bool:
        status = code.lstat()
        private = _is_ours(self._directory) and _is_ours(code, forbidden=0o077)
        whole = stat.S_ISREG(status.st_mode) and status.st_size == inspection.code_bytes
        if not (private and whole):
            return False
        seen = (status.st_ino, status.st_mtime_ns, status.st_ctime_ns)
        if self._verified.get(code) != seen:
            if _digest(code) != inspection.code_digest:
                return False
            self._verified[code] = seen
        return True

    def _paths(self, digest: str) -> tuple[Path, Path]:
        stem = digest.removeprefix("sha256:")
        return self._directory / f"{stem}.cwasm", self._directory / f"{stem}.json"

    # what is made -----------------------------------------------------------------------------

    def _make_directory(self) -> None:
        make_private_directory(self._directory)
        if not _is_ours(self._directory):
            raise PermissionError(errno.EPERM, "other users may write to it")
        for part in self._directory.glob("*.part"):
            with contextlib.suppress(FileNotFoundError):
                if part.stat().st_mtime < time.time() - _PART_AGE_S:
                    part.unlink()

    async def _compile(self, source: Path, digest: str, name: str) -> CompiledModule:
        started = time.monotonic()
        code, note = self._paths(digest)
        with Unnamed(self._directory) as output:
            outcome = await self._run_compiler(source, digest, name, output.descriptor)
            if isinstance(outcome, Rejection):
                raise _error(outcome, name)
            output.keep_as(code)
        write_atomically(note, msgspec.json.encode(outcome))
        took_s = round(time.monotonic() - started, 3)
        log.info("aot.compiled", module=name, digest=digest, took_s=took_s)
        return CompiledModule(digest, code, outcome.exports, outcome.missing)

    async def _run_compiler(self, source: Path, digest: str, name: str, into: int) -> Outcome:
        process = await asyncio.create_subprocess_exec(
            *self._command(source, digest, into),
            env=_environment(),
            pass_fds=[into],
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        wall_s = self._limits.wall_s
        try:
            async with asyncio.timeout(wall_s):
                stdout, stderr = await process.communicate()
        except TimeoutError as exc:
            raise CompileFailed(f"{name}: compiling took over {wall_s:g} s") from exc
        finally:
            if process.returncode is None:
                process.kill()
            await process.communicate()  # read its pipes to the end, or they outlive the loop
        if process.returncode != 0:
            raise CompileFailed(f"{name}: {self._cause(process.returncode or 0, stderr)}")
        return _outcomes.decode(stdout)

    def _command(self, source: Path, digest: str, into: int) -> list[str]:
        settings = msgspec.json.encode(self._settings).decode()
        limits = self._limits
        return [
            *(sys.executable, "-I", "-m", "krustlet.wasm.compile", str(source), str(into)),
            *("--parent", str(os.getpid()), "--digest", digest, "--settings", settings),
            *("--memory", str(limits.memory_bytes), "--cpu", str(limits.cpu_s)),
            *("--output", str(limits.output_bytes)),
        ]

    def _cause(self, exit_code: int, stderr: bytes) -> str:
        told = stderr.decode(errors="replace").strip()
        last = told.rpartition("\n")[2]
        if exit_code == -signal.SIGXCPU:
            return f"compiling took over {self._limits.cpu_s} s of processor time"
        if "memory allocation of" in told or "MemoryError" in last:
            return f"compiling needs over {self._limits.memory_bytes >> 20} MiB of memory"
        if os.strerror(errno.EFBIG) in last:
            return f"its native code has over {self._limits.output_bytes >> 20} MiB"
        if exit_code == -signal.SIGKILL:
            return "the compiler was killed; perhaps this machine is short of memory"
        return f"the compiler ended with {exit_code}: {last}"


def _environment() -> dict[str, str]:
    """As little as possible. Threads and their heaps count as address space, which is limited."""
    threads = min(os.cpu_count() or 1, _MOST_THREADS)
    return {"RAYON_NUM_THREADS": str(threads), "MALLOC_ARENA_MAX": "2"}


def _is_ours(path: Path, *, forbidden: int = 0o022) -> bool:
    status = path.lstat()
    return status.st_uid == os.getuid() and not status.st_mode & forbidden


def _error(rejection: Rejection, name: str) -> WasmError:
    match rejection.kind:
        case "not-wasm":
            return NotWasm(name)
        case "component":
            return ComponentUnsupported(name)
        case "changed":
            return SourceChanged(name)
        case _:
            return ModuleInvalid(name, rejection.message)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
