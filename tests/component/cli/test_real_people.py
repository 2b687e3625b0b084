"""People in real containers: `exec`, `attach`, `stop` and `rm` from the shell to the guest."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest

from krustlet.kubelet import Kubelet, run_kubelet
from krustlet.objects import Container, ObjectMeta, Pod, PodSpec, PodStatus, with_defaults
from krustlet.pods import PodEvent
from krustlet.provider import Session
from krustlet.server import NodeServer
from krustlet.settings import Settings
from tests.component.cli.conftest import Modules
from tests.component.cli.people import Person
from tests.support.command import KRUSTLET, Command, Result
from tests.support.terminal import at_a_terminal


class _Nobody:
    """A `pods.Sink`: what is told is asked for."""

    def publish(self, pod: Pod, status: PodStatus) -> None:
        pass

    def emit(self, pod: Pod, event: PodEvent) -> None:
        pass

    async def until_told(self, pod: Pod) -> None:
        pass

    def gone(self, pod: Pod) -> None:
        pass


class _Control:
    """A `PodsControl` of a node without a cluster."""

    def __init__(self, kubelet: Kubelet) -> None:
        self._pods = kubelet.pods

    async def execute(
        self, pod: Pod, container: str, command: Sequence[str], *, stdin: bool, tty: bool
    ) -> Session:
        return await self._pods.visits.execute(pod, container, command, stdin=stdin, tty=tty)

    async def attach(self, pod: Pod, container: str, *, stdin: bool) -> Session:
        return await self._pods.visits.attach(pod, container, stdin=stdin)

    def stop(self, uid: str, container: str | None, *, grace_s: float) -> None:
        self._pods.visits.stop(uid, container, grace_s=grace_s)

    async def remove(self, pod: Pod, *, grace_s: float) -> None:
        self._pods.delete(pod.uid, grace_s=grace_s)


class Node:
    """A node without a cluster, and the command line."""

    def __init__(self, kubelet: Kubelet, krustlet: Command) -> None:
        self._kubelet = kubelet
        self.krustlet = krustlet

    async def runs(self, module: str, *args: str, **fields: Any) -> None:
        """Have a pod `web` of one container `app` run."""
        container = Container(name="app", image=f"file:{module}", args=args, **fields)
        metadata = ObjectMeta(name="web", namespace="shop", uid=str(uuid.uuid4()))
        spec = PodSpec(containers=(container,), restart_policy="Never")
        pod = with_defaults(Pod(metadata=metadata, spec=spec))
        self._kubelet.pods.add(pod, directory=self.krustlet.directory)
        async with asyncio.timeout(60):
            while not self._is_running():
                await self._kubelet.pods.changed(pod.uid)

    def _is_running(self) -> bool:
        pod = self._kubelet.pods.find(namespace="shop", name="web")
        return pod is not None and any(
            status.state.running is not None for status in pod.status.container_statuses
        )

    async def __call__(self, command: str, *arguments: str, stdin: str = "") -> Result:
        return await asyncio.to_thread(
            self.krustlet, command, "-n", "shop", *arguments, stdin=stdin
        )

    @asynccontextmanager
    async def at_a_terminal(self, command: str, *arguments: str) -> AsyncIterator[Person]:
        environment = self.krustlet.environment({"TERM": "xterm", "NO_COLOR": "1"})
        with at_a_terminal(
            [*KRUSTLET, command, "-n", "shop", *arguments],
            cwd=self.krustlet.directory,
            env=environment,
        ) as terminal:
            yield Person(terminal)


@pytest.fixture
async def node(krustlet: Command, module: Modules) -> AsyncIterator[Node]:
    data = krustlet.data
    settings = Settings(
        root=data, cache=data / "cache", logs=data / "logs", images=None, ephemeral=True
    )
    async with run_kubelet(settings, _Nobody()) as kubelet:
        server = NodeServer(kubelet.pods, control=_Control(kubelet), root=data, logs=settings.logs)
        async with server:
            yield Node(kubelet, krustlet)
        for pod in kubelet.pods.all():
            kubelet.pods.delete(pod.uid, grace_s=0)
        async with asyncio.timeout(60):
            for pod in kubelet.pods.all():
                while kubelet.pods.state_of(pod.uid) is not None:
                    await kubelet.pods.changed(pod.uid)


async def test_exec_runs_one_more_instance_and_ends_as_it_ends(node: Node, module: Modules) -> None:
    await node.runs(module("stdin"), stdin=True)
    result = await node("exec", "-i", "web", "--", "stdin.wasm", stdin="through\nand through")
    assert (result.code, result.stdout, result.stderr) == (0, "through\nand through", "")


async def test_exec_at_a_terminal(node: Node, module: Modules) -> None:
    await node.runs(module("tty"), stdin=True)
    async with node.at_a_terminal("exec", "-it", "web", "--", "tty.wasm") as person:
        await person.sees(b"111\r\n")
        person.types(b"hello\r")
        await person.sees(b"got hello\r\n")
        assert await person.ends() == 0


async def test_attach_reads_and_types(node: Node, module: Modules) -> None:
    await node.runs(module("stdin"), stdin=True, stdin_once=True)
    result = await node("attach", "web", stdin="echoed\n")
    assert (result.code, result.stdout) == (0, "echoed\n")


async def test_attach_at_a_terminal_can_be_left_and_taken_up_again(
    node: Node, module: Modules
) -> None:
    await node.runs(module("stdin"), stdin=True, tty=True)
    for word in (b"one", b"two"):
        async with node.at_a_terminal("attach", "web") as person:
            await person.sees(b"attached to web/app")
            person.types(word + b"\r")
            await person.sees(
                word + b"\r\n" + word + b"\r\n"
            )  # the terminal's echo, and the guest's
            person.types(b"\x10\x11")
            assert await person.ends() == 0
    async with node.at_a_terminal("attach", "web") as person:
        await person.sees(b"attached to web/app")
        person.types(b"\x04")
        assert await person.ends() == 0


async def test_stop_ends_it_and_rm_leaves_nothing(node: Node, module: Modules) -> None:
    await node.runs(module("stdin"), stdin=True)
    stopped = await node("stop", "web", "-o", "json")
    assert stopped.code == 0
    [pod] = msgspec.json.decode(stopped.stdout)["items"]
    [status] = pod["status"]["containerStatuses"]
    assert status["state"]["terminated"]["exitCode"] == 143
    assert (await node("rm", "web")).stdout == "pod web removed\n"
    assert (await node("ps")).stderr == "no pods in namespace shop\n"


async def test_what_has_ended_lets_nobody_in(node: Node, module: Modules) -> None:
    await node.runs(module("stdin"), stdin=True)
    await node("stop", "web")
    result = await node("exec", "web", "--", "stdin.wasm")
    assert result.code == 1
    assert 'container "app" in pod "web" is not running: Error' in result.stderr


async def test_what_is_executed_ends_with_the_container(node: Node, module: Modules) -> None:
    await node.runs(module("stdin"), stdin=True)
    async with node.at_a_terminal("exec", "-it", "web", "--", "stdin.wasm") as person:
        person.types(b"here\r")
        await person.sees(b"here\r\nhere\r\n")
        await node("stop", "web", "-t", "0")
        assert await person.ends() == 137
