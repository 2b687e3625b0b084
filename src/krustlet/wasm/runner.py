"""Run one compiled module in this process, to its end.

Imported by the zygote: what is imported here is mapped into every container.
"""

import os
import re
from collections.abc import Callable
from typing import Final, NoReturn

import wasmtime

from krustlet.process import Reporter
from krustlet.wasm import capi
from krustlet.wasm.engine import (
    WASI_PREVIEW_1,
    EngineSettings,
    make_engine,
    make_linker,
)
from krustlet.wasm.launch import WasmLaunch, decode_launch

TRAP_CODE: Final = 134  # 128 + SIGABRT, what the wasmtime command ends with
_STDERR: Final = 2
_NUMBER: Final = re.compile(r"^\d+: ")


class WasmRunner:
    """A `Runner` for preview-1 command modules."""

    def __init__(self) -> None:
        self._reporter: Reporter | None = None

    def prepare(self) -> None:
        """Build what all containers share: the engine, and WASI linked to it."""
        self._owned = engine, linker = _engine_and_linker(self._proc_exit)
        self._engine = capi.address(engine)
        self._linker = capi.address(linker)

    def load(self, payload: bytes) -> Callable[[Reporter], NoReturn]:
        """Map the native code while this process may still read it."""
        launch = decode_launch(payload)
        module = capi.load_module(self._engine, launch.code)
        return lambda reporter: self._run(launch, module, reporter)

    def _run(self, launch: WasmLaunch, module: int, reporter: Reporter) -> NoReturn:
        self._reporter = reporter
        wasi = capi.make_wasi(launch.argv, launch.env)
        for preopen in launch.preopens:
            if not capi.preopen(
                wasi, host=preopen.host, guest=preopen.guest, read_only=preopen.read_only
            ):
                raise OSError(f"{preopen.guest}: cannot open {preopen.host}")
        try:
            capi.run_command(self._engine, self._linker, module, wasi)
        except capi.Trapped as exc:
            text = describe_trap(str(exc))
            os.write(_STDERR, f"{text}\n".encode())
            reporter.end(TRAP_CODE, message=text)
        os._exit(0)

    def _proc_exit(self, code: int) -> None:
        """End at once with the guest's code: wasmtime's own refuses all from 126 up.

        Args:
            code: as the API has it, too: a signed number of 32 bits.
        """
        if not 0 <= code <= 0xFF and self._reporter is not None:
            self._reporter.end(code)
        os._exit(code)


def _engine_and_linker(
    proc_exit: Callable[[int], None],
) -> tuple[wasmtime.Engine, wasmtime.Linker]:
    engine = make_engine(EngineSettings())
    linker = make_linker(engine)
    linker.allow_shadowing = True
    takes_a_code = wasmtime.FuncType([wasmtime.ValType.i32()], [])
    linker.define_func(WASI_PREVIEW_1, "proc_exit", takes_a_code, proc_exit)
    return engine, linker


def describe_trap(text: str) -> str:
    """wasmtime's words for a trap with the cause first, the back-trace after it."""
    trace, _, causes = text.partition("\n\nCaused by:\n")
    frames = [line.replace("<unknown>!", "").rstrip() for line in trace.splitlines()[1:]]
    # One a line, and numbered if there are several; the last is what the others come down to.
    said = [_NUMBER.sub("", line.strip()) for line in causes.splitlines() if line.strip()]
    if not said:
        return text.strip()
    return "\n".join([": ".join(reversed(said)), "wasm backtrace:", *frames])
