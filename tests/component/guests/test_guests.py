"""The guests themselves, on the bare engine: a test that relies on one may trust it."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
import wasmtime

from tests.support.guests import Guests, default_cache

LARGEST_BYTES = 100_000  # libc's debug information alone would be ten times that
COMMAND = "_start"


class Sandbox:
    """One directory that guests see as `/box`, and the engine that runs them."""

    def __init__(self, box: Path, scratch: Path) -> None:
        self._box = box
        self._streams = {name: scratch / name for name in ("stdin", "stdout", "stderr")}

    def run(
        self,
        module: Path,
        *argv: str,
        env: Mapping[str, str] | None = None,
        stdin: str = "",
    ) -> int:
        """Run `module` to its end; return its exit code."""
        self._streams["stdin"].write_text(stdin)
        wasi = wasmtime.WasiConfig()
        wasi.argv = [module.stem, *argv]
        wasi.env = list((env or {}).items())
        wasi.preopen_dir(str(self._box), "/box")
        wasi.stdin_file = str(self._streams["stdin"])
        wasi.stdout_file = str(self._streams["stdout"])
        wasi.stderr_file = str(self._streams["stderr"])

        engine = wasmtime.Engine()
        store = wasmtime.Store(engine)
        store.set_wasi(wasi)
        linker = wasmtime.Linker(engine)
        linker.define_wasi()
        instance = linker.instantiate(store, wasmtime.Module.from_file(engine, str(module)))
        command = instance.exports(store)[COMMAND]
        assert isinstance(command, wasmtime.Func)
        try:
            command(store)
        except wasmtime.ExitTrap as end:
            return end.code
        return 0

    def out(self) -> str:
        return self._streams["stdout"].read_text()

    def err(self) -> str:
        return self._streams["stderr"].read_text()


@pytest.fixture
def box(tmp_path: Path) -> Path:
    directory = tmp_path / "box"
    directory.mkdir()
    return directory


@pytest.fixture
def sandbox(tmp_path: Path, box: Path) -> Sandbox:
    return Sandbox(box, tmp_path)


@pytest.mark.parametrize("name", Guests(default_cache()).names())
def test_every_guest_is_a_small_module(guests: Guests, name: str) -> None:
    module = guests.path(name)
    wasmtime.Module.validate(wasmtime.Engine(), module.read_bytes())
    assert module.stat().st_size < LARGEST_BYTES


@pytest.mark.parametrize(
    ("name", "argv", "code", "out"),
    [
        pytest.param("hello", [], 0, "Hello, world!\n", id="hello"),
        pytest.param("exit", [], 0, "", id="exit-without-a-word"),
        pytest.param("exit", ["42"], 42, "", id="exit-with-a-code"),
        pytest.param("sleep", ["0.01"], 0, "ready\ndone\n", id="sleep"),
        pytest.param("lines", ["2", "5"], 0, "0 xxx\n1 xxx\n", id="lines"),
        pytest.param("both", ["2"], 0, "out 0\nout 1\n", id="both"),
        pytest.param("stdin", [], 0, "typed\n", id="stdin"),
        pytest.param("secret", [], 2, "", id="secret-without-one"),
    ],
)
def test_what_a_guest_prints(
    guests: Guests, sandbox: Sandbox, name: str, argv: Sequence[str], code: int, out: str
) -> None:
    assert sandbox.run(guests.path(name), *argv, stdin="typed\n") == code
    assert sandbox.out() == out


def test_args_prints_arguments_then_sorted_environment(guests: Guests, sandbox: Sandbox) -> None:
    module = guests.path("args")
    assert sandbox.run(module, "one", "two words", env={"B": "2", "A": "1"}) == 0
    assert sandbox.out().splitlines() == [module.stem, "one", "two words", "A=1", "B=2"]


def test_both_and_lines_print_to_stderr_too(guests: Guests, sandbox: Sandbox) -> None:
    sandbox.run(guests.path("both"), "1")
    assert sandbox.err() == "err 0\n"
    sandbox.run(guests.path("lines"), "1", "3", "stderr")
    assert (sandbox.out(), sandbox.err()) == ("", "0 x\n")


def test_a_trap_names_the_functions_that_led_to_it(guests: Guests, sandbox: Sandbox) -> None:
    with pytest.raises(wasmtime.Trap) as trapped:
        sandbox.run(guests.path("trap"))
    assert trapped.value.trap_code is wasmtime.TrapCode.UNREACHABLE
    assert [frame.func_name for frame in trapped.value.frames][:2] == ["boom", "middle"]
    assert sandbox.out() == "about to trap\n"


def test_files_are_written_read_and_listed(guests: Guests, sandbox: Sandbox, box: Path) -> None:
    for text in ("one", "two"):
        assert sandbox.run(guests.path("write"), "/box/notes", text) == 0
    assert (box / "notes").read_text() == "one\ntwo\n"

    (box / "a-first").touch()
    assert sandbox.run(guests.path("cat"), "/box/notes", "/box/a-first", "/box/notes") == 0
    assert sandbox.out() == "one\ntwo\n" * 2

    assert sandbox.run(guests.path("ls"), "/box") == 0
    assert sandbox.out() == "a-first\nnotes\n"


@pytest.mark.parametrize(
    ("name", "argv"),
    [("cat", ["/box/none"]), ("ls", ["/box/none"]), ("write", ["/box/none/file", "text"])],
)
def test_a_file_that_cannot_be_had_is_told(
    guests: Guests, sandbox: Sandbox, name: str, argv: Sequence[str]
) -> None:
    assert sandbox.run(guests.path(name), *argv) == 1
    assert sandbox.err() == f"{argv[0]}: No such file or directory\n"


def test_the_counter_fails_until_its_turn(guests: Guests, sandbox: Sandbox) -> None:
    module = guests.path("counter")
    assert [sandbox.run(module, "/box/count", "3") for _ in range(4)] == [1, 1, 0, 0]
    assert sandbox.out() == "run 4\n"


@pytest.mark.parametrize(("name", "complaint"), [("imports", "env::foo"), ("nostart", COMMAND)])
def test_what_is_no_command_does_not_run(
    guests: Guests, sandbox: Sandbox, name: str, complaint: str
) -> None:
    with pytest.raises((wasmtime.WasmtimeError, KeyError), match=complaint):
        sandbox.run(guests.path(name))
