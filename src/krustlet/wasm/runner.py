"""Run one compiled module in this process, to its end.

Imported by the zygote, so what is imported here is resident in every container.
"""

import os
from collections.abc import Callable
from typing import NoReturn

import wasmtime

from krustlet.process import Reporter
from krustlet.wasm.engine import (
    WASI_PREVIEW_1,
    EngineSettings,
    make_engine,
    make_linker,
)
from krustlet.wasm.launch import WasmLaunch, decode_launch

TRAP_CODE = 134  # 128 + SIGABRT, what the wasmtime command ends with


class WasmRunner:
    """A `Runner` for preview-1 command modules."""

    def __init__(self) -> None:
        self._reporter: Reporter | None = None

    def prepare(self) -> None:
        """Build what all containers share: the engine, and WASI linked to it."""
        self._engine = make_engine(EngineSettings())
        self._linker = make_linker(self._engine)
        self._linker.allow_shadowing = True
        self._linker.define_func(
            WASI_PREVIEW_1,
            "proc_exit",
            wasmtime.FuncType([wasmtime.ValType.i32()], []),
            self._proc_exit,
        )

    def load(self, payload: bytes) -> Callable[[Reporter], NoReturn]:
        """Map the native code while this process may still read it."""
        launch = decode_launch(payload)
        module = wasmtime.Module.deserialize_file(self._engine, launch.code)
        return lambda reporter: self._run(launch, module, reporter)

    def _run(self, launch: WasmLaunch, module: wasmtime.Module, reporter: Reporter) -> NoReturn:
        self._reporter = reporter
        store = wasmtime.Store(self._engine)
        store.set_wasi(_wasi(launch))
        start = self._linker.instantiate(store, module).exports(store)["_start"]
        assert isinstance(start, wasmtime.Func)
        try:
            start(store)
        except (wasmtime.Trap, wasmtime.WasmtimeError) as exc:
            text = describe_trap(str(exc))
            os.write(2, f"{text}\n".encode())
            reporter.end(TRAP_CODE, message=text)
        os._exit(0)

    def _proc_exit(self, code: int) -> None:
        """End at once with the guest's code: wasmtime's own refuses all from 126 up."""
        code &= 0xFFFF_FFFF
        if code > 0xFF and self._reporter is not None:
            self._reporter.end(code)
        os._exit(code)


def _wasi(launch: WasmLaunch) -> wasmtime.WasiConfig:
    wasi = wasmtime.WasiConfig()
    wasi.argv = launch.argv
    wasi.env = launch.env
    wasi.inherit_stdin()
    wasi.inherit_stdout()
    wasi.inherit_stderr()
    for preopen in launch.preopens:
        try:
            wasi.preopen_dir(preopen.host, preopen.guest, not preopen.read_only)
        except wasmtime.WasmtimeError as exc:
            raise OSError(f"{preopen.guest}: cannot open {preopen.host}") from exc
    return wasi


def describe_trap(text: str) -> str:
    """wasmtime's words for a trap with the cause first, the back-trace after it."""
    trace, _, cause = text.partition("\n\nCaused by:\n")
    frames = [line.replace("<unknown>!", "").rstrip() for line in trace.splitlines()[1:]]
    causes = [line.strip() for line in cause.splitlines() if line.strip()]
    if not causes:
        return text.strip()
    return "\n".join([*causes, "wasm backtrace:", *frames])
