"""What a guest is given, what becomes of what it prints, and how it ends."""

import os
import signal
from pathlib import Path

import pytest

from krustlet.process import ERROR, START_ERROR, START_ERROR_CODE
from krustlet.wasm import Preopen, WasmLaunch
from krustlet.wasm.traps import ABORTED
from tests.component.wasm.conftest import WithWasm
from tests.support.processes import descriptors, private_bytes, status


def wat(directory: Path, name: str, body: str) -> Path:
    source = directory / f"{name}.wat"
    source.write_text(f"(module {body})")
    return source


@pytest.fixture
def box(tmp_path: Path) -> Path:
    directory = tmp_path / "box"
    directory.mkdir()
    (directory / "note").write_text("read me\n")
    return directory


async def test_it_prints_and_ends(wasm: WithWasm) -> None:
    await wasm.start("hello")
    end = await wasm.supervised.end("a")
    assert (end.code, end.reason, end.message) == (0, "Completed", "")
    assert wasm.supervised.printed("a") == b"Hello, world!\n"


async def test_it_sees_its_arguments_and_variables_as_they_are(wasm: WithWasm) -> None:
    argv = ["", " a b ", "ü€😀", "$HOME", "--", "-x=y", "line\nbreak"]
    env = [("A", "1"), ("EMPTY", ""), ("SPACE", " x "), ("UNI", "ü"), ("a.b-c", "d=e")]
    await wasm.start("args", *argv, env=env)
    assert (await wasm.supervised.end("a")).code == 0
    expected = ["args", *argv, *(f"{name}={value}" for name, value in env)]
    assert wasm.supervised.printed("a").decode() == "".join(f"{line}\n" for line in expected)


async def test_it_sees_no_variable_that_it_was_not_given(wasm: WithWasm) -> None:
    await wasm.start("args")
    await wasm.supervised.end("a")
    assert wasm.supervised.printed("a") == b"args\n"


@pytest.mark.parametrize("count", [0, 1, 63, 64, 65, 5_000])
async def test_however_many_arguments(wasm: WithWasm, count: int) -> None:
    argv = [f"argument-{number}" for number in range(count)]
    env = [(f"V{number:05}", f"value-{number}") for number in range(count)]
    await wasm.start("args", *argv, env=env)
    assert (await wasm.supervised.end("a")).code == 0
    expected = ["args", *argv, *(f"{name}={value}" for name, value in env)]
    assert wasm.supervised.printed("a").decode().splitlines() == expected


@pytest.mark.parametrize(
    ("argv", "env", "message"),
    [
        pytest.param(["a\0b"], [], "an argument holds a zero byte", id="argument"),
        pytest.param([], [("A", "b\0")], "a variable holds a zero byte", id="value"),
        pytest.param([], [("A\0", "b")], "a variable's name holds a zero byte", id="name"),
    ],
)
async def test_what_c_would_cut_short_is_a_start_error(
    wasm: WithWasm, argv: list[str], env: list[tuple[str, str]], message: str
) -> None:
    await wasm.start("args", *argv, env=env)
    end = await wasm.supervised.end("a")
    assert (end.code, end.reason, end.message) == (START_ERROR_CODE, START_ERROR, message)


# ends ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", [0, 3, 125, 126, 127, 128, 255, 256, 300, -1, -(2**31)])
async def test_its_exit_code_is_told_as_it_was(wasm: WithWasm, code: int) -> None:
    await wasm.start("exit", str(code))
    end = await wasm.supervised.end("a")
    assert (end.code, end.message) == (code, "")
    assert end.reason == ("Completed" if code == 0 else ERROR)


async def test_a_code_of_256_is_no_success(wasm: WithWasm) -> None:
    """Its last eight bits, which are all that a process can say, are zero."""
    await wasm.start("exit", "256")
    assert (await wasm.supervised.end("a")).reason == ERROR


async def test_what_it_prints_just_before_its_end_is_complete(wasm: WithWasm) -> None:
    for number in range(10):
        id_ = f"c{number}"
        await wasm.start("lines", "1000", "60", id_=id_)
        assert (await wasm.supervised.end(id_)).code == 0
        lines = wasm.supervised.printed(id_).splitlines()
        assert [int(line.split()[0]) for line in lines] == list(range(1000))


async def test_its_streams_are_told_apart(wasm: WithWasm) -> None:
    await wasm.start("both", "100")
    await wasm.supervised.end("a")
    out, err = wasm.supervised.printed("a"), wasm.supervised.printed("a", "stderr")
    assert out == b"".join(b"out %d\n" % number for number in range(100))
    assert err == b"".join(b"err %d\n" % number for number in range(100))


async def test_its_stdin_is_empty(wasm: WithWasm) -> None:
    await wasm.start("stdin")
    assert (await wasm.supervised.end("a")).code == 0
    assert wasm.supervised.printed("a") == b""


async def test_its_working_directory_is_told_by_a_variable(wasm: WithWasm) -> None:
    await wasm.start("args", working_dir="/srv/app", env=[("A", "1")])
    await wasm.supervised.end("a")
    assert wasm.supervised.printed("a") == b"args\nA=1\nPWD=/srv/app\n"


async def test_a_variable_of_that_name_is_left_as_it_is(wasm: WithWasm) -> None:
    await wasm.start("args", working_dir="/srv/app", env=[("PWD", "/mine")])
    await wasm.supervised.end("a")
    assert wasm.supervised.printed("a") == b"args\nPWD=/mine\n"


async def test_one_that_asks_for_its_grace_period_can_have_it(wasm: WithWasm, box: Path) -> None:
    told = "/run/krustlet/terminating"
    (box / "run" / "krustlet").mkdir(parents=True)
    await wasm.start("waits", preopens=[Preopen(str(box), "/")])
    await wasm.supervised.until_printed("a", b"ready\n")
    (box / told[1:]).touch()
    end = await wasm.supervised.end("a")
    assert (end.code, end.reason) == (0, "Completed")
    assert wasm.supervised.printed("a") == b"ready\nterminating\n"


@pytest.mark.parametrize("guest", ["sleep", "spin"])
async def test_it_can_be_killed_whatever_it_does(wasm: WithWasm, guest: str) -> None:
    started = await wasm.start(guest)
    await wasm.supervised.until_printed("a", b"ready\n")
    os.kill(started.pid, signal.SIGKILL)
    end = await wasm.supervised.end("a")
    assert (end.code, end.reason) == (137, ERROR)


@pytest.mark.parametrize("guest", ["sleep", "spin"])
async def test_it_can_be_stopped_whatever_it_does(wasm: WithWasm, guest: str) -> None:
    await wasm.start(guest)
    await wasm.supervised.until_printed("a", b"ready\n")
    wasm.supervised.supervisor.stop("a", grace_s=10)
    end = await wasm.supervised.end("a")
    assert (end.code, end.reason) == (143, ERROR)


# traps --------------------------------------------------------------------------------------------


async def test_a_trap_is_told_with_its_cause_and_where(wasm: WithWasm) -> None:
    await wasm.start("trap")
    end = await wasm.supervised.end("a")
    assert (end.code, end.reason) == (ABORTED, ERROR)
    cause, *trace = end.message.splitlines()
    assert "wasm trap: wasm `unreachable` instruction executed" in cause
    assert trace[0] == "wasm backtrace:"
    functions = [line.rpartition("!")[2] for line in trace[1:]]
    assert functions[:2] == ["boom", "middle"]
    assert "main" in functions[2]
    assert wasm.supervised.printed("a") == b"about to trap\n"
    assert wasm.supervised.printed("a", "stderr").decode().strip() == end.message


TRAPS = {
    "stack": (
        '(func $deeper (export "_start") call $deeper)',
        "wasm trap: call stack exhausted",
    ),
    "bounds": (
        '(memory 1) (func (export "_start") (drop (i32.load (i32.const 0x7fffffff))))',
        "wasm trap: out of bounds memory access: memory fault at wasm address 0x7fffffff"
        " in linear memory of size 0x10000",
    ),
    "division": (
        '(func (export "_start") (drop (i32.div_s (i32.const 1) (i32.const 0))))',
        "wasm trap: integer divide by zero",
    ),
    "table": (
        "(table 1 funcref) (type $f (func))"
        ' (func (export "_start") (call_indirect (type $f) (i32.const 9)))',
        "wasm trap: undefined element: out of bounds table access",
    ),
    "host": (  # WASI finds no memory to write to
        '(import "wasi_snapshot_preview1" "sched_yield" (func $y (result i32)))'
        '(import "wasi_snapshot_preview1" "args_sizes_get" (func $a (param i32 i32) (result i32)))'
        ' (func (export "_start") (drop (call $y)) (drop (call $a (i32.const 0) (i32.const 4))))',
        "missing required memory export",
    ),
    "begin-host": (
        '(import "wasi_snapshot_preview1" "args_sizes_get" (func $a (param i32 i32) (result i32)))'
        " (func $dies (drop (call $a (i32.const 0) (i32.const 4))))"
        ' (start $dies) (func (export "_start"))',
        "missing required memory export",
    ),
    "begin": (
        '(func $dies unreachable) (start $dies) (func (export "_start"))',
        "wasm trap: wasm `unreachable` instruction executed",
    ),
}


@pytest.mark.parametrize("name", TRAPS)
async def test_every_trap_says_what_it_was(wasm: WithWasm, tmp_path: Path, name: str) -> None:
    body, cause = TRAPS[name]
    await wasm.start(wat(tmp_path, name, body))
    end = await wasm.supervised.end("a")
    assert (end.code, end.reason) == (ABORTED, ERROR)
    assert end.message.splitlines()[0] == cause
    assert "wasm backtrace:" in end.message


async def test_the_trace_of_a_deep_recursion_fits_a_message(wasm: WithWasm, tmp_path: Path) -> None:
    name = "f" * 3_000
    await wasm.start(wat(tmp_path, "deep", f'(func ${name} (export "_start") call ${name})'))
    end = await wasm.supervised.end("a")
    assert end.message.splitlines()[0] == "wasm trap: call stack exhausted"
    assert len(end.message.encode()) <= 4096


# directories --------------------------------------------------------------------------------------


async def test_a_directory_can_be_read_and_written(wasm: WithWasm, box: Path) -> None:
    preopens = [Preopen(str(box), "/box")]
    await wasm.start("cat", "/box/note", preopens=preopens, id_="cat")
    await wasm.start("write", "/box/new", "hello", preopens=preopens, id_="write")
    assert (await wasm.supervised.end("cat")).code == 0
    assert (await wasm.supervised.end("write")).code == 0
    assert wasm.supervised.printed("cat") == b"read me\n"
    assert (box / "new").read_text() == "hello\n"
    assert (box / "new").stat().st_mode & 0o777 == 0o644


async def test_a_read_only_directory_can_only_be_read(wasm: WithWasm, box: Path) -> None:
    preopens = [Preopen(str(box), "/box", read_only=True)]
    await wasm.start("cat", "/box/note", preopens=preopens, id_="cat")
    await wasm.start("write", "/box/new", "hello", preopens=preopens, id_="new")
    await wasm.start("write", "/box/note", "hello", preopens=preopens, id_="old")
    assert (await wasm.supervised.end("cat")).code == 0
    assert (await wasm.supervised.end("new")).code == 1
    assert (await wasm.supervised.end("old")).code == 1
    assert {path.name: path.read_text() for path in box.iterdir()} == {"note": "read me\n"}


async def test_it_finds_no_directory_that_it_was_not_given(wasm: WithWasm, box: Path) -> None:
    (box.parent / "outside").write_text("secret")
    (box / "link").symlink_to(box.parent / "outside")
    preopens = [Preopen(str(box), "/box")]
    for number, path in enumerate(("/box/../outside", "/box/link", str(box.parent / "outside"))):
        await wasm.start("cat", path, preopens=preopens, id_=f"c{number}")
        assert (await wasm.supervised.end(f"c{number}")).code == 1
        assert wasm.supervised.printed(f"c{number}") == b""


async def test_one_directory_can_be_all_that_it_sees(wasm: WithWasm, box: Path) -> None:
    (box / "deep").mkdir()
    (box / "deep" / "note").write_text("deep\n")
    preopens = [Preopen(str(box), "/")]
    await wasm.start("cat", "/note", "deep/note", preopens=preopens)
    assert (await wasm.supervised.end("a")).code == 0
    assert wasm.supervised.printed("a") == b"read me\ndeep\n"


async def test_a_directory_can_be_the_root_itself(wasm: WithWasm, box: Path) -> None:
    await wasm.start("cat", str(box / "note"), preopens=[Preopen("/", "/", read_only=True)])
    assert (await wasm.supervised.end("a")).code == 0
    assert wasm.supervised.printed("a") == b"read me\n"


async def test_a_missing_directory_is_a_start_error(wasm: WithWasm, tmp_path: Path) -> None:
    missing = tmp_path / "missing"
    await wasm.start("hello", preopens=[Preopen(str(missing), "/data")])
    end = await wasm.supervised.end("a")
    assert (end.code, end.reason) == (START_ERROR_CODE, START_ERROR)
    assert end.message == f"{missing} cannot be shown: No such file or directory"
    assert wasm.supervised.printed("a") == b""


# what cannot be started ---------------------------------------------------------------------------


async def test_native_code_that_is_gone_is_a_start_error(wasm: WithWasm, tmp_path: Path) -> None:
    await wasm.launch(WasmLaunch(code=str(tmp_path / "gone.cwasm"), argv=["gone"]))
    end = await wasm.supervised.end("a")
    assert (end.code, end.reason) == (START_ERROR_CODE, START_ERROR)
    assert "gone.cwasm" in end.message


async def test_native_code_of_another_engine_is_a_start_error(
    wasm: WithWasm, tmp_path: Path
) -> None:
    (tmp_path / "odd.cwasm").write_bytes(b"\x7fELF" + bytes(10_000))
    await wasm.launch(WasmLaunch(code=str(tmp_path / "odd.cwasm"), argv=["odd"]))
    end = await wasm.supervised.end("a")
    assert (end.code, end.reason) == (START_ERROR_CODE, START_ERROR)
    assert end.message


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ('(import "env" "foo" (func)) (func (export "_start"))', "env::foo"),
        ('(func (export "run"))', "it has no _start"),
        ('(memory (export "_start") 1)', "it has no _start"),
        ('(func (export "_start") (param i32))', "its _start cannot be called: expected 1 arg"),
        ('(func (export "_start") (result i32) i32.const 1)', "its _start cannot be called: "),
    ],
)
async def test_what_is_no_command_is_a_start_error(
    wasm: WithWasm, tmp_path: Path, body: str, said: str
) -> None:
    await wasm.start(wat(tmp_path, "odd", body))
    end = await wasm.supervised.end("a")
    assert (end.code, end.reason) == (START_ERROR_CODE, START_ERROR)
    assert said in end.message


async def test_a_payload_that_is_none_is_a_start_error(wasm: WithWasm) -> None:
    await wasm.supervised.start("krustlet.wasm.runner:WasmRunner", b"\xc1", id_="a")
    end = await wasm.supervised.end("a")
    assert (end.code, end.reason) == (START_ERROR_CODE, START_ERROR)


# the process --------------------------------------------------------------------------------------


async def test_its_process_has_its_streams_and_what_the_engine_opens(
    wasm: WithWasm, box: Path
) -> None:
    started = await wasm.start("sleep", preopens=[Preopen(str(box), "/box")])
    await wasm.supervised.until_printed("a", b"ready\n")
    found = descriptors(started.pid)
    assert sorted(found)[:3] == [0, 1, 2]
    others = {link.partition(":")[0] for number, link in found.items() if number > 2}
    # The way to report, its directory, its code, and tokio's event loop.
    assert others <= {"pipe", str(box), str(wasm.code), "anon_inode", "socket"}
    pipes = [number for number, link in found.items() if link.startswith("pipe:")]
    assert pipes == [1, 2, 4]


async def test_its_process_has_one_thread_besides_its_own(wasm: WithWasm) -> None:
    started = await wasm.start("sleep")
    await wasm.supervised.until_printed("a", b"ready\n")
    assert int(status(started.pid)["Threads"]) <= 2


async def test_an_idle_guest_has_little_memory_of_its_own(wasm: WithWasm) -> None:
    """1.5 MB when this was written. Twice that, and something has gone wrong in the zygote."""
    for number in range(4):
        await wasm.start("sleep", id_=f"c{number}")
    started = await wasm.start("sleep")
    await wasm.supervised.until_printed("a", b"ready\n")
    assert private_bytes(started.pid) < 3_000_000


async def test_supervisor_and_pump_have_little_memory_of_their_own(wasm: WithWasm) -> None:
    for number in range(20):
        await wasm.start("hello", id_=f"c{number}")
        await wasm.supervised.end(f"c{number}")
    helpers = private_bytes(wasm.supervised.pid) + private_bytes(wasm.supervised.pump)
    assert helpers < 30_000_000
