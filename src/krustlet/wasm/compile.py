"""Compile one module in a process of its own, under limits: the module may be hostile.

Run by `cache` as `python -I -m krustlet.wasm.compile`. Prints one `Outcome` as JSON; the native
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

import msgspec
import wasmtime

from krustlet.wasm import capi
from krustlet.wasm.engine import EngineSettings
from krustlet.wasm.outcome import Inspection, Outcome, Rejection

_MAGIC = b"\0asm"
_COMPONENT_LAYER = b"\x01\0"
_NICENESS = 10
_PR_SET_PDEATHSIG = 1


def compile_module(
    data: bytes, *, expected_digest: str, into: int, settings: EngineSettings
) -> Outcome:
    """Turn a module (binary or text) into native code, written to the descriptor `into`."""
    if f"sha256:{hashlib.sha256(data).hexdigest()}" != expected_digest:
        return Rejection("changed", "the file has changed since it was looked at")
    try:
        binary = _binary(data)
    except (wasmtime.WasmtimeError, UnicodeDecodeError) as exc:
        return Rejection("invalid", str(exc).strip())
    if binary is None:
        return Rejection("not-wasm", "exec format error")
    if binary[6:8] == _COMPONENT_LAYER:
        return Rejection("component", "it is a component")
    capi.check()  # in time: what is compiled now is to run through it
    engine = make_engine(settings)
    try:
        module = wasmtime.Module(engine, binary)
    except wasmtime.WasmtimeError as exc:
        return Rejection("invalid", str(exc).strip())
    code = module.serialize()
    with open(into, "wb", closefd=False) as file:
        file.write(code)
    return Inspection(
        exports=[export.name for export in module.exports],
        missing=_missing(engine, module),
        code_digest=f"sha256:{hashlib.sha256(code).hexdigest()}",
        code_bytes=len(code),
    )


def make_engine(settings: EngineSettings) -> wasmtime.Engine:
    """The engine that containers have, see `command`."""
    config = wasmtime.Config()
    config.cranelift_opt_level = settings.optimisation
    config.max_wasm_stack = settings.max_stack_bytes
    return wasmtime.Engine(config)


def _binary(data: bytes) -> bytes | None:
    if data.startswith(_MAGIC):
        return data
    if _looks_like_text(data):
        return bytes(wasmtime.wat2wasm(data.decode()))
    return None


def _looks_like_text(data: bytes) -> bool:
    """Whether this is the text format: after comments and space, it starts with `(`."""
    rest = data.lstrip()
    while rest.startswith((b";;", b"(;")):
        rest = _after_line(rest) if rest.startswith(b";;") else _after_block(rest)
        rest = rest.lstrip()
    return rest.startswith(b"(")


def _after_line(rest: bytes) -> bytes:
    return rest.partition(b"\n")[2]


def _after_block(rest: bytes) -> bytes:
    depth = 0
    for bracket in re.finditer(rb"\(;|;\)", rest):  # they nest
        depth += 1 if bracket[0] == b"(;" else -1
        if depth == 0:
            return rest[bracket.end() :]
    return b""


def _missing(engine: wasmtime.Engine, module: wasmtime.Module) -> list[str]:
    linker = wasmtime.Linker(engine)
    linker.define_wasi()
    store = wasmtime.Store(engine)
    missing = []
    for wanted in module.imports:
        try:
            linker.get(store, wanted.module, wanted.name or "")
        except wasmtime.WasmtimeError:
            missing.append(f"{wanted.module}::{wanted.name}")
    return missing


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


def main(arguments: Sequence[str] | None = None) -> None:
    """Compile under limits, print the outcome."""
    options = _parse(arguments)
    os.umask(0o077)
    _limit(options)
    outcome = compile_module(
        options.source.read_bytes(),
        expected_digest=options.digest,
        into=options.into,
        settings=msgspec.json.decode(options.settings, type=EngineSettings),
    )
    sys.stdout.buffer.write(msgspec.json.encode(outcome))


if __name__ == "__main__":
    main()
