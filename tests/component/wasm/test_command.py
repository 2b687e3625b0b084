"""The engine in a process of its own, without supervisor and runner around it."""

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from krustlet.wasm import AotCache
from tests.component.wasm.conftest import ensure

SCRIPT = """
import sys
from krustlet.wasm.command import Engine, make_wasi
from krustlet.wasm.engine import EngineSettings

def proc_exit(code):
    {body}

engine = Engine(EngineSettings(), proc_exit=proc_exit)
engine.run(engine.load(sys.argv[1]), make_wasi(["guest"], []))
print("the guest ran on past its end")
"""
EXITS = """
(module
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (func (export "_start") (call $exit (i32.const 7))))
"""


@pytest.mark.parametrize(
    ("body", "code", "said"),
    [
        pytest.param("import os; os._exit(code)", 7, "", id="ends-it-itself"),
        pytest.param("return None", 134, "", id="returns"),
        pytest.param("raise OSError('nobody listens')", 134, "nobody listens", id="raises"),
        pytest.param("sys.exit(0)", 134, "SystemExit", id="raises-to-exit"),
        pytest.param("raise KeyboardInterrupt", 134, "KeyboardInterrupt", id="is-interrupted"),
    ],
)
async def test_whatever_happens_at_its_exit_a_guest_does_not_run_on(
    tmp_path: Path, shared_cache: Path, body: str, code: int, said: str
) -> None:
    source = tmp_path / "exits.wat"
    source.write_text(EXITS)
    module = await ensure(AotCache(shared_cache), source)
    command = [sys.executable, "-I", "-c", SCRIPT.format(body=body), str(module.code)]
    done = await asyncio.to_thread(_run, command)
    assert (done.returncode, done.stdout) == (code, "")
    assert said in done.stderr


def _run(command: list[str]) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
