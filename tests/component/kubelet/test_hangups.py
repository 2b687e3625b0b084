"""SIGHUP to a process that reloads: with a terminal, without one, and while it ends."""

import contextlib
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

from tests.support.until import PATIENCE_S, until

_PROGRAM: Final = """
import asyncio, signal, sys, time
from pathlib import Path
from krustlet.kubelet.reloading import Reloader
from krustlet.kubelet.service_manager import ServiceManager
from krustlet.settings import ClusterSettings, Settings

said = Path(sys.argv[1])
home = Path("/")
both = (
    Settings(root=home, cache=home, logs=home, images=None),
    ClusterSettings(kubeconfig=home, node_name="n", hostname="n"),
)

def say(word):
    with said.open("a") as file:
        file.write(word)

def load():
    say("reload ")
    return both

async def main():
    task = asyncio.current_task()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    running = asyncio.create_task(
        Reloader(both, load=load, appliers=[], manager=ServiceManager()).run()
    )
    await asyncio.sleep(0.05)
    say("runs ")
    try:
        await running
    except asyncio.CancelledError:
        signal.raise_signal(signal.SIGHUP)  # one that comes while it ends
        await asyncio.sleep(0.05)
        say("ended")

asyncio.run(main())
"""


@pytest.fixture
def said(tmp_path: Path) -> Path:
    return tmp_path / "said"


def words(said: Path) -> str:
    return said.read_text() if said.exists() else ""


@contextmanager
def reloading(said: Path, *, terminal: int | None) -> Iterator["subprocess.Popen[bytes]"]:
    """The program, ready to be told; a session leader, as a shell or a service is."""
    process = subprocess.Popen(
        # `setsid --ctty` makes the terminal its own: Python could only do so after the fork.
        ["setsid", *(["--ctty"] if terminal else []), sys.executable, "-c", _PROGRAM, str(said)],
        stdin=terminal or subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    with process:
        try:
            until(lambda: words(said) == "runs ")
            yield process
        finally:
            process.kill()


def test_without_a_terminal_it_reads_again_and_goes_on(said: Path) -> None:
    with reloading(said, terminal=None) as process:
        process.send_signal(signal.SIGHUP)
        until(lambda: words(said) == "runs reload ")
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_S) == 0
    assert words(said) == "runs reload ended"


def test_with_a_terminal_it_reads_again_until_that_is_gone(said: Path) -> None:
    ours, its = pty.openpty()
    with contextlib.ExitStack() as closed_at_last:
        closed_at_last.callback(os.close, its)
        with reloading(said, terminal=its) as process:
            process.send_signal(signal.SIGHUP)
            until(lambda: words(said) == "runs reload ")
            os.close(ours)  # the kernel tells of it by SIGHUP
            assert process.wait(PATIENCE_S) == 0
    assert words(said) == "runs reload ended"
