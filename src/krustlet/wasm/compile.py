"""Compile one module in a process of its own, under limits: the module may be hostile.

Run by `compiler` as `python -I -m krustlet.wasm.compile`. Prints one `Outcome` as JSON; the native
code goes to the descriptor it was given.
"""

import argparse
import ctypes
import hashlib
import os
import re
import resource
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec
import wasmtime
from wasmtime import _ffi as ffi
from wasmtime import component as model

from krustlet.wasm import capi
from krustlet.wasm.engine import WASI_UNSTABLE, EngineSettings, switches, with_source_lines
from krustlet.wasm.linking import Linkage, look_at_component, look_at_module
from krustlet.wasm.outcome import Inspection, Kind, Outcome, Rejection, shortened, shown
from krustlet.wasm.sections import MAGIC, is_component
from krustlet.wasm.unstable_imports import modernise

_NICENESS: Final = 10
_PR_SET_PDEATHSIG: Final = 1
_SPACE_AND_LINES: Final = re.compile(rb"(?:\s|;;[^\n]*)*+")
_BRACKETS: Final = re.compile(rb"\(;|;\)")


def compile_module(engine: wasmtime.Engine, data: bytes, *, into: int) -> Outcome:
    """Turn a module or component (binary or text) into native code, written to `into`.

    Args:
        engine: out of `make_engine`.
        into: a descriptor; what was written there counts only with an `Inspection`.
    """
    try:
        binary = _binary(data)
        if binary is None:
            return Rejection("not-wasm", "exec format error")
        kind, code, linkage = _compile(engine, binary)
    except (wasmtime.WasmtimeError, UnicodeDecodeError) as exc:
        return Rejection("invalid", shortened(str(exc)))
    if linkage.mismatch:
        return Rejection("imports", shortened(linkage.mismatch))
    with open(into, "wb", closefd=False) as file:
        file.write(code)
    return Inspection(
        kind=kind,
        entry=linkage.entry,
        exports=shown(linkage.exports),
        missing=shown(linkage.missing),
        code_digest=f"sha256:{hashlib.sha256(code).hexdigest()}",
        code_bytes=len(code),
    )


def make_engine(settings: EngineSettings) -> wasmtime.Engine:
    """The engine that containers have, see `command`."""
    config = with_source_lines(wasmtime.Config)
    config.cranelift_opt_level = settings.optimisation
    config.max_wasm_stack = settings.max_stack_bytes
    for name, value in switches(settings):
        getattr(ffi, name)(config.ptr(), value)
    return wasmtime.Engine(config)


def _compile(engine: wasmtime.Engine, binary: bytes) -> tuple[Kind, bytearray, Linkage]:
    if is_component(binary):
        component = model.Component(engine, binary)
        return "component", component.serialize(), look_at_component(engine, component)
    module = wasmtime.Module(engine, modernise(binary))
    kind: Kind = "unstable" if _is_unstable(module) else "module"
    return kind, module.serialize(), look_at_module(engine, module)


def _is_unstable(module: wasmtime.Module) -> bool:
    return any(wanted.module == WASI_UNSTABLE for wanted in module.imports)


def _binary(data: bytes) -> bytes | None:
    if data.startswith(MAGIC):
        return data
    if _looks_like_text(data):
        return bytes(wasmtime.wat2wasm(data.decode()))
    return None


def _looks_like_text(data: bytes) -> bool:
    """Whether this is the text format: after comments and space, it starts with `(`."""
    at = 0
    while True:
        space = _SPACE_AND_LINES.match(data, at)
        at = space.end() if space else at
        if not data.startswith(b"(;", at):
            return data.startswith(b"(", at)
        at = _after_block(data, at)


def _after_block(data: bytes, at: int) -> int:
    depth = 0
    for bracket in _BRACKETS.finditer(data, at):  # they nest
        depth += 1 if bracket[0] == b"(;" else -1
        if depth == 0:
            return bracket.end()
    return len(data)


def _limit(options: argparse.Namespace) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    if os.getppid() != options.parent:  # it died before we asked to be told
        os._exit(1)
    os.nice(_NICENESS)
    for what, soft, hard in (
        (resource.RLIMIT_CORE, 0, 0),
        (resource.RLIMIT_AS, options.memory, options.memory),
        # At the hard limit comes SIGKILL, which could mean anything; at the soft one SIGXCPU.
        (resource.RLIMIT_CPU, options.cpu, options.cpu + 1),
        (resource.RLIMIT_FSIZE, options.output, options.output),
    ):
        resource.setrlimit(what, (soft, hard))


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="krustlet-compile", allow_abbrev=False)
    parser.add_argument("source", type=Path)
    parser.add_argument("into", type=int, help="descriptor of the output")
    parser.add_argument("--parent", type=int, required=True, help="not to be outlived")
    parser.add_argument("--digest", required=True)
    parser.add_argument("--settings", required=True, help="EngineSettings as JSON")
    parser.add_argument("--memory", type=int, required=True, help="bytes of address space")
    parser.add_argument("--cpu", type=int, required=True, help="seconds")
    parser.add_argument("--output", type=int, required=True, help="bytes of native code")
    return parser.parse_args(arguments)


def _outcome(options: argparse.Namespace) -> Outcome:
    data = options.source.read_bytes()
    if f"sha256:{hashlib.sha256(data).hexdigest()}" != options.digest:
        return Rejection("changed", "the file has changed since it was looked at")
    capi.check()  # in time: what is compiled now is to run through it
    settings = msgspec.json.decode(options.settings, type=EngineSettings)
    return compile_module(make_engine(settings), data, into=options.into)


def main(arguments: Sequence[str] | None = None) -> None:
    """Compile under limits, print the outcome."""
    options = _parse(arguments)
    os.umask(0o077)
    _limit(options)
    sys.stdout.buffer.write(msgspec.json.encode(_outcome(options)))


if __name__ == "__main__":
    main()
