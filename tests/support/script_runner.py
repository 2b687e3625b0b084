"""A runner that does whatever a test wants done inside a container: it runs pieces of Python."""

import os
from collections.abc import Callable
from typing import NoReturn

import msgspec

from krustlet.process import Reporter


class Script(msgspec.Struct, frozen=True):
    """`loads` runs before the walls; `runs` behind them, with `reporter` and `data` at hand."""

    runs: str = ""
    loads: str = ""
    data: bytes = b""


class ScriptRunner:
    def prepare(self) -> None: ...

    def load(self, payload: bytes) -> Callable[[Reporter], NoReturn]:
        script = msgspec.msgpack.decode(payload, type=Script)
        exec(script.loads, {})
        return lambda reporter: self._run(script, reporter)

    def _run(self, script: Script, reporter: Reporter) -> NoReturn:
        exec(script.runs, {"reporter": reporter, "data": script.data})
        os._exit(0)


class Unprepared:
    """A runner that cannot even be prepared."""

    def prepare(self) -> None:
        raise RuntimeError("no engine here")
