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

CTRL_D = b"\x04"

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
    assert _completed(krustlet, "krustlet", "ru") == ["plain,run"]


@pytest.mark.parametrize("words", [["he"], ["./"], ["-q", "he"], ["hello.wasm", "in"]])
def test_bash_completes_file_names(krustlet: Command, words: list[str]) -> None:
    assert _completed(krustlet, "krustlet", "run", *words) == [f"file,{words[-1]}"]


@pytest.mark.parametrize(
    ("words", "option"),
    [
        (["--q"], "plain,--quiet"),
        (["pod.yaml", "--q"], "plain,--quiet"),
        (["pod.yaml", "-o", "j"], "plain,json"),
    ],
)
def test_bash_completes_options(krustlet: Command, words: list[str], option: str) -> None:
    assert _completed(krustlet, "krustlet", "run", *words) == [option]


@pytest.mark.parametrize("words", [["-"], ["--q"], ["x", "--data"]])
def test_after_a_module_bash_offers_no_options_of_ours(krustlet: Command, words: list[str]) -> None:
    assert _completed(krustlet, "krustlet", "run", "hello.wasm", *words) == []


def test_after_a_module_not_even_the_values_of_options(krustlet: Command) -> None:
    assert _completed(krustlet, "krustlet", "run", "hello.wasm", "-o", "j") == ["file,j"]


@pytest.mark.parametrize("command", [[], ["run"], ["version"], ["completion"]])
def test_help_has_an_example(krustlet: Command, command: list[str]) -> None:
    result = krustlet(*command, "--help")
    assert result.code == 0
    assert "krustlet " in result.stdout.partition("\n")[2]


def test_a_manifest_is_typed_at_a_terminal(krustlet: Command, module: Modules) -> None:
    pod = "{apiVersion: v1, kind: Pod, metadata: {name: typed}, spec: {restartPolicy: Never, "
    pod += f"containers: [{{name: c, image: 'file:{module('hello')}'}}]}}}}\n"
    env = krustlet.environment({"TERM": "xterm"})
    with at_a_terminal([*KRUSTLET, "run", "-"], cwd=krustlet.directory, env=env) as terminal:
        terminal.until(b"type or paste a manifest, then press Ctrl-D", within_s=30)
        terminal.type(pod.encode())
        terminal.type(CTRL_D)
        assert terminal.end(within_s=30) == 0
        assert b"pod typed: Succeeded" in terminal.seen


def _completed(krustlet: Command, *words: str) -> list[str]:
    """What bash would get, as `type,value`."""
    result = krustlet(
        COMP_WORDS=" ".join(words),
        COMP_CWORD=str(len(words) - 1),
        _KRUSTLET_COMPLETE="bash_complete",
    )
    return [line for line in result.stdout.splitlines() if line]


def _at_a_terminal(krustlet: Command, *arguments: str, **env: str) -> bytes:
    environment = krustlet.environment(env)
    with at_a_terminal(
        [*KRUSTLET, *arguments], cwd=krustlet.directory, env=environment
    ) as terminal:
        assert terminal.end() == 0
        return terminal.seen
