"""`krustlet stop` and `krustlet rm`: asked for, and waited for."""

import asyncio
import json
from typing import Any

import pytest

from krustlet.objects import Pod
from tests.component.cli.people import People
from tests.component.server.control import Broken
from tests.support.command import Command
from tests.support.pods import Story, a_container, a_pod


@pytest.fixture
def people(krustlet: Command) -> People:
    """A node that does as it is told, a moment later."""
    people = People(krustlet)
    stories: dict[str, Story] = {}
    for name in ("web", "db"):
        stories[f"uid-of-{name}"] = story = Story(
            a_pod(a_container("a"), a_container("b"), name=name, policy="Never")
        ).runs("a", "b")
        people.shows(story)

    def stopping(uid: str, container: str | None) -> None:
        story = stories[uid]
        for name in [container] if container else ["a", "b"]:
            story.exited(name, code=143)
        asyncio.get_running_loop().call_later(0.05, people.shows, story)

    def removing(pod: Pod) -> None:
        asyncio.get_running_loop().call_later(0.05, people.rig.pods.remove, pod)

    people.control.stopping, people.control.removing = stopping, removing
    return people


@pytest.mark.parametrize(
    ("arguments", "container", "grace_s"),
    [
        (("web",), None, 30.0),
        (("web", "-t", "2.5"), None, 2.5),
        (("web", "-c", "b", "--time", "0"), "b", 0.0),
    ],
)
async def test_stop(
    people: People, arguments: tuple[str, ...], container: str | None, grace_s: float
) -> None:
    async with people.server:
        result = await people.run("stop", *arguments)
    assert (result.code, result.stdout, result.stderr) == (0, "pod web stopped\n", "")
    assert people.control.asked == [("stop", "uid-of-web", container, grace_s)]


async def test_stopping_several_takes_as_long_as_the_slowest(people: People) -> None:
    async with people.server:
        result = await people.run("stop", "web", "db", "-o", "json")
    stopped = json.loads(result.stdout)
    assert [pod["metadata"]["name"] for pod in stopped["items"]] == ["web", "db"]
    assert [pod["status"]["phase"] for pod in stopped["items"]] == ["Failed", "Failed"]


async def test_a_longer_wait_is_told(people: People) -> None:
    release = asyncio.Event()
    stop: Any = people.control.stopping

    def later(uid: str, container: str | None) -> None:
        waiting.append(asyncio.create_task(after(uid, container)))

    async def after(uid: str, container: str | None) -> None:
        await release.wait()
        stop(uid, container)

    waiting: list[asyncio.Task[None]] = []
    people.control.stopping = later
    async with people.server:
        with people.krustlet.start("stop", "-n", "shop", "web") as process:
            assert process.stderr is not None
            assert process.stdout is not None
            assert await asyncio.to_thread(process.stderr.readline) == "Stopping web …\n"
            release.set()
            assert await asyncio.to_thread(process.stdout.read) == "pod web stopped\n"
            assert await asyncio.to_thread(process.wait) == 0


async def test_a_terminal_shows_whom_it_waits_for_and_each_that_is_done_on_a_line(
    people: People,
) -> None:
    held: dict[str, bool] = {}
    stop: Any = people.control.stopping
    people.control.stopping = lambda uid, _: held.setdefault(uid, True)
    async with people.server, people.at_a_terminal("stop", "web", "db") as person:
        await person.sees(b"Stopping web, db")
        stop("uid-of-web", None)
        await person.sees(b"Stopping db")
        stop("uid-of-db", None)
        assert await person.ends() == 0
    seen = person.terminal.seen
    for name in (b"web", b"db"):
        before = seen.partition(b"pod " + name + b" stopped\r\n")[0]
        assert before.endswith((b"\r\n", b"\x1b[2K")), seen
        assert before.rindex(b"\x1b[2K") > before.rindex(b"Stopping")
    assert b"Stopping web" not in seen.partition(b"pod web stopped")[2]


@pytest.mark.parametrize("command", ["stop", "rm"])
async def test_who_is_named_twice_is_meant_once(people: People, command: str) -> None:
    async with people.server:
        result = await people.run(command, "web", "web")
    assert result.code == 0
    assert result.stdout.count("pod web") == 1
    assert len(people.control.asked) == 1


async def test_ctrl_c_ends_the_wait_alone(people: People) -> None:
    people.control.stopping = lambda uid, container: None
    async with (
        people.server,
        people.at_a_terminal("stop", "web") as person,
    ):
        await person.sees(b"Stopping web")
        person.types(b"\x03")
        assert await person.ends() == 130
    assert len(people.control.asked) == 1


@pytest.mark.parametrize(
    ("arguments", "grace_s"), [((), 30.0), (("-t", "4"), 4.0), (("--force",), 0.0)]
)
async def test_rm(people: People, arguments: tuple[str, ...], grace_s: float) -> None:
    async with people.server:
        result = await people.run("rm", "web", *arguments)
    assert (result.code, result.stdout, result.stderr) == (0, "pod web removed\n", "")
    assert people.control.asked == [("remove", "web", grace_s)]


async def test_what_fails_for_one_is_told_and_done_for_the_others(people: People) -> None:
    async with people.server:
        remove = people.control.remove

        async def choosy(pod: Pod, *, grace_s: float) -> None:
            if pod.name == "web":
                raise Broken("the API server says no", hint="ask somebody")
            await remove(pod, grace_s=grace_s)

        people.control.remove = choosy  # type: ignore[method-assign] # one test's whim
        result = await people.run("rm", "web", "db")
    assert (result.code, result.stdout) == (1, "pod db removed\n")
    assert result.stderr == "error: pod web: the API server says no; ask somebody\n"


async def test_nothing_is_done_if_one_is_misspelt(people: People) -> None:
    async with people.server:
        result = await people.run("stop", "web", "dbb")
    assert result.code == 1
    assert "no pod dbb in namespace shop on this node\nhint: did you mean `db`?" in result.stderr
    assert people.control.asked == []


@pytest.mark.parametrize(
    "words",
    [
        ("stop",),
        ("rm",),
        ("stop", "web", "-t", "-1"),
        ("stop", "web", "-t", "x"),
        ("stop", "web", "-t", "nan"),
        ("rm", "web", "-t", "inf"),
        ("rm", "web", "--force", "-t", "5"),
    ],
)
def test_wrong_usage(krustlet: Command, words: tuple[str, ...]) -> None:
    assert krustlet(*words).code == 2


@pytest.mark.parametrize("command", ["stop", "rm", "attach"])
def test_without_a_node_it_is_told(krustlet: Command, command: str) -> None:
    result = krustlet(command, "web")
    assert result.code == 1
    assert "no node answers at" in result.stderr
    assert "krustlet node" in result.stderr
