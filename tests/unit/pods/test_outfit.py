"""What containers are started with besides a program: a user, limits, a name, files."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from krustlet.cgroups import Limits
from krustlet.objects import (
    Pod,
    PodSecurityContext,
    Quantity,
    ResourceRequirements,
    SecurityContext,
)
from krustlet.pods import UserRange, UserRules
from krustlet.pods.ports import Power
from krustlet.provider import ContainerRequest, Identity
from krustlet.volumes import Owner
from tests.support.fake_node import FakeNode
from tests.support.pods import a_container, a_pod
from tests.support.virtual_time import in_virtual_time

FIRST = UserRange().base


@pytest.fixture
def node(tmp_path: Path) -> FakeNode:
    node = FakeNode(tmp_path)
    node.powers = {power.value: True for power in Power}
    return node


async def the_request(node: FakeNode, pod: Pod) -> ContainerRequest:
    async with node.kubelet() as pods:
        pods.add(pod, directory=node.root)
        await node.sink.until_phase("Running", pod.name)
    return node.runtime.requests[-1]


async def the_refusal(node: FakeNode, pod: Pod) -> str:
    """Why its container waits."""
    async with node.kubelet() as pods:
        pods.add(pod, directory=node.root)
        await asyncio.sleep(1)
    waiting = node.sink.container().state.waiting
    assert waiting is not None
    assert node.runtime.requests == []
    return f"{waiting.reason}: {waiting.message}"


def annotated(pod: Pod, **annotations: str) -> Pod:
    named = {f"krustlet.dev/{name.replace('_', '-')}": text for name, text in annotations.items()}
    return replace(pod, metadata=replace(pod.metadata, annotations=named))


# users ------------------------------------------------------------------------------------------


@in_virtual_time
async def test_a_pod_is_a_user_of_its_own_and_so_are_its_volumes(node: FakeNode) -> None:
    request = await the_request(node, a_pod())
    assert request.identity == Identity(FIRST, FIRST)
    assert node.volumes.owners == {"uid-of-web": Owner(FIRST, FIRST)}
    (run,) = node.volumes.runs
    assert run.owner == Owner(FIRST, FIRST)


@in_virtual_time
async def test_a_file_group_is_that_of_the_volumes_alone(node: FakeNode) -> None:
    request = await the_request(node, a_pod(security_context=PodSecurityContext(fs_group=3000)))
    assert request.identity == Identity(FIRST, FIRST, (3000,))
    assert node.volumes.owners == {"uid-of-web": Owner(FIRST, FIRST, 3000)}
    (run,) = node.volumes.runs
    assert run.owner == Owner(FIRST, FIRST)


@in_virtual_time
async def test_two_pods_are_two_users_until_one_is_gone(node: FakeNode) -> None:
    async with node.kubelet() as pods:
        for name in ("one", "two"):
            pods.add(a_pod(name=name), directory=node.root)
            await node.sink.until_phase("Running", name)
        pods.delete("uid-of-one", grace_s=1)
        await node.sink.until_gone("one")
        pods.add(a_pod(name="three"), directory=node.root)
        await node.sink.until_phase("Running", "three")
    whom = [request.identity and request.identity.uid for request in node.runtime.requests]
    assert whom == [FIRST, FIRST + 1, FIRST]


@in_virtual_time
async def test_a_pod_stays_who_it_is_under_the_next_kubelet(node: FakeNode) -> None:
    await the_request(node, a_pod(name="one", policy="Always"))
    pod = a_pod(name="two")
    node.runtime.runs["app"].append((5, 1))
    async with node.kubelet() as pods:
        pods.add(pod, directory=node.root)
        await node.sink.until_phase("Running", "two")
    async with node.kubelet() as pods:
        pods.add(pod, directory=node.root)
        await node.sink.until(lambda: node.sink.container(name="two").restart_count == 1)
    whom = [request.identity and request.identity.uid for request in node.runtime.requests]
    assert whom == [FIRST, FIRST + 1, FIRST + 1]


@in_virtual_time
async def test_a_pod_for_which_no_user_is_left_waits_until_there_is_one(node: FakeNode) -> None:
    node.powers["user_rules"] = UserRules(numbers=UserRange(base=5000, size=1))
    async with node.kubelet() as pods:
        pods.add(a_pod(name="one"), directory=node.root)
        await node.sink.until_phase("Running", "one")
        pods.add(a_pod(name="two"), directory=node.root)
        await asyncio.sleep(10)
        (told, *_) = node.sink.told("two", kind="Warning")
        assert told.startswith("FailedMount: no user is left for the pod")
        pods.delete("uid-of-one", grace_s=1)
        await node.sink.until_phase("Running", "two")


@in_virtual_time
async def test_without_root_everybody_is_whom_the_node_is(node: FakeNode) -> None:
    node.powers = {}
    request = await the_request(node, a_pod())
    assert request.identity is None
    assert node.volumes.owners == {"uid-of-web": None}
    assert not list(node.root.glob("pods/*/user"))


@pytest.mark.parametrize("powers", [{}, {"runs_as_root": True}], ids=["without-root", "as-root"])
@in_virtual_time
async def test_a_pod_that_would_break_its_word_is_not_started(
    node: FakeNode, powers: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.getuid", lambda: 1000)
    node.powers = powers
    context = PodSecurityContext(run_as_non_root=True, run_as_user=0)
    assert await the_refusal(node, a_pod(security_context=context)) == (
        "CreateContainerConfigError: container's runAsUser breaks non-root policy "
        '(pod: "web_shop(uid-of-web)", container: app)'
    )


@in_virtual_time
async def test_root_is_for_nodes_that_allow_it(node: FakeNode) -> None:
    pod = a_pod(security_context=PodSecurityContext(run_as_user=0))
    told = await the_refusal(node, pod)
    assert told.startswith("CreateContainerConfigError: runAsUser: 0 is root")
    node.powers["user_rules"] = UserRules(root=True)
    request = await the_request(node, pod)
    assert request.identity == Identity(0, FIRST)
    assert node.volumes.owners == {"uid-of-web": Owner(0, FIRST)}


# limits -----------------------------------------------------------------------------------------


@in_virtual_time
async def test_limits_of_the_container_and_of_the_pod(node: FakeNode) -> None:
    node.powers["pod_pids_limit"] = 64
    limits = {"cpu": Quantity("500m"), "memory": Quantity("64Mi")}
    resources = ResourceRequirements(limits=limits)
    request = await the_request(node, a_pod(a_container(resources=resources)))
    own = Limits(cpu_shares=512, cpu_quota_us=50_000, memory_bytes=64 << 20)
    assert request.limits == own
    assert request.pod_limits == replace(own, pids=64)
    assert request.qos == "Guaranteed"


@in_virtual_time
async def test_who_asks_for_nothing_gets_what_is_left(node: FakeNode) -> None:
    request = await the_request(node, a_pod())
    assert request.limits == request.pod_limits == Limits(cpu_shares=2)
    assert request.qos == "BestEffort"


# the rest ---------------------------------------------------------------------------------------


@in_virtual_time
async def test_a_plain_container(node: FakeNode) -> None:
    request = await the_request(node, a_pod())
    assert request.root == "/roots/app/0"
    assert request.hostname == "web"
    assert request.terminating == ""
    assert request.network
    assert not any((request.read_only_root, request.stdin, request.stdin_once, request.tty))


@in_virtual_time
async def test_a_container_of_many_wishes(node: FakeNode) -> None:
    app = a_container(
        stdin=True,
        stdin_once=True,
        tty=True,
        security_context=SecurityContext(read_only_root_filesystem=True),
    )
    pod = annotated(a_pod(app, hostname="db"), network="none", on_terminate="wait")
    request = await the_request(node, pod)
    assert request.stdin
    assert request.stdin_once
    assert request.tty
    assert request.read_only_root
    assert request.hostname == "db"
    assert not request.network
    assert request.terminating == "/words/app/0"


@in_virtual_time
async def test_without_mounts_of_its_own_it_has_no_root(node: FakeNode) -> None:
    node.powers["mounts_files"] = False
    request = await the_request(node, annotated(a_pod(), on_terminate="wait"))
    assert request.root == ""
    assert request.terminating == "/words/app/0"


@in_virtual_time
async def test_a_pod_of_the_nodes_network_has_its_name(node: FakeNode) -> None:
    request = await the_request(node, a_pod(host_network=True))
    assert request.hostname == ""


@in_virtual_time
async def test_a_wish_that_nobody_understands_is_told_of(node: FakeNode) -> None:
    told = await the_refusal(node, annotated(a_pod(), network="bridge"))
    assert told == (
        "CreateContainerConfigError: "
        "annotation krustlet.dev/network: 'bridge' is none of host, none"
    )
