"""`krustlet attach`: this terminal is a container's, until somebody leaves."""

import asyncio
import signal

import msgspec
import pytest

from tests.component.cli.people import People
from tests.support.command import Command
from tests.support.pods import Story, a_container, a_pod


@pytest.fixture
def people(krustlet: Command) -> People:
    return People(krustlet)


async def test_it_shows_what_is_printed_and_ends_as_the_container_ends(people: People) -> None:
    people.shows(Story(a_pod()).runs())
    async with people.server:
        running = people.begin("attach", "web", stdin="unread")
        session = await people.control.session()
        session.prints(b"tick\n")
        session.prints(b"oh\n", "stderr")
        session.exits(3)
        result = await running
    assert (result.code, result.stdout, result.stderr) == (3, "tick\n", "oh\n")
    assert people.control.asked == [("attach", "web", "app", False)]
    assert session.typed == bytearray()


async def test_a_container_that_reads_gets_what_is_typed(people: People) -> None:
    people.shows(Story(a_pod()).runs(), tty=False)
    async with people.server:
        running = people.begin("attach", "web", stdin="one\ntwo\x10\x11")
        session = await people.control.session()
        await session.until(lambda: session.is_input_over)
        session.exits(0)
        assert (await running).code == 0
    assert session.typed == b"one\ntwo\x10\x11"  # nobody presses keys there
    assert people.control.asked == [("attach", "web", "app", True)]


async def test_it_may_be_only_watched(people: People) -> None:
    people.shows(Story(a_pod()).runs(), tty=False)
    async with people.server:
        running = people.begin("attach", "web", "--no-stdin", stdin="unread")
        session = await people.control.session()
        session.exits(0)
        assert (await running).code == 0
    assert session.typed == bytearray()


async def test_two_keys_leave_it_to_itself(people: People) -> None:
    people.shows(Story(a_pod()).runs(), tty=True)
    async with people.server, people.at_a_terminal("attach", "web") as person:
        session = await people.control.session()
        await person.sees(b"attached to web/app; Ctrl-P Ctrl-Q leaves it to itself")
        session.prints(b"$ ")
        await person.sees(b"$ ")
        assert person.is_raw()
        person.types(b"a\x10")
        await session.until(lambda: session.typed == b"a")
        person.types(b"b\x10\x10\x03")
        await session.until(lambda: session.typed == b"a\x10b\x10\x10\x03")
        person.types(b"\x10")
        person.types(b"\x11")
        assert await person.ends() == 0
        assert not person.is_raw()
        assert b"$ \r\nleft web/app\r\n" in person.terminal.seen
        await session.until(lambda: session.is_closed)
    assert session.typed == b"a\x10b\x10\x10\x03"


async def test_a_terminal_that_is_attached_is_as_large_as_ours(people: People) -> None:
    people.shows(Story(a_pod()).runs(), tty=True)
    async with people.server, people.at_a_terminal("attach", "web") as person:
        session = await people.control.session()
        await person.sees(b"attached")
        person.resizes(columns=120, rows=50)
        await session.until(lambda: (120, 50) in session.sizes)
        session.prints(b"$ ")
        session.exits(143)
        assert await person.ends() == 143
    said = b"$ \r\nweb/app terminated with exit code 143\r\n"
    assert person.terminal.seen.endswith(said)


async def test_ctrl_c_leaves_one_that_has_no_terminal(people: People) -> None:
    people.shows(Story(a_pod()).runs())
    async with people.server, people.at_a_terminal("attach", "web") as person:
        session = await people.control.session()
        session.prints(b"tick")
        await person.sees(b"tick")
        person.types(b"\x03")
        assert await person.ends() == 128 + signal.SIGINT
        assert b"attached to web/app; Ctrl-C leaves it to itself" in person.terminal.seen
        assert person.terminal.seen.endswith(b"tick^C\r\nleft web/app\r\n")
        await session.until(lambda: session.is_closed)


async def test_a_node_that_goes_away_is_not_said_to_end_the_container(people: People) -> None:
    people.shows(Story(a_pod()).runs(), tty=True)
    async with people.server, people.at_a_terminal("attach", "web") as person:
        await people.control.session()
        await person.sees(b"attached")
        await people.server.__aexit__(None, None, None)
        assert await person.ends() == 1
        assert b"went away, and app goes on without it" in person.terminal.seen
        assert not person.is_raw()


async def test_the_container_that_the_pod_names_is_meant(people: People) -> None:
    story = Story(a_pod(a_container("a"), a_container("b"))).runs("a", "b")
    people.shows(annotated(story, "kubectl.kubernetes.io/default-container", "b"))
    async with people.server:
        running = people.begin("attach", "web")
        (await people.control.session()).exits(0)
        result = await running
    assert result.stderr == ""
    assert people.control.asked[0][2] == "b"


async def test_what_does_not_run_cannot_be_attached_to(people: People) -> None:
    story = Story(a_pod(policy="Never")).runs()
    story.exited(code=1)
    people.shows(story)
    async with people.server:
        result = await people.run("attach", "web")
    assert (result.code, result.stdout) == (1, "")
    assert 'container "app" in pod "web" is not running: Error' in result.stderr
    assert "hint: what it said last: krustlet logs -n shop web -c app" in result.stderr


def annotated(story: Story, name: str, value: str) -> Story:
    metadata = msgspec.structs.replace(story.pod.metadata, annotations={name: value})
    story.pod = msgspec.structs.replace(story.pod, metadata=metadata)
    return story


async def test_who_cannot_write_what_is_printed_leaves(people: People) -> None:
    people.shows(Story(a_pod()).runs())
    async with people.server:
        with people.krustlet.start("attach", "-n", "shop", "web") as process:
            session = await people.control.session()
            assert process.stdout is not None
            process.stdout.close()
            session.prints(b"tick\n")
            assert await asyncio.to_thread(process.wait) == 141
        await session.until(lambda: session.is_closed)
