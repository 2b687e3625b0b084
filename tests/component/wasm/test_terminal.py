"""A guest whose streams are a terminal."""

import asyncio
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from krustlet.wasm import AotCache, WasmLaunch, encode_launch
from tests.component.wasm.conftest import ensure
from tests.support.guests import Guests

RUN = """
import os, sys
from krustlet.process import Reporter
from krustlet.wasm.runner import WasmRunner
runner = WasmRunner()
runner.prepare()
payload = open(sys.argv[1], "rb").read()
runner.load(payload)(Reporter(os.open("/dev/null", os.O_WRONLY)))
"""


@pytest.fixture
async def payload(tmp_path: Path, shared_cache: Path, guests: Guests) -> Path:
    module = await ensure(AotCache(shared_cache), guests.path("tty"))
    path = tmp_path / "payload"
    path.write_bytes(encode_launch(WasmLaunch(code=str(module.code), argv=["tty"])))
    return path


async def test_its_streams_are_a_terminal_where_ours_are(payload: Path) -> None:
    code, printed = await asyncio.to_thread(_run_in_terminal, _command(payload), b"hello\n")
    assert code == 0
    assert printed == b"hello\r\n110\r\ngot hello\r\n"  # the first is the terminal's own echo


async def test_they_are_none_where_ours_are_not(payload: Path) -> None:
    code, printed = await asyncio.to_thread(_run_in_pipes, _command(payload), b"hello\n")
    assert (code, printed) == (0, b"000\ngot hello\n")


def _command(payload: Path) -> list[str]:
    return [sys.executable, "-I", "-c", RUN, str(payload)]


def _run_in_pipes(command: list[str], said: bytes) -> tuple[int, bytes]:
    done = subprocess.run(command, input=said, capture_output=True, timeout=60, check=False)
    return done.returncode, done.stdout


def _run_in_terminal(command: list[str], said: bytes) -> tuple[int, bytes]:
    ours, theirs = pty.openpty()
    try:
        guest = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=subprocess.DEVNULL)
        os.close(theirs)
        os.write(ours, said)
        return guest.wait(timeout=60), _drain(ours)
    finally:
        os.close(ours)


def _drain(terminal: int) -> bytes:
    """What is left to read once nobody holds the other end."""
    read = b""
    while True:
        try:
            read += os.read(terminal, 4096)
        except OSError:  # EIO: they are gone
            return read
