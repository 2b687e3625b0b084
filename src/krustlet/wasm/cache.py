"""Native code on disk, so that nothing is compiled twice.

Owns the cache directory. Loading native code is running it, so an entry counts only while it is
ours, private, and byte for byte what the compiler wrote. Entries are named by the module's digest
below a directory named by the engine's fingerprint; the note beside the code is written last, and
code without a note is nobody's.
"""

import asyncio
import hashlib
import os
import stat
import sys
import time
from pathlib import Path
from typing import Final

import msgspec
import structlog

from krustlet.base import Unnamed, make_private_directory, write_atomically
from krustlet.wasm.compile import Inspection, Outcome, Rejection
from krustlet.wasm.engine import EngineSettings, fingerprint
from krustlet.wasm.errors import (
    CompileFailed,
    ComponentUnsupported,
    ModuleInvalid,
    NotWasm,
    SourceChanged,
    WasmError,
)

_PART_AGE_S: Final = 3600.0  # older than any compiler may get: left behind by one that was killed
_XCPU_EXIT: Final = -24
_ABORT_EXIT: Final = -6

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
        self._compiling: dict[str, asyncio.Task[CompiledModule]] = {}
        self._verified: dict[Path, tuple[int, int, int]] = {}

    async def ensure(self, source: Path, *, digest: str, name: str) -> CompiledModule:
        """The native code of a module; compiled now if it is not there yet.

        Whoever else asks for the same module meanwhile waits for the same compiler.

        Args:
            source: a file that holds the module, binary or text.
            digest: `sha256:<hex>` of its bytes.
            name: what to call it in an error.

        Raises:
            WasmError: one of its kinds; nothing was kept.
        """
        if (found := await asyncio.to_thread(self._find, digest)) is not None:
            return found
        task = self._compiling.get(digest)
        if task is None:
            task = asyncio.create_task(
                self._compile(source, digest, name), name=f"wasm.compile:{digest}"
            )
            self._compiling[digest] = task
            task.add_done_callback(lambda _: self._compiling.pop(digest, None))
        return await asyncio.shield(task)

    async def close(self) -> None:
        """End the compilers that still run."""
        tasks = list(self._compiling.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

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
        private = stat.S_ISREG(status.st_mode) and not status.st_mode & 0o077
        if not private or status.st_uid != os.getuid() or status.st_size != inspection.code_bytes:
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

    async def _compile(self, source: Path, digest: str, name: str) -> CompiledModule:
        make_private_directory(self._directory)
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
        limits = self._limits
        process = await asyncio.create_subprocess_exec(
            *[
                sys.executable,
                "-I",
                "-m",
                "krustlet.wasm.compile",
                str(source),
                str(into),
            ],
            *[
                "--digest",
                digest,
                "--settings",
                msgspec.json.encode(self._settings).decode(),
            ],
            *["--memory", str(limits.memory_bytes), "--cpu", str(limits.cpu_s)],
            *["--output", str(limits.output_bytes)],
            env={},
            pass_fds=[into],
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            async with asyncio.timeout(limits.wall_s):
                stdout, stderr = await process.communicate()
        except TimeoutError as exc:
            raise CompileFailed(f"{name}: compiling took over {limits.wall_s:.0f} s") from exc
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        if process.returncode != 0:
            raise CompileFailed(f"{name}: {self._cause(process.returncode or 0, stderr)}")
        return _outcomes.decode(stdout)

    def _cause(self, exit_code: int, stderr: bytes) -> str:
        if exit_code == _XCPU_EXIT:
            return f"compiling took over {self._limits.cpu_s} s of processor time"
        last = stderr.decode(errors="replace").strip().rpartition("\n")[2]
        if exit_code == _ABORT_EXIT or "MemoryError" in last:
            return f"compiling needs over {self._limits.memory_bytes >> 20} MiB of memory"
        return f"the compiler ended with {exit_code}: {last}"


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
