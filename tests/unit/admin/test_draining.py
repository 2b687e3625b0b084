"""A node is taken out of its cluster, and every pod is treated as it should be."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from krustlet.admin import Drain, Drainer, NotDrained, PodsInTheWay, RightsMissing
from krustlet.kube import Conflict, Forbidden, TooManyRequests
from krustlet.objects import (
    LEASES,
    NODES,
    PODS,
    Lease,
    ObjectMeta,
    OwnerReference,
    Pod,
    PodSpec,
    PodStatus,
)
from tests.support.virtual_time import in_virtual_time
from tests.unit.admin import requests as made
from tests.unit.admin.fakes import Listener, MemoryApi
from tests.unit.admin.requests import NODE

HOW = Drain(within_s=60.0)


def a_pod(
    name: str, *, owner: str = "ReplicaSet", phase: str = "Running", mirror: bool = False
) -> Pod:
    owners = (OwnerReference(kind=owner, name="o", controller=True),) if owner else ()
    return Pod(
        metadata=ObjectMeta(
            name=name,
            namespace="default",
            uid=f"uid-of-{name}",
            owner_references=owners,
            annotations={"kubernetes.io/config.mirror": "x"} if mirror else {},
        ),
        spec=PodSpec(node_name=NODE),
        status=PodStatus(phase=phase),
    )


class Case:
    """A node with pods."""

    def __init__(self, *pods: Pod) -> None:
        self.api = MemoryApi()
        self.voice = Listener()
        self.drainer = Drainer(self.api, self.voice, node=NODE)
        self.api.put(NODES, made.node())
        for pod in pods:
            self.api.put(PODS, pod)

    async def drain(self, *, attended: bool = True, **how: Any) -> None:
        await self.drainer.drain(Drain(**{"within_s": 60.0, **how}), attended=attended)

    def left(self) -> Sequence[str]:
        return sorted(name for (plural, _, name) in self.api.objects if plural == PODS.plural)


@in_virtual_time
async def test_each_pod_goes_its_own_way() -> None:
    case = Case(
        a_pod("web"),
        a_pod("once", owner="", phase="Succeeded"),
        a_pod("agent", owner="DaemonSet"),
        a_pod("static", owner="Node", mirror=True),
    )
    await case.drain()
    assert case.left() == ["agent", "static"]
    assert "eviction pods web" in case.api.calls
    assert "delete pods once" in case.api.calls
    assert case.api.objects["nodes", "", NODE].spec.unschedulable


@in_virtual_time
async def test_pods_of_other_nodes_are_left_alone() -> None:
    case = Case(a_pod("web"))
    other = a_pod("other")
    case.api.put(PODS, Pod(metadata=other.metadata, spec=PodSpec(node_name="other")))
    await case.drain()
    assert case.left() == ["other"]


@in_virtual_time
async def test_what_nothing_makes_anew_needs_force_and_nothing_is_done_before() -> None:
    case = Case(a_pod("web"), a_pod("lone", owner=""))
    with pytest.raises(PodsInTheWay, match="default/lone"):
        await case.drain()
    assert case.left() == ["lone", "web"]
    assert not case.api.objects["nodes", "", NODE].spec.unschedulable
    await case.drain(force=True)
    assert case.left() == []


@in_virtual_time
async def test_a_disruption_budget_is_waited_for_and_told_once() -> None:
    case = Case(a_pod("web"))
    refusals = [TooManyRequests("it would violate the pod's disruption budget.", status=429)] * 3
    case.api.faults["eviction pods web"] = list(refusals)
    await case.drain()
    assert case.left() == []
    assert len([text for text in case.voice.said if "disruption budget" in text]) == 1
    assert asyncio.get_running_loop().time() == pytest.approx(15.0)


@in_virtual_time
async def test_a_budget_that_never_allows_it_is_told_in_the_end() -> None:
    case = Case(a_pod("web"))
    case.api.faults["eviction pods web"] = [TooManyRequests("budget", status=429)] * 100
    with pytest.raises(NotDrained, match=r"not gone within 60 s: default/web"):
        await case.drain()
    assert case.api.objects["nodes", "", NODE].spec.unschedulable


@in_virtual_time
async def test_pods_have_time_to_end() -> None:
    case = Case(a_pod("web"))
    slow = case.api.create_sub
    gone: list[str] = []

    async def evict_slowly(resource: Any, name: str, *others: Any, **more: Any) -> Any:
        async def later() -> None:
            await asyncio.sleep(20)
            gone.append(name)
            await slow(resource, name, *others, **more)

        tasks.append(asyncio.create_task(later()))
        return {}

    tasks: list[asyncio.Task[None]] = []
    case.api.create_sub = evict_slowly  # type: ignore[method-assign]  # as a kubelet does it
    await case.drain()
    assert gone == ["web"]


@in_virtual_time
async def test_where_no_kubelet_ends_them_nobody_waits() -> None:
    case = Case(a_pod("web"))

    async def evict(*_: Any, **__: Any) -> Any:
        return {}

    case.api.create_sub = evict  # type: ignore[method-assign]  # it stays, marked as deleted
    await case.drain(attended=False)
    assert asyncio.get_running_loop().time() == 0
    assert "once the Node is gone" in case.voice.said[-1]


@in_virtual_time
async def test_a_pod_that_another_one_took_the_place_of_is_gone() -> None:
    case = Case(a_pod("web"))
    case.api.faults["eviction pods web"] = [Conflict("uid", status=409)]

    def swap(call: str) -> None:
        if call == "eviction pods web":
            case.api.on_call = lambda _: None
            case.api.put(PODS, a_pod("web"), gone=True)
            elsewhere = Pod(
                metadata=ObjectMeta(name="web", namespace="default", uid="another"),
                spec=PodSpec(node_name="other"),
            )
            case.api.put(PODS, elsewhere)

    case.api.on_call = swap
    await case.drain()
    assert case.left() == ["web"]


@in_virtual_time
async def test_a_grace_period_is_for_all_pods() -> None:
    case = Case(a_pod("web"))
    seen: list[Any] = []
    evict = case.api.create_sub

    async def note(resource: Any, name: str, sub: str, obj: Any, answer: Any, **more: Any) -> Any:
        seen.append(obj)
        return await evict(resource, name, sub, obj, answer, **more)

    case.api.create_sub = note  # type: ignore[method-assign,assignment]  # to see what is sent
    await case.drain(grace_s=7)
    assert seen == [
        {
            "apiVersion": "policy/v1",
            "kind": "Eviction",
            "metadata": {"name": "web", "namespace": "default"},
            "deleteOptions": {
                "preconditions": {"uid": "uid-of-web"},
                "gracePeriodSeconds": 7,
            },
        }
    ]


@in_virtual_time
async def test_what_is_cordoned_is_not_said_to_be_cordoned_again() -> None:
    case = Case()
    await case.drain()
    again = Drainer(case.api, case.voice, node=NODE)
    states = [again.leaves_cordoned]
    await again.drain(HOW, attended=True)
    assert case.voice.said == [f"node {NODE} cordoned"]
    states.append(again.leaves_cordoned)
    node = await again.find()
    assert node is not None
    await again.delete(node)
    assert [*states, again.leaves_cordoned] == [False, True, False]  # whoever cordoned it


@in_virtual_time
async def test_the_node_goes_with_its_lease() -> None:
    case = Case()
    case.api.put(LEASES, Lease(metadata=ObjectMeta(name=NODE, namespace="kube-node-lease")))
    node = await case.drainer.find()
    assert node is not None
    await case.drainer.delete(node)
    assert case.api.objects == {}
    await case.drainer.delete(node)  # and may be gone already
    assert await case.drainer.find() is None


@pytest.mark.parametrize(
    "call", ["list pods", "patch nodes wasm-1", "eviction pods web", "delete pods once"]
)
def test_who_may_not_do_this_hears_of_it(call: str) -> None:
    @in_virtual_time
    async def run() -> None:
        case = Case(a_pod("web"), a_pod("once", phase="Failed"))
        case.api.faults[call] = [Forbidden("no", status=403)]
        with pytest.raises(RightsMissing, match="may not"):
            await case.drain()

    run()
