"""Feed broken modules to the compile step, in few processes, and see that each gets its answer.

Each input follows from the seed and its number alone, so that one which breaks something can be
had again: `python -m tests.support.fuzzing DIRECTORY SEED FIRST LAST MODULE…`.
"""

import itertools
import os
import random
import resource
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Final

import msgspec
import wasmtime

from krustlet.wasm.compile import compile_module, make_engine
from krustlet.wasm.engine import EngineSettings
from krustlet.wasm.outcome import Inspection
from tests.support.supervised import ROOT
from tests.support.wasm_sources import binary, command_component, nested_component

_HANGS_AFTER_S: Final = 10
_MEMORY_BYTES: Final = 4 << 30
_LIMIT_S: Final = 120.0
_HEADER_BYTES: Final = 8
_ODD_BYTES: Final = (0, 1, 0x7F, 0x80, 0xFF)
_TEXTS: Final = (
    command_component(),
    command_component('(import "wasi:cli/exit@0.2.0" (instance (export "nope" (func))))'),
    command_component('(import "wasi:io/streams@0.2.0" (instance (export "f" (func))))'),
    nested_component(levels=2, width=3),
    """(module
      (import "wasi_unstable" "fd_seek" (func (param i32 i64 i32 i32) (result i32)))
      (import "wasi_unstable" "fd_write" (func (param i32 i32 i32 i32) (result i32)))
      (import "a" "t" (table 1 2 funcref))
      (memory 1) (data (i32.const 0) "hello")
      (func (export "_start") (loop (br_if 0 (i32.const 0)))))""",
    """(module
      (func $f (param i32) (result i32)
        (if (result i32) (local.get 0)
          (then (call $f (i32.sub (local.get 0) (i32.const 1)))) (else (i32.const 7))))
      (table funcref (elem $f)) (export "f" (func $f))
      (func (export "_start")
        (drop (call_indirect (param i32) (result i32) (i32.const 3) (i32.const 0)))))""",
)


class FuzzError(Exception):
    """An input that got no answer, or none that a person could read."""


def fuzz(
    directory: Path, modules: list[Path], *, inputs: int, workers: int, seed: int
) -> Counter[str]:
    """How many inputs got each answer; as many processes at once as there are `workers`.

    Args:
        directory: empty; what a worker was at is found there.
        modules: good ones, to be broken.

    Raises:
        FuzzError: a process crashed, hung or took too long; it names the input.
    """
    bounds = [inputs * worker // workers for worker in range(workers + 1)]
    running = []
    for first, last in itertools.pairwise(bounds):
        command = [sys.executable, "-m", __name__, str(directory), str(seed), str(first), str(last)]
        command += [str(module) for module in modules]
        running.append(
            subprocess.Popen(
                command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
            )
        )
    counted: Counter[str] = Counter()
    try:
        for process in running:
            told, complaints = process.communicate(timeout=_LIMIT_S)
            if process.returncode != 0:
                raise FuzzError(f"worker ended with {process.returncode}\n{told}{complaints}")
            counted.update(msgspec.json.decode(told.splitlines()[-1], type=dict[str, int]))
    finally:
        for process in running:
            process.kill()
            process.communicate()
    return counted


def _work(directory: Path, seed: int, first: int, last: int, modules: list[Path]) -> Counter[str]:
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
    engine = make_engine(EngineSettings())
    texts = [text.encode() for text in _TEXTS]
    seeds = [*map(binary, _TEXTS), *(module.read_bytes() for module in modules), *texts]
    counted: Counter[str] = Counter()
    with (directory / f"code.{first}").open("w+b") as into:
        for number in range(first, last):
            into.seek(0)
            into.truncate()
            counted[_answer(engine, f"{seed}.{number}", seeds, into.fileno())] += 1
    return counted


def _answer(engine: wasmtime.Engine, name: str, seeds: list[bytes], into: int) -> str:
    chance = random.Random(name)
    data = _broken(chance, chance.choice(seeds))
    _tell(f"input {name}")  # the last is the culprit, should this process die of it
    signal.alarm(_HANGS_AFTER_S)
    outcome = compile_module(engine, data, into=into)
    signal.alarm(0)
    if isinstance(outcome, Inspection):
        if os.fstat(into).st_size != outcome.code_bytes:
            raise FuzzError(f"{name}: its code is not all there")
        return outcome.kind
    if not outcome.message.strip() or len(outcome.message) > 2100:
        raise FuzzError(f"{name}: that is no sentence: {outcome.message!r}")
    return outcome.kind


def _broken(chance: random.Random, good: bytes) -> bytes:
    how = chance.randrange(8)
    if how == 0:
        return good[: chance.randrange(len(good) + 1)]
    if how == 1:
        return good[:_HEADER_BYTES] + chance.randbytes(chance.randrange(200))
    if how == 2:
        return chance.randbytes(chance.randrange(300))
    data = bytearray(good)
    for _ in range(chance.choice((1, 1, 1, 2, 4, 16))):
        _change(chance, data)
    return bytes(data)


def _change(chance: random.Random, data: bytearray) -> None:
    """One bit, byte or stretch of it; mostly behind the header, which is soon seen through."""
    if len(data) <= _HEADER_BYTES:
        return
    at = chance.randrange(_HEADER_BYTES if chance.random() < 0.95 else 0, len(data))
    match chance.randrange(5):
        case 0:
            data[at] ^= 1 << chance.randrange(8)
        case 1:
            data[at] = chance.choice(_ODD_BYTES)
        case 2:
            del data[at : at + chance.randrange(1, 9)]
        case 3:
            data[at:at] = chance.randbytes(chance.randrange(1, 9))
        case _:
            data[at:at] = data[at : at + chance.randrange(1, 40)]


def _tell(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    where, seed_, first_, last_, *paths = sys.argv[1:]
    counts = _work(Path(where), int(seed_), int(first_), int(last_), [*map(Path, paths)])
    _tell(msgspec.json.encode(counts).decode())
