"""Run compiler processes, each under limits, and tell what became of them.

Owns the processes. Leaves what to compile, and where the code is kept, to `cache`.
"""

import asyncio
import contextlib
import errno
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from krustlet.wasm.engine import EngineSettings
from krustlet.wasm.outcome import Outcome, Rejection, shortened
from krustlet.wasm.turns import Turn

_MOST_THREADS: Final = 8
_MOST_AT_ONCE: Final = 16  # hostile modules take minutes each: some more of these than processors

_outcomes: msgspec.json.Decoder[Outcome] = msgspec.json.Decoder(Outcome)


class CompileLimits(msgspec.Struct, frozen=True, kw_only=True):
    """What one compiler process may use."""

    memory_bytes: int = 4 << 30
    cpu_s: int = 300
    wall_s: float = 600.0
    output_bytes: int = 1 << 30


class Compiler:
    """Starts compilers, some at once; the rest wait in line."""

    def __init__(self, settings: EngineSettings, limits: CompileLimits) -> None:
        self._settings = settings
        self._limits = limits
        self._room = asyncio.Semaphore(_MOST_AT_ONCE)

    async def compile(self, source: Path, *, digest: str, into: int) -> Outcome:
        """What a compiler tells of `source`; with an `Inspection` its code is in `into`."""
        wall_s = self._limits.wall_s
        async with self._room:
            try:
                async with asyncio.timeout(wall_s):
                    code, told, stderr = await _run(self._command(source, digest, into), (into,))
            except TimeoutError:
                return Rejection("costly", f"compiling took over {wall_s:g} s")
        if code != 0:
            return self._failure(code, stderr)
        return _outcomes.decode(told)

    async def wait_for(self, turn: Turn) -> Rejection | None:
        """Wait until no other process compiles what `turn` is about; it is then ours."""
        wall_s = self._limits.wall_s
        try:
            async with asyncio.timeout(wall_s):
                code, _, stderr = await _run(turn.waiter(), (turn.descriptor,))
        except TimeoutError:
            return Rejection("died", f"another process has been compiling it for over {wall_s:g} s")
        if code != 0:
            why = f"what waited for another compiler {_ended(code)}: {_last(stderr)}"
            return Rejection("died", why)
        return None

    def _command(self, source: Path, digest: str, into: int) -> list[str]:
        settings = msgspec.json.encode(self._settings).decode()
        limits = self._limits
        return [
            *(sys.executable, "-I", "-m", "krustlet.wasm.compile", str(source), str(into)),
            *("--parent", str(os.getpid()), "--digest", digest, "--settings", settings),
            *("--memory", str(limits.memory_bytes), "--cpu", str(limits.cpu_s)),
            *("--output", str(limits.output_bytes)),
        ]

    def _failure(self, exit_code: int, stderr: bytes) -> Rejection:
        told, last = stderr.decode(errors="replace"), _last(stderr)
        limits = self._limits
        if exit_code == -signal.SIGXCPU:
            why = f"compiling took over {limits.cpu_s} s of processor time"
            return Rejection("costly", why)
        if "memory allocation of" in told or "MemoryError" in last:
            why = f"compiling needs over {limits.memory_bytes >> 20} MiB of memory"
            return Rejection("costly", why)
        if os.strerror(errno.EFBIG) in last:
            why = f"its native code has over {limits.output_bytes >> 20} MiB"
            return Rejection("costly", why)
        if exit_code == -signal.SIGKILL:
            why = "the compiler was killed; perhaps this machine is short of memory"
            return Rejection("died", why)
        return Rejection("died", f"the compiler {_ended(exit_code)}: {last}".removesuffix(": "))


async def _run(command: Sequence[str], descriptors: Sequence[int]) -> tuple[int, bytes, bytes]:
    """Exit code and what it printed; who gives up waiting has it killed."""
    process = await asyncio.create_subprocess_exec(
        *command,
        env=_environment(),
        pass_fds=descriptors,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        stdout, stderr = await process.communicate()
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):  # it has ended this moment
                process.kill()
        await process.communicate()  # read its pipes to the end, or they outlive the loop
    return process.returncode or 0, stdout, stderr


def _environment() -> dict[str, str]:
    """As little as possible. Threads and their heaps count as address space, which is limited."""
    threads = min(os.cpu_count() or 1, _MOST_THREADS)
    return {"RAYON_NUM_THREADS": str(threads), "MALLOC_ARENA_MAX": "2"}


def _ended(exit_code: int) -> str:
    if exit_code >= 0:
        return f"ended with {exit_code}"
    with contextlib.suppress(ValueError):
        return f"died by {signal.Signals(-exit_code).name}"
    return f"died by signal {-exit_code}"


def _last(stderr: bytes) -> str:
    return shortened(stderr.decode(errors="replace").strip().rpartition("\n")[2])
