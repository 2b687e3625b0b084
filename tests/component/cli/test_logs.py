"""`krustlet logs`: what containers of the node on this machine printed."""

import asyncio
import contextlib
import signal
import subprocess
from pathlib import Path

import pytest

from krustlet.server import NodeServer
from tests.component.server.rig import Rig
from tests.support.command import KRUSTLET, Command, Result
from tests.support.pods import Story, a_container, a_pod

STAMP = "2023-11-14T22:13:20.000000001Z"


class Node:
    """A node that keeps its data where the command looks, and the command."""

    def __init__(self, krustlet: Command) -> None:
        self.rig = Rig(krustlet.directory)
        self.server = NodeServer(self.rig.pods, root=krustlet.data, logs=self.rig.logs)
        self._krustlet = krustlet

    async def logs(self, *arguments: str | Path) -> Result:
        """What it says of namespace `shop`."""
        return await asyncio.to_thread(self._krustlet, "logs", "-n", "shop", *arguments)


@pytest.fixture
def node(krustlet: Command) -> Node:
    return Node(krustlet)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ((), "one\ntwo\nthree\n"),
        (("--tail", "1"), "three\n"),
        (("--tail", "-1"), "one\ntwo\nthree\n"),
        (("--tail", "2", "--timestamps"), f"{STAMP} two\n{STAMP} three\n"),
        (("--limit-bytes", "5"), "one\nt"),
        (("--since", "1h30m"), ""),
        (("-c", "app"), "one\ntwo\nthree\n"),
    ],
)
async def test_what_was_printed(node: Node, options: tuple[str, ...], expected: str) -> None:
    node.rig.prints(node.rig.running().pod, "one", "two", "three")
    async with node.server:
        result = await node.logs("web", *options)
    assert (result.code, result.stdout, result.stderr) == (0, expected, "")


async def test_any_byte_is_shown_as_it_is(node: Node, krustlet: Command) -> None:
    pod = node.rig.running().pod
    node.rig.log(pod).write_bytes(f"{STAMP} stdout F ".encode() + b"\0\xff\r\n")
    async with node.server:
        shown = await asyncio.to_thread(
            subprocess.run,
            [*KRUSTLET, "logs", "-n", "shop", "web"],
            capture_output=True,
            check=True,
            env=krustlet.environment({}),
        )
    assert shown.stdout == b"\0\xff\r\n"


async def test_following_ends_with_the_container(node: Node, krustlet: Command) -> None:
    story = node.rig.running(policy="Never")
    node.rig.prints(story.pod, "one")
    async with node.server:
        with krustlet.start("logs", "-n", "shop", "web", "-f") as process:
            assert process.stdout is not None
            assert await asyncio.to_thread(process.stdout.readline) == "one\n"
            node.rig.prints(story.pod, "two")
            assert await asyncio.to_thread(process.stdout.readline) == "two\n"
            node.rig.prints(story.pod, "three")
            story.exited(code=0)
            node.rig.show(story)
            assert await asyncio.to_thread(process.stdout.read) == "three\n"
            assert await asyncio.to_thread(process.wait) == 0


async def test_ctrl_c_ends_following(node: Node, krustlet: Command) -> None:
    node.rig.prints(node.rig.running().pod, "one")
    async with node.server:
        with krustlet.start("logs", "-n", "shop", "web", "-f") as process:
            assert process.stdout is not None
            assert await asyncio.to_thread(process.stdout.readline) == "one\n"
            process.send_signal(signal.SIGINT)
            assert await asyncio.to_thread(process.wait) == 130


async def test_a_node_that_goes_away_is_told(node: Node, krustlet: Command) -> None:
    node.rig.prints(node.rig.running().pod, "one")
    async with contextlib.AsyncExitStack() as running:
        await running.enter_async_context(node.server)
        with krustlet.start("logs", "-n", "shop", "web", "-f") as process:
            assert process.stdout is not None
            assert process.stderr is not None
            assert await asyncio.to_thread(process.stdout.readline) == "one\n"
            await running.aclose()
            assert await asyncio.to_thread(process.wait) == 1
            assert "went away before its answer was complete" in process.stderr.read()


async def test_nobody_who_reads_is_no_error(node: Node, krustlet: Command) -> None:
    node.rig.prints(node.rig.running().pod, *["x" * 1000] * 1000)
    async with node.server:
        with krustlet.start("logs", "-n", "shop", "web") as process:
            assert process.stdout is not None
            assert process.stderr is not None
            await asyncio.to_thread(process.stdout.readline)
            process.stdout.close()
            assert await asyncio.to_thread(process.wait) == 141
            assert process.stderr.read() == ""


async def test_of_several_containers_one_is_chosen_and_that_is_said(node: Node) -> None:
    pod = node.rig.show(Story(a_pod(a_container("a"), a_container("b"))).runs("a", "b"))
    node.rig.prints(pod, "of a", container="a")
    node.rig.prints(pod, "of b", container="b")
    async with node.server:
        first = await node.logs("web")
        assert (first.stdout, first.stderr) == ("of a\n", "Defaulted container a out of: a, b\n")
        second = await node.logs("web", "-c", "b")
        assert (second.stdout, second.stderr) == ("of b\n", "")


async def test_the_run_before(node: Node) -> None:
    story = node.rig.running()
    story.exited(code=1)
    story.started()
    pod = node.rig.show(story)
    node.rig.prints(pod, "run 0", restart=0)
    node.rig.prints(pod, "run 1", restart=1)
    async with node.server:
        assert (await node.logs("web")).stdout == "run 1\n"
        assert (await node.logs("web", "-p")).stdout == "run 0\n"


# what goes wrong ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message", "hint"),
    [
        (("wbe",), "no pod wbe in namespace shop on this node", "did you mean `web`?"),
        (("zzz",), "no pod zzz in namespace shop", "`krustlet ps` lists what there is"),
        (("web", "-n", "other"), "no pod web in namespace other", "the one in -n shop?"),
        (("web", "-c", "ap"), "pod web has no container ap", "did you mean `app`?"),
        (("web", "-c", "zzz"), "pod web has no container zzz", "it has app"),
        (("web", "-p"), 'previous terminated container "app" in pod "web" not found', ""),
    ],
)
async def test_what_is_not_there(
    node: Node, arguments: tuple[str, ...], message: str, hint: str
) -> None:
    node.rig.running()
    async with node.server:
        result = await node.logs(*arguments)
    assert (result.code, result.stdout) == (1, "")
    assert f"error: {message}" in result.stderr
    assert hint in result.stderr


async def test_a_container_that_has_not_run(node: Node) -> None:
    node.rig.show(Story(a_pod()))
    async with node.server:
        result = await node.logs("web")
    assert result.code == 1
    assert 'container "app" in pod "web" is waiting to start: ContainerCreating' in result.stderr


@pytest.mark.parametrize(
    "arguments",
    [("--since", "5x"), ("--since", "m"), ("--tail", "x"), ("--limit-bytes", "0")],
)
def test_wrong_usage(krustlet: Command, arguments: tuple[str, str]) -> None:
    result = krustlet("logs", "web", *arguments)
    assert result.code == 2
    assert arguments[0] in result.stderr


def test_without_a_node_it_is_told(krustlet: Command) -> None:
    result = krustlet("logs", "web")
    assert result.code == 1
    assert "no node answers at" in result.stderr
