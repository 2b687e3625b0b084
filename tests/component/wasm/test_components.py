"""Command components: what they are given, how they end, and what of the network they reach."""

import socket
from pathlib import Path

import pytest

from krustlet.process import ERROR, START_ERROR, START_ERROR_CODE
from krustlet.wasm import Preopen, WasmLaunch
from krustlet.wasm.traps import ABORTED
from tests.component.wasm.conftest import WithWasm
from tests.support import components

ACCESS_DENIED = 1  # of wasi:sockets/network's error-code
DONE = 100


@pytest.fixture
def component(tmp_path: Path) -> "Write":
    return Write(tmp_path)


class Write:
    """Makes a file of a component's text."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def __call__(self, text: str, name: str = "guest") -> Path:
        source = self._directory / f"{name}.wat"
        source.write_text(text)
        return source


async def test_it_prints_and_ends(wasm: WithWasm, component: Write) -> None:
    await wasm.start(component(components.printing("Hello, world!")))
    end = await wasm.supervised.end("a")
    assert (end.code, end.reason, end.message) == (0, "Completed", "")
    assert wasm.supervised.printed("a") == b"Hello, world!"  # the last line need not be whole


@pytest.mark.parametrize("version", ["0.2.0", "0.2.5", "0.2.12", "0.2.99"])
async def test_any_version_of_run_will_do(wasm: WithWasm, component: Write, version: str) -> None:
    await wasm.start(component(components.returning(0, run_version=version)))
    assert (await wasm.supervised.end("a")).code == 0


@pytest.mark.parametrize(("result", "reason"), [(0, "Completed"), (1, ERROR)])
async def test_what_run_returns_is_its_exit_code(
    wasm: WithWasm, component: Write, result: int, reason: str
) -> None:
    await wasm.start(component(components.returning(result)))
    end = await wasm.supervised.end("a")
    assert (end.code, end.reason, end.message) == (result, reason, "")


@pytest.mark.parametrize(
    ("function", "status"),
    [
        ("exit", 0),
        ("exit", 1),
        *[("exit-with-code", code) for code in (0, 1, 3, 125, 126, 134, 255)],
    ],
)
async def test_how_it_ends_itself_is_its_exit_code(
    wasm: WithWasm, component: Write, function: str, status: int
) -> None:
    await wasm.start(component(components.exiting(function, status)))
    end = await wasm.supervised.end("a")
    assert (end.code, end.message) == (status, "")
    assert wasm.supervised.printed("a", "stderr") == b""


@pytest.mark.parametrize("version", ["0.2.0", "0.2.12"])
async def test_any_version_of_exit_will_do(wasm: WithWasm, component: Write, version: str) -> None:
    await wasm.start(component(components.exiting("exit-with-code", 9, version=version)))
    assert (await wasm.supervised.end("a")).code == 9


async def test_it_sees_its_arguments_and_variables_and_no_others(
    wasm: WithWasm, component: Write
) -> None:
    argv = ["", " a b ", "ü€😀", "--"]
    env = [("A", "1"), ("EMPTY", ""), ("UNI", "ü")]
    await wasm.start(component(components.listing()), *argv, env=env)
    assert (await wasm.supervised.end("a")).code == 0
    expected = ["guest", *argv, *(f"{name}={value}" for name, value in env)]
    assert wasm.supervised.printed("a").decode() == "".join(f"{line}\n" for line in expected)


async def test_it_reads_its_directory_and_nothing_beside_it(
    wasm: WithWasm, component: Write, tmp_path: Path
) -> None:
    box = tmp_path / "box"
    box.mkdir()
    (box / "note").write_text("read me\n")
    (tmp_path / "outside").write_text("secret\n")
    (box / "link").symlink_to(tmp_path / "outside")
    for path in ("note", "../outside", "link", str(tmp_path / "outside")):
        id_ = path.replace("/", "-")
        guest = component(components.reading(path), f"reads{id_}")
        await wasm.start(guest, preopens=[Preopen(str(box), "/")], id_=id_)
        readable = path == "note"
        assert (await wasm.supervised.end(id_)).code == (0 if readable else 1)
        assert wasm.supervised.printed(id_) == (b"read me\n" if readable else b"")


# the network --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("network", "code"), [(True, DONE), (False, ACCESS_DENIED)])
async def test_it_connects_where_it_has_the_network(
    wasm: WithWasm, component: Write, network: bool, code: int
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        guest = component(components.connecting(server.getsockname()[1]))
        await wasm.start(guest, network=network)
        assert (await wasm.supervised.end("a")).code == code
        server.settimeout(5 if network else 0.1)
        if network:
            server.accept()[0].close()
        else:
            with pytest.raises(TimeoutError):
                server.accept()


@pytest.mark.parametrize(("network", "looked_up"), [(True, True), (False, False)])
async def test_it_looks_names_up_where_it_has_the_network(
    wasm: WithWasm, component: Write, network: bool, looked_up: bool
) -> None:
    await wasm.start(component(components.resolving("localhost")), network=network)
    assert ((await wasm.supervised.end("a")).code == DONE) == looked_up


# what goes wrong ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "cause"),
    [
        pytest.param("unreachable", "wasm `unreachable` instruction executed", id="unreachable"),
        pytest.param(
            "(i32.div_s (i32.const 1) (i32.const 0))", "integer divide by zero", id="division"
        ),
        pytest.param(
            "(i32.load (i32.const -8))", "out of bounds memory access: memory fault", id="bounds"
        ),
    ],
)
async def test_a_trap_is_told_with_its_cause_and_where(
    wasm: WithWasm, component: Write, body: str, cause: str
) -> None:
    await wasm.start(component(components.doing(body)))
    end = await wasm.supervised.end("a")
    assert (end.code, end.reason) == (ABORTED, ERROR)
    first, *trace = end.message.splitlines()
    assert first.startswith(f"wasm trap: {cause}")
    assert trace[0] == "wasm backtrace:"
    assert "main" in trace[1]
    assert wasm.supervised.printed("a", "stderr").decode().strip() == end.message


async def test_its_memory_has_a_limit(wasm: WithWasm, component: Write) -> None:
    grow = "(i32.eq (memory.grow (i32.const {})) (i32.const -1))"  # 1, which is an error, if not
    for pages, code in ((100, 0), (300, 1)):
        id_ = f"grows-{pages}"
        guest = component(components.doing(grow.format(pages)), id_)
        await wasm.start(guest, memory_bytes=16 << 20, id_=id_)
        assert (await wasm.supervised.end(id_)).code == code


@pytest.mark.parametrize(
    ("kind", "said"),
    [("component", "incompatible object file format"), ("library", "kind 'library'")],
)
async def test_a_module_is_nothing_else(wasm: WithWasm, kind: str, said: str) -> None:
    await wasm.start("hello", id_="module")
    assert (await wasm.supervised.end("module")).code == 0
    await wasm.launch(WasmLaunch(code=str(wasm.code), kind=kind, argv=["hello"]))
    end = await wasm.supervised.end("a")
    assert (end.code, end.reason) == (START_ERROR_CODE, START_ERROR)
    assert said in end.message
