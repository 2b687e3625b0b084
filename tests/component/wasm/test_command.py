"""The engine in a process of its own, without supervisor and runner around it."""

import asyncio
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from krustlet.wasm import AotCache, EngineSettings
from tests.component.wasm.conftest import ensure

SCRIPT = """
import sys
from krustlet.wasm.command import make_engine
from krustlet.wasm.engine import EngineSettings
from krustlet.wasm.given import make_wasi

def proc_exit(code):
    {body}

modules = make_engine(EngineSettings(), proc_exit=proc_exit)["module"]
modules.run(modules.load(sys.argv[1]), make_wasi(["guest"], []), None)
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


GROWS = """
(module (memory (export "memory") 1)
  (func (export "_start") (if (i32.ne (memory.grow (i32.const 100)) (i32.const -1))
    (then unreachable))))
"""
WITH_SETTINGS = """
import os, sys
from krustlet.process import Reporter
from krustlet.wasm.launch import WasmLaunch, encode_launch
from krustlet.wasm.runner import WasmRunner

runner = WasmRunner(sys.argv[2])
runner.prepare()
limit = int(sys.argv[3]) if len(sys.argv) > 3 else None
launch = WasmLaunch(code=sys.argv[1], argv=["guest"], memory_bytes=limit)
runner.load(encode_launch(launch))(Reporter(os.open("/dev/null", os.O_WRONLY)))
"""


@pytest.mark.parametrize(
    "settings",
    [
        EngineSettings(),
        EngineSettings(optimisation="none"),
        EngineSettings(optimisation="speed_and_size"),
        EngineSettings(max_stack_bytes=1 << 20),
        EngineSettings(simd=False),
        EngineSettings(threads=True),
        EngineSettings(simd=False, threads=True, optimisation="none", max_stack_bytes=64 << 10),
    ],
    ids=repr,
)
async def test_what_was_compiled_for_an_engine_runs_in_it(
    tmp_path: Path, settings: EngineSettings
) -> None:
    source = tmp_path / "exits.wat"
    source.write_text(EXITS)
    module = await ensure(AotCache(tmp_path / "aot", settings=settings), source)
    done = await asyncio.to_thread(_run, _with(module.code, settings))
    assert (done.returncode, done.stderr) == (7, "")


SHARED = """
(module (memory (export "memory") 1 1 shared)
  (func (export "_start") (drop (i32.atomic.rmw.add (i32.const 0) (i32.const 1)))))
"""


async def test_a_shared_memory_is_had_where_the_node_allows_threads(tmp_path: Path) -> None:
    source = tmp_path / "shared.wat"
    source.write_text(SHARED)
    settings = EngineSettings(threads=True)
    module = await ensure(AotCache(tmp_path / "aot", settings=settings), source)
    done = await asyncio.to_thread(_run, _with(module.code, settings))
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("of_the_node", "of_the_guest", "refused"),
    [
        pytest.param(None, None, False, id="no-limit"),
        pytest.param(1 << 20, None, True, id="the-nodes"),
        pytest.param(1 << 20, 64 << 20, False, id="the-guests-own-counts-alone"),
        pytest.param(64 << 20, 1 << 20, True, id="the-guests-own"),
    ],
)
async def test_a_memory_grows_as_far_as_its_limit(
    tmp_path: Path, of_the_node: int | None, of_the_guest: int | None, refused: bool
) -> None:
    source = tmp_path / "grows.wat"
    source.write_text(GROWS)
    settings = EngineSettings(max_memory_bytes=of_the_node)
    module = await ensure(AotCache(tmp_path / "aot", settings=settings), source)
    limit = () if of_the_guest is None else (str(of_the_guest),)
    done = await asyncio.to_thread(_run, [*_with(module.code, settings), *limit])
    assert done.returncode == (0 if refused else 134), done.stderr


def _with(code: Path, settings: EngineSettings) -> list[str]:
    text = msgspec.json.encode(settings).decode()
    return [sys.executable, "-I", "-c", WITH_SETTINGS, str(code), text]


TRAPS = '(module (func (export "_start") unreachable))'
WITHOUT_STDERR = """
import os, sys
reader, writer = os.pipe()
os.close(reader)
os.dup2(writer, 2)
from krustlet.process import Reporter
from krustlet.process.runner import decode_report
from krustlet.wasm.launch import WasmLaunch, encode_launch
from krustlet.wasm.runner import WasmRunner

runner = WasmRunner()
runner.prepare()
reader, writer = os.pipe()
if os.fork() == 0:
    launch = WasmLaunch(code=sys.argv[1], argv=["guest"])
    runner.load(encode_launch(launch))(Reporter(writer))
report = decode_report(os.read(reader, 4096))
print(os.waitstatus_to_exitcode(os.wait()[1]), report.message)
"""


async def test_a_trap_is_told_even_when_nobody_reads_its_stderr(
    tmp_path: Path, shared_cache: Path
) -> None:
    source = tmp_path / "traps.wat"
    source.write_text(TRAPS)
    module = await ensure(AotCache(shared_cache), source)
    command = [sys.executable, "-I", "-c", WITHOUT_STDERR, str(module.code)]
    done = await asyncio.to_thread(_run, command)
    assert done.stdout.startswith("134 wasm trap: wasm `unreachable` instruction executed")
