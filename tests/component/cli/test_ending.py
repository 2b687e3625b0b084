"""How `krustlet run` ends before its pod does: Ctrl-C at a real terminal, and kill -9."""

import os
import signal
import subprocess
import sys
import time

import pytest

from tests.component.cli.conftest import Modules
from tests.support.command import KRUSTLET, Command, processes_with
from tests.support.processes import name_of
from tests.support.terminal import CTRL_C, at_a_terminal
from tests.support.until import until, until_not

PATIENT = """
apiVersion: v1
kind: Pod
metadata: {name: patient}
spec:
  terminationGracePeriodSeconds: 30
  containers: [{name: c, image: "file:sleep.wasm"}]
"""


def test_ctrl_c_ends_the_pod_gracefully(krustlet: Command, module: Modules) -> None:
    env = krustlet.environment({"TERM": "xterm"})
    command = [*KRUSTLET, "run", module("sleep")]
    with at_a_terminal(command, cwd=krustlet.directory, env=env) as terminal:
        terminal.until(b"ready", within_s=30)
        terminal.type(CTRL_C)
        assert terminal.end() == 130
        assert b"pod sleep: stopped" in terminal.seen
        for odd in (b"Failed", b"Error", b"Traceback"):
            assert odd not in terminal.seen


def test_ctrl_c_while_compiling_starts_nothing(krustlet: Command, slow: str) -> None:
    env = krustlet.environment({"TERM": "xterm"})
    command = [*KRUSTLET, "run", slow]
    with at_a_terminal(command, cwd=krustlet.directory, env=env) as terminal:
        terminal.until(b"Compiling slow.wat", within_s=30)
        terminal.type(CTRL_C)
        assert terminal.end() == 130
        assert b"Traceback" not in terminal.seen
    until_not(lambda: processes_with("krustlet.wasm.compile"))


def test_a_second_ctrl_c_does_not_wait_for_the_grace_period(
    krustlet: Command, module: Modules
) -> None:
    module("sleep")
    (krustlet.directory / "pod.yaml").write_text(PATIENT)
    env = krustlet.environment({"TERM": "xterm"})
    with at_a_terminal([*KRUSTLET, "run", "pod.yaml"], cwd=krustlet.directory, env=env) as terminal:
        terminal.until(b"ready", within_s=30)
        _containers_ignore_sigterm(krustlet)
        terminal.type(CTRL_C)
        time.sleep(0.5)
        assert terminal.process.poll() is None  # its container has not listened
        typed = time.monotonic()
        terminal.type(CTRL_C)
        assert terminal.end() == 130
        assert time.monotonic() - typed < 25  # of the thirty of its grace
        assert b"pod patient: stopped (c: Error, exit code 137)" in terminal.seen


@pytest.mark.parametrize("arguments", [["version"], ["run", "-q", "sleep.wasm"]])
def test_ctrl_c_at_once_ends_quietly(
    krustlet: Command, module: Modules, arguments: list[str]
) -> None:
    """From the first of our own instructions on; before that it is Python that starts."""
    module("sleep")
    script = "import os, signal, sys, threading, time; sys.argv[1:] = {arguments}\n{begin}"
    begin = """
def interrupt():
    time.sleep({delay})
    os.kill(os.getpid(), signal.SIGINT)
threading.Thread(target=interrupt, daemon=True).start()
from krustlet.cli import main
main()
"""
    for hundredths in range(1, 40, 3):
        text = script.format(arguments=arguments, begin=begin.format(delay=hundredths / 100))
        done = subprocess.run(
            [sys.executable, "-c", text],
            capture_output=True,
            text=True,
            cwd=krustlet.directory,
            env=krustlet.environment({}),
            timeout=30,
            check=False,
        )
        assert done.returncode in ((130,) if arguments[0] == "run" else (130, 0))
        assert "Traceback" not in done.stderr
        assert "Exception ignored" not in done.stderr


def test_a_terminal_that_hangs_up_ends_the_pod(krustlet: Command, module: Modules) -> None:
    with krustlet.start("run", "-q", module("sleep")) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGHUP)
        assert process.wait(timeout=60) == 129


def test_a_supervisor_that_dies_is_told_in_words(krustlet: Command, module: Modules) -> None:
    with krustlet.start("run", module("sleep")) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == "ready\n"
        for line in processes_with(str(krustlet.data)):
            if (pid := int(line.partition(":")[0])) != process.pid:
                os.kill(pid, signal.SIGKILL)
        assert process.wait(timeout=60) == 137
        said = process.stderr.read()
    assert "the supervisor died, and its containers with it\n" in said
    assert "{" not in said


@pytest.mark.parametrize("moment", ["starting", "running"])
def test_kill_9_leaves_nothing_behind(krustlet: Command, module: Modules, moment: str) -> None:
    name = module("sleep")
    with krustlet.start("run", "-q", name) as process:
        if moment == "running":
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        else:
            until(lambda: processes_with(f"--scratch {krustlet.data}"))
        process.kill()
    until_not(krustlet.leftovers)


def test_kill_9_of_the_supervisor_too_is_swept_by_the_next_run(
    krustlet: Command, module: Modules
) -> None:
    with krustlet.start("run", "-q", module("sleep")) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGSTOP)  # so that it does not clean up after its supervisor
        for line in processes_with(str(krustlet.data)):
            pid = int(line.partition(":")[0])
            if pid != process.pid:
                os.kill(pid, signal.SIGKILL)
        process.kill()
    until_not(lambda: processes_with(str(krustlet.data)))
    assert list(krustlet.data.glob("runs/*"))
    assert krustlet("run", "-q", module("hello")).code == 0
    assert not list(krustlet.data.glob("runs/*"))


def test_two_at_once_do_not_disturb_each_other(krustlet: Command, module: Modules) -> None:
    with krustlet.start("run", "-q", module("sleep")) as sleeper:
        assert sleeper.stdout is not None
        assert sleeper.stdout.readline() == "ready\n"
        for _ in range(3):
            assert krustlet("run", "-q", module("hello")).stdout == "Hello, world!\n"
        assert sleeper.poll() is None
        sleeper.send_signal(signal.SIGINT)
        assert sleeper.wait(timeout=60) == 130


def _containers_ignore_sigterm(krustlet: Command) -> None:
    """Stop the container's process: a stopped one takes no signal but SIGKILL to heart."""
    for line in processes_with(str(krustlet.data)):
        pid = int(line.partition(":")[0])
        name = name_of(pid)
        if len(name) == 15 and set(name) <= set("0123456789abcdef"):
            os.kill(pid, signal.SIGSTOP)
            return
    raise AssertionError("no container is running")
