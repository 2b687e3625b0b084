"""`krustlet exec`: somebody talks with a process, which the test plays."""

import asyncio
import contextlib
import signal
import subprocess
from collections.abc import Iterator
from typing import IO

import pytest

from krustlet.server import NodeServer
from tests.component.cli.people import People
from tests.component.server.control import Broken, at_rest
from tests.support.command import KRUSTLET, Command
from tests.support.pods import Story, a_container, a_pod
from tests.support.until import until


@pytest.fixture
def people(krustlet: Command) -> People:
    people = People(krustlet)
    people.shows(Story(a_pod()).runs())
    return people


async def test_it_prints_what_the_command_prints_and_ends_as_it_ends(people: People) -> None:
    async with people.server:
        running = people.begin("exec", "web", "--", "ls", "-l", "--all")
        session = await people.control.session()
        session.prints(b"one\ntwo")
        session.prints(b"oh\n", "stderr")
        session.exits(42)
        result = await running
    assert (result.code, result.stdout, result.stderr) == (42, "one\ntwo", "oh\n")
    assert people.control.asked == [("execute", "web", "app", ["ls", "-l", "--all"], False, False)]


async def test_a_person_is_told_that_the_command_failed(people: People) -> None:
    async with people.server, people.at_a_terminal("exec", "web", "--", "ls") as person:
        session = await people.control.session()
        session.prints(b"one")
        session.exits(42)
        assert await person.ends() == 42
    said = b"one\r\ncommand terminated with exit code 42\r\n"
    assert person.terminal.seen.endswith(said)


async def test_a_command_is_text(people: People) -> None:
    async with people.server:
        result = await people.run("exec", "web", "--", "x", "\udcff")
    assert (result.code, result.stdout) == (2, "")
    assert "is not UTF-8 text" in result.stderr
    assert "COMMAND" in result.stderr


@pytest.mark.parametrize(
    "words",
    [
        ("web", "-c", "app", "--", "cat", "-v"),
        ("-c", "app", "web", "cat", "-v"),
        ("-c", "app", "web", "--", "cat", "-v"),
    ],
)
async def test_a_command_begins_after_the_dashes_or_the_pod(
    people: People, words: tuple[str, ...]
) -> None:
    async with people.server:
        running = people.begin("exec", *words)
        (await people.control.session()).exits(0)
        assert (await running).code == 0
    assert people.control.asked[0][3] == ["cat", "-v"]


async def test_stdin_is_typed_and_its_end_is_told(people: People) -> None:
    text = "line\n" * 100_000
    async with people.server:
        running = people.begin("exec", "-i", "web", "--", "cat", stdin=text)
        session = await people.control.session()
        await session.until(lambda: session.is_input_over)
        assert session.typed.decode() == text
        session.prints(bytes(session.typed))
        session.exits(0)
        result = await running
    assert (result.code, result.stdout) == (0, text)


async def test_without_i_stdin_is_left_alone(people: People) -> None:
    async with people.server:
        running = people.begin("exec", "web", "--", "cat", stdin="secret")
        session = await people.control.session()
        session.exits(0)
        assert (await running).code == 0
    assert (session.typed, session.is_input_over) == (bytearray(), False)


async def test_any_byte_is_carried(people: People, krustlet: Command) -> None:
    data = bytes(range(256)) * 1000
    async with people.server:
        running = asyncio.create_task(
            asyncio.to_thread(
                subprocess.run,
                [*KRUSTLET, "exec", "-i", "-n", "shop", "web", "--", "cat"],
                input=data,
                capture_output=True,
                check=True,
                env=krustlet.environment({}),
            )
        )
        session = await people.control.session()
        await session.until(lambda: session.is_input_over)
        session.prints(bytes(session.typed))
        session.exits(0)
        assert (await running).stdout == data


async def test_what_nobody_reads_here_waits_there(people: People, krustlet: Command) -> None:
    async with people.server:
        with krustlet.start("exec", "-n", "shop", "web", "--", "yes") as process:
            session = await people.control.session()
            for _ in range(500):
                session.prints(b"x" * 65536)
            assert await at_rest(lambda: session.printed_bytes) < 8 << 20
            session.exits(0)
            assert process.stdout is not None
            assert len(await asyncio.to_thread(process.stdout.read)) == 500 * 65536
            assert await asyncio.to_thread(process.wait) == 0


async def test_what_the_command_does_not_read_is_not_read_here_either(
    people: People, krustlet: Command
) -> None:
    size_bytes = 64 << 20
    with (krustlet.directory / "large").open("w+b") as file:
        file.truncate(size_bytes)
        async with people.server:
            with _reading(file, krustlet) as process:
                session = await people.control.session()
                session.reads.clear()
                assert await at_rest(file.tell) < 8 << 20  # one position for both processes
                session.reads.set()
                await session.until(lambda: session.is_input_over)
                session.exits(0)
                assert await asyncio.to_thread(process.wait) == 0
    assert len(session.typed) == size_bytes


@contextlib.contextmanager
def _reading(file: IO[bytes], krustlet: Command) -> "Iterator[subprocess.Popen[bytes]]":
    command = [*KRUSTLET, "exec", "-i", "-n", "shop", "web", "--", "cat"]
    with subprocess.Popen(command, stdin=file, env=krustlet.environment({})) as process:
        try:
            yield process
        finally:
            process.kill()


async def test_nobody_who_reads_is_told_to_the_shell_alone(
    people: People, krustlet: Command
) -> None:
    async with people.server:
        with krustlet.start("exec", "-n", "shop", "web", "--", "yes") as process:
            session = await people.control.session()
            assert process.stdout is not None
            assert process.stderr is not None
            process.stdout.close()
            session.prints(b"y\n")
            assert await asyncio.to_thread(process.wait) == 141
            assert process.stderr.read() == ""
        await session.until(lambda: session.is_closed)


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, -15), (signal.SIGKILL, -9)]
)
async def test_who_leaves_ends_the_command(
    people: People, krustlet: Command, number: signal.Signals, code: int
) -> None:
    async with people.server:
        with krustlet.start("exec", "-n", "shop", "web", "--", "sleep") as process:
            session = await people.control.session()
            session.prints(b"ready\n")
            assert process.stdout is not None
            assert await asyncio.to_thread(process.stdout.readline) == "ready\n"
            process.send_signal(number)
            assert await asyncio.to_thread(process.wait) == code
        await session.until(lambda: session.is_closed)


# at a terminal ------------------------------------------------------------------------------------


async def test_each_key_reaches_the_command_and_is_shown_by_it_alone(people: People) -> None:
    async with people.server, people.at_a_terminal("exec", "-it", "web", "--", "sh") as person:
        session = await people.control.session()
        session.prints(b"$ ")
        await person.sees(b"$ ")
        assert person.is_raw()
        person.types(b"ls\x03\x1a\x04\x10\x11")
        await session.until(lambda: len(session.typed) == 7)
        assert session.typed == b"ls\x03\x1a\x04\x10\x11"
        assert person.terminal.seen == b"$ "
        session.exits(5)
        assert await person.ends() == 5
        assert not person.is_raw()
    assert people.control.asked[0][4:] == (True, True)


async def test_the_commands_terminal_is_as_large_as_ours(people: People) -> None:
    async with people.server, people.at_a_terminal("exec", "-it", "web", "--", "sh") as person:
        person.resizes(columns=100, rows=40)
        session = await people.control.session()
        session.prints(b"$ ")
        await person.sees(b"$ ")
        await session.until(lambda: session.sizes)
        person.resizes(columns=70, rows=20)
        await session.until(lambda: session.sizes[-1] == (70, 20))
        session.exits(0)
        assert await person.ends() == 0
    assert (100, 40) in session.sizes


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT])
async def test_the_terminal_is_as_it_was_after_a_signal(
    people: People, number: signal.Signals
) -> None:
    async with people.server, people.at_a_terminal("exec", "-it", "web", "--", "sh") as person:
        session = await people.control.session()
        session.prints(b"$ ")
        await person.sees(b"$ ")
        assert person.is_raw()
        person.terminal.process.send_signal(number)
        assert await person.ends() == 128 + number
        assert not person.is_raw()
        await session.until(lambda: session.is_closed)


async def test_it_is_raw_again_after_a_stop(people: People) -> None:
    async with people.server, people.at_a_terminal("exec", "-it", "web", "--", "sh") as person:
        session = await people.control.session()
        session.prints(b"$ ")
        await person.sees(b"$ ")
        process = person.terminal.process
        process.send_signal(signal.SIGSTOP)
        person.terminal.cook()  # as a shell does
        process.send_signal(signal.SIGCONT)
        await asyncio.to_thread(until, person.is_raw)
        person.types(b"\x03")
        await session.until(lambda: session.typed == b"\x03")
        session.exits(0)
        assert await person.ends() == 0


async def test_a_node_that_goes_away_leaves_the_terminal_as_it_was(people: People) -> None:
    async with people.server, people.at_a_terminal("exec", "-it", "web", "--", "sh") as person:
        session = await people.control.session()
        session.prints(b"$ ")
        await person.sees(b"$ ")
        await people.server.__aexit__(None, None, None)
        assert await person.ends() == 1
        assert b"went away, and the command with it" in person.terminal.seen
        assert not person.is_raw()


async def test_t_alone_has_the_size_and_leaves_the_keys(people: People) -> None:
    async with people.server, people.at_a_terminal("exec", "-t", "web", "--", "top") as person:
        session = await people.control.session()
        await session.until(lambda: session.sizes or True)
        session.prints(b"top")
        await person.sees(b"top")
        assert not person.is_raw()
        session.exits(0)
        assert await person.ends() == 0
    assert people.control.asked[0][4:] == (False, True)


async def test_where_there_is_no_terminal_that_is_said(people: People) -> None:
    async with people.server:
        running = people.begin("exec", "-it", "web", "--", "sh", stdin="x")
        session = await people.control.session()
        await session.until(lambda: session.is_input_over)
        session.exits(0)
        result = await running
    assert result.stderr == "stdin is no terminal: going on without -t\n"
    assert people.control.asked[0][4:] == (True, False)


# which container ----------------------------------------------------------------------------------


async def test_of_several_containers_the_first_is_meant_and_that_is_said(people: People) -> None:
    people.shows(Story(a_pod(a_container("a"), a_container("b"), name="two")).runs("a", "b"))
    async with people.server:
        running = people.begin("exec", "two", "--", "ls")
        (await people.control.session()).exits(0)
        assert (await running).stderr == "Defaulted container a out of: a, b\n"
    assert people.control.asked[0][2] == "a"


# what goes wrong ----------------------------------------------------------------------------------


async def test_a_command_that_cannot_be_run_is_told(people: People) -> None:
    people.control.error = Broken("no such file: ls", hint="it has web.wasm")
    async with people.server:
        result = await people.run("exec", "web", "--", "ls")
    assert (result.code, result.stdout) == (126, "")
    assert result.stderr.endswith(
        "error executing command in container: no such file: ls\nhint: it has web.wasm\n"
    )


@pytest.mark.parametrize(
    ("words", "message", "hint"),
    [
        (("wbe", "--", "ls"), "no pod wbe in namespace shop on this node", "did you mean `web`?"),
        (("web", "-c", "ap", "--", "ls"), "pod web has no container ap", "did you mean `app`?"),
        (("new", "--", "ls"), 'container "app" in pod "new" is not running: ContainerCr', ""),
    ],
)
async def test_what_is_not_there(
    people: People, words: tuple[str, ...], message: str, hint: str
) -> None:
    people.shows(Story(a_pod(name="new")))
    async with people.server:
        result = await people.run("exec", *words)
    assert (result.code, result.stdout) == (1, "")
    assert f"error: {message}" in result.stderr
    assert hint in result.stderr


def test_without_a_node_it_is_told(krustlet: Command) -> None:
    result = krustlet("exec", "web", "--", "ls")
    assert result.code == 1
    assert "no node answers at" in result.stderr


async def test_a_node_that_lets_nobody_in_is_told(people: People) -> None:
    server = NodeServer(people.rig.pods, root=people.krustlet.data, logs=people.rig.logs)
    async with server:
        result = await people.run("exec", "web", "--", "ls")
    assert result.code == 1
    assert "exec is not supported by this Krustlet node yet" in result.stderr


@pytest.mark.parametrize("words", [(), ("web",), ("web", "--"), ("web", "-x", "ls")])
def test_wrong_usage(krustlet: Command, words: tuple[str, ...]) -> None:
    assert krustlet("exec", *words).code == 2


# for shells ---------------------------------------------------------------------------------------


async def test_pods_and_containers_are_completed(people: People) -> None:
    people.shows(
        Story(a_pod(a_container("one"), a_container("two"), name="whale")).runs("one", "two")
    )
    async with people.server:
        assert await _completed(people, "exec", "-n", "shop", "w") == ["plain,web", "plain,whale"]
        assert await _completed(people, "exec", "-n", "shop", "whale", "-c", "t") == ["plain,two"]
        assert await _completed(people, "stop", "-n", "shop", "web", "w") == ["plain,whale"]
        assert await _completed(people, "rm", "w") == []
    assert await _completed(people, "rm", "-n", "shop", "w") == []


async def _completed(people: People, *words: str) -> list[str]:
    """What bash would get, as `type,value`."""
    result = await asyncio.to_thread(
        people.krustlet,
        COMP_WORDS=" ".join(["krustlet", *words]),
        COMP_CWORD=str(len(words)),
        _KRUSTLET_COMPLETE="bash_complete",
    )
    return [line for line in result.stdout.splitlines() if line]
