"""What a person sees on a terminal, and what a file sees instead."""

import json
import re
import subprocess
import sys

import pytest

import krustlet as package
from tests.component.cli.conftest import Modules
from tests.support.command import KRUSTLET, Command
from tests.support.terminal import at_a_terminal

COLOUR = re.compile(rb"\x1b\[[0-9;]+m")  # not the moves of the cursor


def test_a_terminal_shows_a_spinner_while_compiling(krustlet: Command, slow: str) -> None:
    seen = _at_a_terminal(krustlet, "run", slow, TERM="xterm", NO_COLOR="")
    assert b"Compiling slow.wat" in seen
    assert COLOUR.search(seen)
    assert b"Compiled slow.wat in " in seen
    assert b"pod slow: Succeeded" in seen


def test_no_color_is_honoured(krustlet: Command, module: Modules) -> None:
    seen = _at_a_terminal(krustlet, "run", module("hello"), TERM="xterm", NO_COLOR="1")
    assert b"pod hello: Succeeded" in seen
    assert not COLOUR.search(seen)


def test_colours_are_shown_otherwise(krustlet: Command, module: Modules) -> None:
    seen = _at_a_terminal(krustlet, "run", module("hello"), TERM="xterm", NO_COLOR="")
    assert COLOUR.search(seen)


def test_a_file_gets_plain_lines(krustlet: Command, slow: str) -> None:
    result = krustlet("run", slow)
    assert "Compiling slow.wat …\n" in result.stderr
    assert "Compiled slow.wat in " in result.stderr
    assert "\x1b" not in result.stderr


def test_version(krustlet: Command) -> None:
    assert krustlet("version").stdout == (
        f"krustlet {package.__version__} (Kubernetes {package.KUBERNETES_VERSION})\n"
    )
    assert json.loads(krustlet("version", "-o", "json").stdout) == {
        "krustlet": package.__version__,
        "kubernetes": package.KUBERNETES_VERSION,
    }


def test_version_loads_no_engine(krustlet: Command) -> None:
    code = "import sys; from krustlet.cli import main; sys.argv[1:] = ['version']; main()"
    check = f"import atexit, sys; atexit.register(lambda: print(*sys.modules)); {code}"
    done = subprocess.run(
        [sys.executable, "-c", check], capture_output=True, text=True, check=True, timeout=30
    )
    assert not {"wasmtime", "asyncio", "rich", "structlog"} & set(done.stdout.split())


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts(krustlet: Command, shell: str) -> None:
    assert "_KRUSTLET_COMPLETE" in krustlet("completion", shell).stdout


def test_bash_completes_commands(krustlet: Command) -> None:
    result = krustlet(COMP_WORDS="krustlet ru", COMP_CWORD="1", _KRUSTLET_COMPLETE="bash_complete")
    assert result.stdout == "plain,run\n"


@pytest.mark.parametrize("command", [[], ["run"], ["version"], ["completion"]])
def test_help_has_an_example(krustlet: Command, command: list[str]) -> None:
    result = krustlet(*command, "--help")
    assert result.code == 0
    assert "krustlet " in result.stdout.partition("\n")[2]


def _at_a_terminal(krustlet: Command, *arguments: str, **env: str) -> bytes:
    environment = krustlet.environment(env)
    with at_a_terminal(
        [*KRUSTLET, *arguments], cwd=krustlet.directory, env=environment
    ) as terminal:
        assert terminal.end(within_s=60) == 0
        return terminal.seen
