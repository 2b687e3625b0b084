"""`krustlet run -i` and `-t`: the container reads what is typed, at a terminal or from a pipe."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.component.cli.conftest import Modules
from tests.support.command import KRUSTLET, Command
from tests.support.terminal import Terminal, at_a_terminal

SHOWN_S = 30


@contextmanager
def running(krustlet: Command, *arguments: str) -> Iterator[Terminal]:
    env = krustlet.environment({"TERM": "xterm", "NO_COLOR": "1"})
    command = [*KRUSTLET, "run", *arguments]
    with at_a_terminal(command, cwd=krustlet.directory, env=env) as terminal:
        yield terminal


def test_what_comes_to_stdin_is_read_to_its_end(krustlet: Command, module: Modules) -> None:
    text = "line\n" * 50_000 + "last"
    result = krustlet("run", "-q", "-i", module("stdin"), stdin=text)
    assert (result.code, result.stdout, result.stderr) == (0, text, "")


def test_nothing_on_stdin_is_an_end_too(krustlet: Command, module: Modules) -> None:
    result = krustlet("run", "-q", "-i", module("stdin"), stdin="")
    assert (result.code, result.stdout) == (0, "")


def test_without_i_it_is_not_read(krustlet: Command, module: Modules) -> None:
    result = krustlet("run", "-q", module("stdin"), stdin="unread")
    assert (result.code, result.stdout) == (0, "")


def test_a_guest_that_reads_nothing_ends_all_the_same(krustlet: Command, module: Modules) -> None:
    result = krustlet("run", "-q", "-i", module("hello"), stdin="x" * 1_000_000)
    assert (result.code, result.stdout) == (0, "Hello, world!\n")


def test_keys_reach_the_guest_and_its_terminal_shows_them(
    krustlet: Command, module: Modules
) -> None:
    with running(krustlet, "-it", module("stdin")) as terminal:
        until_raw(terminal)
        terminal.type(b"one\r")
        terminal.until(b"one\r\none\r\n", within_s=SHOWN_S)
        terminal.type(b"\x04")
        assert terminal.end(within_s=SHOWN_S) == 0
        assert not terminal.is_raw()
        assert terminal.seen.endswith(b"pod stdin: Succeeded\r\n")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_the_terminal_is_as_it_was_when_the_run_is_ended(
    krustlet: Command, module: Modules, number: signal.Signals, code: int
) -> None:
    with running(krustlet, "-it", module("stdin")) as terminal:
        until_raw(terminal)
        terminal.process.send_signal(number)
        assert terminal.end(within_s=SHOWN_S) == code
        assert not terminal.is_raw()
        assert terminal.seen.endswith(b"pod stdin: stopped\r\n")


def test_ctrl_c_interrupts_the_guest_as_its_terminal_has_it(
    krustlet: Command, module: Modules
) -> None:
    with running(krustlet, "-it", module("stdin")) as terminal:
        until_raw(terminal)
        terminal.type(b"\x03")
        assert terminal.end(within_s=SHOWN_S) == 130
        assert not terminal.is_raw()


def test_a_guest_that_ends_at_once_has_its_say(krustlet: Command, module: Modules) -> None:
    module("hello")
    for _ in range(5):
        with running(krustlet, "-q", "-it", "hello.wasm") as terminal:
            assert terminal.end(within_s=SHOWN_S) == 0
            assert terminal.seen.replace(b"\r", b"") == b"Hello, world!\n"
            assert not terminal.is_raw()


def test_what_is_said_of_a_pod_stands_behind_nothing(krustlet: Command, module: Modules) -> None:
    with running(krustlet, "-it", module("stdin")) as terminal:
        until_raw(terminal)
        terminal.type(b"half\x04\x04\x04")
        assert terminal.end(within_s=SHOWN_S) == 0
        assert terminal.seen.endswith(b"halfhalf\r\npod stdin: Succeeded\r\n")


def test_what_is_said_after_ctrl_c_stands_behind_nothing(
    krustlet: Command, module: Modules
) -> None:
    with running(krustlet, module("sleep"), "30") as terminal:
        terminal.until(b"ready", within_s=SHOWN_S)
        terminal.type(b"\x03")
        assert terminal.end(within_s=SHOWN_S) == 130
        assert terminal.seen.endswith(b"^C\r\npod sleep: stopped\r\n")


def test_where_there_is_no_terminal_that_is_said(krustlet: Command, module: Modules) -> None:
    result = krustlet("run", "-q", "-it", module("tty"), stdin="x\n")
    assert (result.code, result.stdout) == (0, "000\ngot x\n")
    assert result.stderr == "stdin is no terminal: going on without -t\n"


def test_t_alone_gives_a_terminal_that_is_only_watched(krustlet: Command, module: Modules) -> None:
    with running(krustlet, "-q", "-t", module("hello")) as terminal:
        assert terminal.end(within_s=SHOWN_S) == 0
        # Both terminals end lines in their own way, as ours is not raw.
        assert terminal.seen.replace(b"\r", b"") == b"Hello, world!\n"


def until_raw(terminal: Terminal) -> None:
    """Wait until keys go to the guest."""
    terminal.until_that(terminal.is_raw, within_s=SHOWN_S)
