"""Run one compiled module in this process, to its end.

Imported by the zygote: what is imported here is mapped into every container.
"""

import os
import re
from collections.abc import Callable
from typing import Final, NoReturn

from krustlet.process import Reporter
from krustlet.wasm.command import Engine, Trapped, make_wasi, preopen
from krustlet.wasm.engine import EngineSettings
from krustlet.wasm.launch import WasmLaunch, decode_launch

TRAP_CODE: Final = 134  # 128 + SIGABRT, what the wasmtime command ends with
_STDERR: Final = 2
_NUMBER: Final = re.compile(r"^\d+: ")
_ADVICE: Final = "note: using the "  # a variable of wasmtime's, which no container is given


class WasmRunner:
    """A `Runner` for preview-1 command modules."""

    def __init__(self) -> None:
        self._reporter: Reporter | None = None

    def prepare(self) -> None:
        """Build what all containers share: the engine, and WASI linked to it."""
        self._engine = Engine(EngineSettings(), proc_exit=self._proc_exit)

    def load(self, payload: bytes) -> Callable[[Reporter], NoReturn]:
        """Map the native code while this process may still read it."""
        launch = decode_launch(payload)
        module = self._engine.load(launch.code)
        return lambda reporter: self._run(launch, module, reporter)

    def _run(self, launch: WasmLaunch, module: int, reporter: Reporter) -> NoReturn:
        self._reporter = reporter
        wasi = make_wasi(launch.argv, launch.env)
        for seen in launch.preopens:
            if not preopen(wasi, host=seen.host, guest=seen.guest, read_only=seen.read_only):
                raise OSError(f"{seen.guest}: cannot open {seen.host}")
        try:
            self._engine.run(module, wasi)
        except Trapped as exc:
            text = describe_trap(str(exc))
            os.write(_STDERR, f"{text}\n".encode())
            reporter.end(TRAP_CODE, message=text)
        os._exit(0)

    def _proc_exit(self, code: int) -> NoReturn:
        """End at once with the guest's code: wasmtime's own refuses all from 126 up.

        Args:
            code: as the API has it, too: a signed number of 32 bits.
        """
        try:
            if not 0 <= code <= 0xFF and self._reporter is not None:
                self._reporter.end(code)
        finally:  # with nobody left to tell, too
            os._exit(code & 0xFF)


def describe_trap(text: str) -> str:
    """wasmtime's words for a trap with the cause first, the back-trace after it."""
    trace, _, causes = text.partition("\n\nCaused by:\n")
    frames = [
        line.replace("<unknown>!", "").rstrip()
        for line in trace.splitlines()[1:]
        if not line.startswith(_ADVICE)
    ]
    # One a line, and numbered if there are several; the last is what the others come down to.
    said = [_NUMBER.sub("", line.strip()) for line in causes.splitlines() if line.strip()]
    if not said:
        return text.strip()
    return "\n".join([": ".join(reversed(said)), "wasm backtrace:", *frames])
