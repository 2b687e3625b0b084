"""Native code for every module, made no more than once.

Decides what is compiled and when. Leaves the files to `entries`, the compilers to `compiler`, and
taking turns with other processes to `turns`.
"""

import asyncio
import contextlib
import time
from pathlib import Path
from typing import Final

import msgspec
import structlog

from krustlet.base import Unnamed
from krustlet.wasm.compiler import CompileLimits, Compiler
from krustlet.wasm.engine import EngineSettings
from krustlet.wasm.entries import Entries
from krustlet.wasm.errors import (
    CacheUnusable,
    CompileFailed,
    ImportsMismatched,
    ModuleInvalid,
    NotWasm,
    SourceChanged,
    WasmError,
)
from krustlet.wasm.fingerprint import fingerprint
from krustlet.wasm.outcome import Inspection, Kind, Rejection
from krustlet.wasm.refusals import Refusals, Refused
from krustlet.wasm.turns import Turn

DEFAULT_MAX_BYTES: Final = 1 << 30

log = structlog.get_logger(__name__)


class CompiledModule(msgspec.Struct, frozen=True):
    """Native code ready to be mapped, and what is known of the module it came from.

    It stays where it is for ten minutes at least; whoever has mapped it may keep it for good.

    Attributes:
        kind: see `Inspection`.
        entry: the export that is to be run; empty if nothing can be.
        exports: names, for people; `missing`, imports that nobody here provides, likewise.
    """

    digest: str
    code: Path
    kind: Kind
    entry: str
    exports: list[str]
    missing: list[str]


class _Making:
    """A module that is being looked for or compiled, for everybody who asks meanwhile."""

    def __init__(self, task: asyncio.Task[CompiledModule | Refused]) -> None:
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
        max_bytes: int = DEFAULT_MAX_BYTES,
    ) -> None:
        """Use `directory`, which others may use at the same time.

        Args:
            directory: made when it is needed.
            settings: of the engine that is to run the modules.
            limits: of each compiler.
            max_bytes: of all that is kept there, for all engines; what was used in the last minutes
                is kept in any case.
        """
        settings = settings or EngineSettings()
        self._compiler = Compiler(settings, limits or CompileLimits())
        self.engine = fingerprint(settings)
        """Names what native code is made for."""
        self._entries = Entries(directory, self.engine, max_bytes=max_bytes)
        self._refusals = Refusals(time.monotonic)
        self._making: dict[str, _Making] = {}
        self._tasks: set[asyncio.Task[CompiledModule | Refused]] = set()

    async def ensure(self, source: Path, *, digest: str, name: str) -> CompiledModule:
        """The native code of a module; compiled now if it is not there yet.

        Whoever else asks for the same module meanwhile waits for the same compiler. It ends with
        the last who waits for it.

        Args:
            source: a file that holds the module or component, binary or text.
            digest: `sha256:<hex>` of its bytes.
            name: what to call it in an error.

        Raises:
            WasmError: one of its kinds; nothing was kept. What was refused is not tried again for a
                while, and the same is said of it.
        """
        if (refused := self._refusals.find(digest)) is not None:
            raise _error(refused, name)
        is_at_hand = digest not in self._making and self._entries.is_at_hand(digest)
        if is_at_hand and (known := await self._find(digest)) is not None:
            return known
        made = await self._shared(source, digest)
        if isinstance(made, Refused):
            raise _error(made, name)
        return made

    async def close(self) -> None:
        """End the compilers that still run."""
        tasks = list(self._tasks)
        for task in tasks:
            if not task.cancelling():  # told twice, it would not see its compiler end
                task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _shared(self, source: Path, digest: str) -> CompiledModule | Refused:
        making = self._making.get(digest)
        if making is None:
            work = self._find_or_compile(source, digest)
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

    async def _find_or_compile(self, source: Path, digest: str) -> CompiledModule | Refused:
        if (found := await self._find(digest)) is not None:
            return found
        try:
            await asyncio.to_thread(self._entries.prepare)
            with contextlib.closing(Turn(self._entries.directory, digest)) as turn:
                made = await self._in_turn(turn, source, digest)
            await asyncio.to_thread(self._entries.sweep)
        except OSError as exc:
            raise CacheUnusable(self._entries.directory, exc) from exc
        return made

    async def _in_turn(self, turn: Turn, source: Path, digest: str) -> CompiledModule | Refused:
        """Compile, unless another process does so already and succeeds."""
        if not turn.take():
            log.info("aot.waiting", digest=digest)
            if (gone_wrong := await self._compiler.wait_for(turn)) is not None:
                return self._refusals.note(digest, gone_wrong)
        if (found := await self._find(digest)) is not None:  # made since we looked
            return found
        return await self._compile(source, digest)

    async def _compile(self, source: Path, digest: str) -> CompiledModule | Refused:
        started = time.monotonic()
        with Unnamed(self._entries.directory) as output:
            outcome = await self._compiler.compile(source, digest=digest, into=output.descriptor)
            took_s = round(time.monotonic() - started, 3)
            if isinstance(outcome, Rejection):
                log.info("aot.refused", digest=digest, kind=outcome.kind, took_s=took_s)
                return self._refusals.note(digest, outcome)
            self._entries.keep(digest, output, outcome)
        self._refusals.forget(digest)
        log.info("aot.compiled", digest=digest, kind=outcome.kind, took_s=took_s)
        return self._module(digest, outcome)

    async def _find(self, digest: str) -> CompiledModule | None:
        if self._entries.is_at_hand(digest):  # a thread would take longer
            found = self._entries.find(digest)
        else:
            found = await asyncio.to_thread(self._entries.find, digest)
        return self._module(digest, found) if found is not None else None

    def _module(self, digest: str, known: Inspection) -> CompiledModule:
        code = self._entries.code(digest)
        return CompiledModule(digest, code, known.kind, known.entry, known.exports, known.missing)


def _error(refused: Refused, name: str) -> WasmError:
    rejection = refused.rejection
    match rejection.kind:
        case "not-wasm":
            return NotWasm(name)
        case "invalid":
            return ModuleInvalid(name, rejection.message)
        case "imports":
            return ImportsMismatched(name, rejection.message)
        case "changed":
            return SourceChanged(name)
        case "costly" | "died":
            return CompileFailed(name, rejection.message, held_s=refused.held_s)
