"""Every example runs, through the command line, and does what its first comment says."""

import re
import shutil
import signal
from pathlib import Path

import pytest

from tests.support.command import Command

EXAMPLES = Path(__file__).parents[3] / "examples"


def test_each_example_is_run_by_a_test() -> None:
    named = set(re.findall(r'EXAMPLES / "([a-z-]+\.yaml)"', Path(__file__).read_text()))
    assert named == {path.name for path in EXAMPLES.glob("*.yaml")}


def test_hello_prints_a_line_and_says_how_the_pod_ended(krustlet: Command) -> None:
    result = krustlet("run", EXAMPLES / "hello.yaml")
    assert (result.code, result.stdout) == (0, "Hello, world!\n")
    assert result.stderr.endswith("pod hello: Succeeded\n")


def test_arguments_and_environment_reach_the_module(krustlet: Command) -> None:
    result = krustlet("run", EXAMPLES / "arguments.yaml")
    assert result.code == 0
    assert result.stdout.splitlines() == [
        "arguments.wat",
        "--greet",
        "world",
        "WHO=world",
        "GREETING=Hello, world!",
    ]


def test_two_containers_share_an_empty_directory(krustlet: Command) -> None:
    result = krustlet("run", EXAMPLES / "shared.yaml")
    assert (result.code, result.stdout) == (0, "reader | greetings, neighbour\n")


def test_a_failing_container_is_run_again_until_it_succeeds(krustlet: Command) -> None:
    result = krustlet("run", EXAMPLES / "flaky.yaml")
    assert (result.code, result.stdout) == (0, "third time is a charm\n")
    assert result.stderr.count("not yet, try again.\n") == 2
    assert "Back-off restarting failed container flaky" in result.stderr
    assert result.stderr.endswith("pod flaky: Succeeded (flaky: 2 restarts)\n")


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["Ctrl-C", "SIGTERM"]
)
def test_a_long_running_pod_ends_when_told(
    krustlet: Command, number: signal.Signals, code: int
) -> None:
    with krustlet.start("run", EXAMPLES / "tick.yaml") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "tick\n"
        process.send_signal(number)
        _, stderr = process.communicate(timeout=60)
    assert process.returncode == code
    assert stderr.endswith("pod tick: stopped\n")


def test_the_examples_run_from_a_copy_elsewhere(krustlet: Command, tmp_path: Path) -> None:
    copy = shutil.copytree(EXAMPLES, tmp_path / "a copy")
    assert krustlet("run", copy / "hello.yaml").stdout == "Hello, world!\n"


def test_one_that_waits_to_be_told_says_goodbye(krustlet: Command) -> None:
    with krustlet.start("run", EXAMPLES / "farewell.yaml") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "working\n"
        process.send_signal(signal.SIGINT)
        assert process.stdout.read() == "goodbye\n"
        assert process.wait(timeout=60) == 130
