"""A runner with no engine: it prints and sleeps, and proves that `process` knows no wasm."""

import os
import time
from collections.abc import Callable
from typing import NoReturn

import msgspec

from krustlet.process import Reporter


class Toy(msgspec.Struct, frozen=True):
    """What a toy container does: print, sleep, then end with `code`."""

    prints: str = ""
    sleeps_s: float = 0.0
    code: int = 0
    fails: str = ""


class ToyRunner:
    def prepare(self) -> None: ...

    def load(self, payload: bytes) -> Callable[[Reporter], NoReturn]:
        toy = msgspec.msgpack.decode(payload, type=Toy)
        return lambda reporter: self._run(toy, reporter)

    def _run(self, toy: Toy, reporter: Reporter) -> NoReturn:
        os.write(1, toy.prints.encode())
        time.sleep(toy.sleeps_s)
        if toy.fails:
            reporter.end(toy.code, message=toy.fails)
        os._exit(toy.code)
