"""Run one compiled program in this process, to its end.

Imported by the zygote: what is imported here is mapped into every container.
"""

import contextlib
import os
from collections.abc import Callable
from typing import Final, NoReturn

import msgspec

from krustlet.process import Reporter
from krustlet.wasm.command import Program, make_engine
from krustlet.wasm.engine import EngineSettings
from krustlet.wasm.given import make_wasi, preopen
from krustlet.wasm.launch import COMPONENT, WasmLaunch, decode_launch
from krustlet.wasm.traps import ABORTED, EngineError, Exited, Trapped, describe_trap

_STDERR: Final = 2
_WORKING_DIR: Final = "PWD"  # what libc of Go and others begin in


class WasmRunner:
    """A `Runner` for command modules of preview 1 and command components of preview 2."""

    def __init__(self, settings_text: str = "") -> None:
        """Make it.

        Args:
            settings_text: `EngineSettings` as JSON; empty for the engine's defaults.
        """
        self._reporter: Reporter | None = None
        try:
            self.settings = msgspec.json.decode(settings_text or "{}", type=EngineSettings)
        except msgspec.MsgspecError as exc:
            raise EngineError(f"settings of the engine: {exc}") from exc

    def prepare(self) -> None:
        """Build what all containers share: the engine, and WASI linked to it."""
        self._engine = make_engine(self.settings, proc_exit=self._end)

    def load(self, payload: bytes) -> Callable[[Reporter], NoReturn]:
        """Map the native code while this process may still read it."""
        launch = decode_launch(payload)
        if (kind := self._engine.get(launch.kind)) is None:
            raise EngineError(f"nothing of the kind {launch.kind!r} can be run")
        program = kind.load(launch.code)
        return lambda reporter: self._run(launch, kind, program, reporter)

    def _run(self, launch: WasmLaunch, kind: Program, program: int, reporter: Reporter) -> NoReturn:
        self._reporter = reporter
        network = launch.network and launch.kind == COMPONENT  # preview 1 cannot open sockets
        wasi = make_wasi(launch.argv, variables_of(launch), network=network)
        for seen in launch.preopens:
            if not preopen(wasi, host=seen.host, guest=seen.guest, read_only=seen.read_only):
                raise OSError(f"{seen.guest}: cannot open {seen.host}")
        limit = launch.memory_bytes
        if limit is None:
            limit = self.settings.max_memory_bytes
        try:
            code = kind.run(program, wasi, limit)
        except Exited as exc:
            code = exc.code
        except Trapped as exc:
            text = describe_trap(exc)
            _say(text)
            reporter.end(ABORTED, message=text)
        self._end(code)

    def _end(self, code: int) -> NoReturn:
        """End at once with the guest's code: wasmtime's own refuses all from 126 up.

        Args:
            code: as the API has it, too: a signed number of 32 bits.
        """
        try:
            if not 0 <= code <= 0xFF and self._reporter is not None:
                self._reporter.end(code)
        finally:  # with nobody left to tell, too
            os._exit(code & 0xFF)


def _say(text: str) -> None:
    with contextlib.suppress(OSError):  # nobody reads its stderr; how it ended is told all the same
        os.write(_STDERR, f"{text}\n".encode())


def variables_of(launch: WasmLaunch) -> list[tuple[str, str]]:
    """The guest's variables, and the one that tells where it is to work."""
    if not launch.working_dir or any(name == _WORKING_DIR for name, _ in launch.env):
        return launch.env
    return [*launch.env, (_WORKING_DIR, launch.working_dir)]
