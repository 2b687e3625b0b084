"""Containers held to their limits by the kernel, and nothing of it left afterwards."""

import asyncio
import contextlib
import os
import secrets
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from krustlet.base import KrustletError
from krustlet.cgroups import Cgroups, Limits, detect
from krustlet.provider import ContainerEnded, ContainerRequest, ProcessRuntime, RuntimeEvent
from tests.support.processes import processes_of, supervisors_of
from tests.support.script_provider import ScriptProvider, a_request
from tests.support.supervised import settings
from tests.support.until import until, until_not

pytestmark = pytest.mark.root

SLEEPS = "import time; time.sleep(600)"
MIB = 1 << 20
GROWS = "held = [b'x' * (1 << 20) for _ in range(512)]"
SPINS = "while True: pass"


class Node:
    """A runtime with control groups of its own."""

    def __init__(self, directory: Path, name: str) -> None:
        self.directory = directory
        self.name = name
        self.cgroups: Cgroups = detect(name)
        self.runtime = ProcessRuntime(
            ScriptProvider(), settings(directory), directory, cgroups=self.cgroups
        )
        self.events: list[RuntimeEvent] = []

    async def open(self) -> "Node":
        await self.runtime.open(self.events.append)
        return self

    async def start(self, id_: str, runs: str, **changes: object) -> ContainerRequest:
        request = msgspec.structs.replace(a_request(self.directory, id_, runs), **changes)
        await self.runtime.start(request)
        return request

    async def has_joined(self, id_: str) -> None:
        def members() -> int:
            usage = self.runtime.usage(id_)
            return usage.pids if usage is not None else 0

        await asyncio.to_thread(until, members)

    async def end(self, id_: str) -> ContainerEnded:
        def ends() -> list[ContainerEnded]:
            return [e for e in self.events if isinstance(e, ContainerEnded) and e.id == id_]

        return (await asyncio.to_thread(until, ends))[0]

    async def has_no_groups(self) -> None:
        await asyncio.to_thread(
            until_not,
            lambda: [path for path in detect(self.name).below() if "pod" in path],
        )


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[Node]:
    name = f"krustlet-test/{secrets.token_hex(4)}"
    node = await Node(tmp_path, name).open()
    yield node
    await node.runtime.close(stop_all=True)
    until_not(lambda: processes_of(tmp_path))
    again = detect(name)
    assert again.below() == []
    again.close()


async def test_what_grows_beyond_its_memory_is_told_to_be_oom_killed(node: Node) -> None:
    await node.start("a", GROWS, limits=Limits(memory_bytes=64 * MIB))
    end = await node.end("a")
    assert (end.code, end.reason) == (137, "OOMKilled")
    await node.start("b", SLEEPS, limits=Limits(memory_bytes=64 * MIB))
    await node.has_joined("b")
    (pid,) = node.cgroups.group("besteffort/podb/app-0").pids()
    os.kill(pid, 9)
    end = await node.end("b")
    assert (end.code, end.reason) == (137, "Error")


async def test_a_pods_limit_holds_for_all_of_its_containers(node: Node) -> None:
    await node.start("a", GROWS, pod_limits=Limits(memory_bytes=64 * MIB))
    assert (await node.end("a")).code == 137


async def test_what_it_uses_is_told_while_it_runs(node: Node) -> None:
    before = node.runtime.usage("a")
    await node.start("a", SPINS)

    def spent() -> bool:
        usage = node.runtime.usage("a")
        return usage is not None and usage.cpu_ns > 50_000_000

    await asyncio.to_thread(until, spent)
    usage = node.runtime.usage("a")
    assert before is None
    assert usage is not None
    assert 0 < usage.working_set_bytes < 200 * MIB
    node.runtime.stop("a", grace_s=0)
    await node.end("a")
    node.runtime.forget("a")
    assert node.runtime.usage("a") is None


async def test_limits_change_while_it_runs(node: Node) -> None:
    request = await node.start(
        "a", SLEEPS, limits=Limits(cpu_quota_us=50_000), pod_limits=Limits(cpu_quota_us=50_000)
    )
    await node.has_joined("a")
    for quota in (80_000, 20_000):
        changed = msgspec.structs.replace(
            request, limits=Limits(cpu_quota_us=quota), pod_limits=Limits(cpu_quota_us=quota)
        )
        await node.runtime.update(changed)
    with pytest.raises(KrustletError):
        await node.runtime.update(
            msgspec.structs.replace(request, limits=Limits(memory_bytes=4096))
        )
    assert await asyncio.to_thread(_is_alive, node)


def _is_alive(node: Node) -> bool:
    return node.runtime.usage("a") is not None


async def test_processes_beside_it_are_in_its_group(node: Node) -> None:
    request = await node.start("a", SLEEPS)
    visit = msgspec.structs.replace(request, id="x", env={"SCRIPT": SLEEPS})
    session = await node.runtime.execute(visit, within="a", stdin=False, tty=False)

    def together() -> bool:
        usage = node.runtime.usage("a")
        return usage is not None and usage.pids == 2

    await asyncio.to_thread(until, together)
    session.close()
    node.runtime.stop("a", grace_s=0)
    await node.end("a")


@pytest.mark.parametrize(
    ("qos", "path"),
    [
        ("Guaranteed", "podq/app-0"),
        ("Burstable", "podq/app-0"),
        ("BestEffort", "besteffort/podq/app-0"),
    ],
)
async def test_a_group_lies_in_the_tier_of_its_pod(node: Node, qos: str, path: str) -> None:
    await node.start("a", SLEEPS, pod_uid="q", qos=qos)
    assert path in node.cgroups.below()
    node.runtime.stop("a", grace_s=0)
    await node.end("a")
    node.runtime.forget("a")
    await node.runtime.clean("q")
    await node.has_no_groups()


async def test_the_next_kubelet_knows_the_groups_and_sweeps_those_of_nobody(node: Node) -> None:
    await node.start("a", SLEEPS, qos="Burstable")
    await node.start("b", SLEEPS)
    node.cgroups.make("besteffort/podgone/app-0", Limits())
    await node.runtime.close(stop_all=False)

    again = await Node(node.directory, node.name).open()
    assert again.runtime.usage("a") is not None
    assert not [path for path in again.cgroups.below() if "gone" in path]
    for id_ in ("a", "b"):
        again.runtime.stop(id_, grace_s=0)
        await again.end(id_)
        again.runtime.forget(id_)
        await again.runtime.clean(id_)
    await again.has_no_groups()
    await again.runtime.close(stop_all=True)
    with contextlib.suppress(KrustletError):
        await node.open()


async def test_a_supervisor_that_dies_leaves_groups_that_go(node: Node) -> None:
    await node.start("a", SLEEPS)
    os.kill(supervisors_of(node.directory)[0], 9)
    assert (await node.end("a")).code == 137
    await node.runtime.clean("a")
    await node.has_no_groups()
