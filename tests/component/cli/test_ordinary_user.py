"""`krustlet run` for a user without privileges, or with few."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.command import Command
from tests.support.guests import Guests
from tests.support.ordinary_user import UID, as_ordinary_user
from tests.support.until import until_not

EXAMPLES = Path(__file__).parents[3] / "examples"


@pytest.fixture
def krustlet(tmp_path_factory: pytest.TempPathFactory, guests: Guests) -> Iterator[Command]:
    """A command that an ordinary user calls, in a directory of that user's."""
    home = tmp_path_factory.mktemp("home")
    for name in ("hello", "sleep"):
        (home / f"{name}.wasm").write_bytes(guests.path(name).read_bytes())
    if os.geteuid() == 0:
        os.chown(home, UID, UID)
    prefix = as_ordinary_user([home])
    command = Command(home, prefix=[*prefix, str(home)] if prefix else ())
    yield command
    until_not(command.leftovers)


def test_a_module_runs_without_root(krustlet: Command) -> None:
    result = krustlet("run", "--verbose", "hello.wasm", HOME=str(krustlet.directory))
    assert (result.code, result.stdout) == (0, "Hello, world!\n")
    [walls] = [line for line in result.stderr.splitlines() if line.startswith("walls missing")]
    assert "a user of its own" in walls


@pytest.mark.root
@pytest.mark.parametrize("capabilities", ["-all", "-dac_override", "-all,+sys_admin", "-setpcap"])
def test_a_root_who_may_not_do_all_has_the_walls_that_he_can(
    tmp_path: Path, guests: Guests, capabilities: str
) -> None:
    """As in a container of another engine's."""
    prefix = ("setpriv", f"--bounding-set={capabilities}", "--inh-caps=-all")
    krustlet = Command(tmp_path, prefix=prefix)
    result = krustlet("run", "--verbose", guests.path("hello"))
    assert (result.code, result.stdout) == (0, "Hello, world!\n")
    told = "a user of its own" in result.stderr
    assert told == (capabilities != "-setpcap")
    until_not(krustlet.leftovers)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("-m", "64m"), "--memory limits the module's own memory only"),
        (("--cpus", "1", "--pids-limit", "9"), "--cpus and --pids-limit have no effect"),
        (("--hostname", "box"), "--hostname has no effect here"),
    ],
)
def test_what_has_no_effect_is_told_in_the_words_of_the_options(
    krustlet: Command, options: tuple[str, ...], said: str
) -> None:
    result = krustlet("run", *options, "hello.wasm")
    assert result.code == 0
    assert said in result.stderr
    assert "spec." not in result.stderr
    assert "systemd-run --user --scope" in result.stderr or "--hostname" in options
    assert krustlet("run", "-q", *options, "hello.wasm").stderr == ""


def test_nobody_but_root_has_a_module_run_as_somebody_else(krustlet: Command) -> None:
    result = krustlet("run", "-u", "1000", "hello.wasm")
    assert (result.code, result.stdout) == (1, "")
    assert result.stderr.startswith("error: --user needs root")
    me = UID if os.geteuid() == 0 else os.getuid()
    mine = krustlet("run", "-u", str(me), "hello.wasm")
    assert (mine.code, mine.stderr) == (0, "pod hello: Succeeded\n")


def test_all_it_keeps_belongs_to_that_user(krustlet: Command) -> None:
    assert krustlet("run", "hello.wasm").code == 0
    owner = UID if os.geteuid() == 0 else os.getuid()
    kept = [krustlet.data, *krustlet.data.rglob("*")]
    assert len(kept) > 3
    assert {path.stat().st_uid for path in kept} == {owner}


def test_two_at_once_do_not_disturb_each_other(krustlet: Command) -> None:
    with krustlet.start("run", "-q", "sleep.wasm", "1") as sleeper:
        assert sleeper.stdout is not None
        assert sleeper.stdout.readline() == "ready\n"
        assert krustlet("run", "-q", "hello.wasm").stdout == "Hello, world!\n"
        assert sleeper.stdout.read() == "done\n"
        assert sleeper.wait(timeout=60) == 0


def test_the_data_directory_lies_in_the_home_directory(krustlet: Command) -> None:
    home = krustlet.directory
    krustlet.data = home / ".krustlet"
    assert krustlet("run", "-q", "hello.wasm", HOME=str(home), KRUSTLET_DATA_DIR="").code == 0
    assert Path(home / ".krustlet" / "cache").is_dir()


@pytest.mark.parametrize(
    ("name", "printed"),
    [
        ("shared", "reader | greetings, neighbour\n"),
        ("flaky", "third time is a charm\n"),
        ("arguments", None),
    ],
)
def test_examples_run_without_root(krustlet: Command, name: str, printed: str | None) -> None:
    result = krustlet("run", EXAMPLES / f"{name}.yaml")
    assert result.code == 0, result.stderr
    assert printed in (None, result.stdout)


def test_a_guest_without_root_is_told_to_end_by_a_file_too(krustlet: Command) -> None:
    with krustlet.start("run", EXAMPLES / "farewell.yaml") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "working\n"
        process.send_signal(signal.SIGINT)
        assert process.stdout.read() == "goodbye\n"
        assert process.wait(timeout=60) == 130
