"""A node joins, however long that takes."""

import asyncio

import pytest
from msgspec.structs import replace

from krustlet.kube import ApiUnavailable, Forbidden
from krustlet.node import LabelsRefused
from krustlet.objects import NodeSpec
from tests.support.virtual_time import in_virtual_time
from tests.unit.node.conftest import Logged
from tests.unit.node.fakes import A_MACHINE, Rig, going

HOUR_S = 3600.0


def lines(logged: Logged, event: str) -> Logged:
    return [entry for entry in logged if entry["event"] == event]


@in_virtual_time
async def test_a_new_node_is_ready_in_one_request() -> None:
    rig = Rig()

    await rig.agent.register()

    assert [call.verb for call in rig.nodes.calls] == ["create"]
    assert rig.nodes.condition("Ready").status == "True"
    assert rig.agent.node == rig.nodes.node
    assert rig.agent.allocatable["cpu"] == "2"
    assert "Rebooted" not in rig.events.reasons()


@in_virtual_time
async def test_it_tries_for_ever_and_complains_once(logged: Logged) -> None:
    rig = Rig()
    rig.nodes.trouble = ApiUnavailable("connection refused")

    async with going(rig.agent.register()):
        await asyncio.sleep(HOUR_S)
        tries = rig.nodes.times("create")
        rig.nodes.trouble = None
        await asyncio.sleep(7)
        assert rig.nodes.node is not None
        await asyncio.sleep(HOUR_S)

    assert tries[:9] == [0, 0.1, 0.3, 0.7, 1.5, 3.1, 6.3, 12.7, 19.7]
    assert [entry["log_level"] for entry in lines(logged, "node.not_registered")] == ["warning"]
    assert lines(logged, "node.registered")


@in_virtual_time
async def test_what_is_registered_in_the_end_is_true_by_then() -> None:
    rig = Rig()
    rig.nodes.trouble = ApiUnavailable("connection refused")
    rig.trouble = "no supervisor"
    async with going(rig.agent.register()):
        await asyncio.sleep(HOUR_S)
        rig.nodes.trouble = None
        rig.trouble = ""
        await asyncio.sleep(7)

    ready = rig.nodes.condition("Ready")
    assert ready.status == "True"
    assert (ready.last_heartbeat_time or "") >= "2026-01-01T01:00:00Z"


@in_virtual_time
async def test_another_reason_is_told_too(logged: Logged) -> None:
    rig = Rig()
    rig.nodes.trouble = ApiUnavailable("connection refused")
    async with going(rig.agent.register()):
        await asyncio.sleep(60)
        rig.nodes.trouble = ApiUnavailable("etcd is away")
        await asyncio.sleep(60)

    reasons = [entry["reason"] for entry in lines(logged, "node.not_registered")]
    assert reasons == ["connection refused", "etcd is away"]


@in_virtual_time
async def test_the_wrong_user_is_told_which_one_is_right(logged: Logged) -> None:
    rig = Rig()
    rig.nodes.trouble = Forbidden("nodes is forbidden", status=403)
    async with going(rig.agent.register()):
        await asyncio.sleep(60)

    (entry,) = lines(logged, "node.not_registered")
    assert entry["log_level"] == "error"
    assert entry["reason"] == "nodes is forbidden"
    assert "system:node:wasm-1" in entry["hint"]
    assert "system:nodes" in entry["hint"]


@in_virtual_time
async def test_a_server_that_does_not_answer_is_asked_again(logged: Logged) -> None:
    rig = Rig()
    rig.nodes.hangs = True
    async with going(rig.agent.register()):
        await asyncio.sleep(45)

    assert rig.nodes.times("create") == [0, 20.1, 40.3]
    assert len(lines(logged, "node.not_registered")) == 1


@in_virtual_time
async def test_labels_that_are_not_for_a_node_to_give_end_it_at_once() -> None:
    rig = Rig(labels={"node-role.kubernetes.io/worker": ""})

    with pytest.raises(LabelsRefused):
        await rig.agent.register()

    assert rig.nodes.calls == []


@in_virtual_time
async def test_a_usual_label_that_was_given_another_value_has_it_and_that_is_told(
    logged: Logged,
) -> None:
    rig = Rig(labels={"kubernetes.io/arch": "amd64", "rack": "r1"})

    await rig.agent.register()

    assert rig.nodes.node is not None
    assert rig.nodes.node.metadata.labels["kubernetes.io/arch"] == "amd64"
    (entry,) = lines(logged, "node.label_overridden")
    assert (entry["label"], entry["given"], entry["usual"]) == (
        "kubernetes.io/arch",
        "amd64",
        "wasm32-wasi",
    )


# a node that was there before ---------------------------------------------------------------------


@in_virtual_time
async def test_a_restart_asks_for_nothing_that_is_there_already() -> None:
    rig = Rig()
    await rig.agent.register()
    rig.nodes.calls.clear()

    await rig.new_agent().register()

    assert [call.verb for call in rig.nodes.calls] == ["create", "get"]


@in_virtual_time
async def test_a_restart_keeps_the_times_of_conditions() -> None:
    rig = Rig()
    await rig.agent.register()
    before = rig.nodes.condition("Ready")
    await asyncio.sleep(100)
    rig.agent = rig.new_agent()

    async with rig.running():
        await asyncio.sleep(1)

    after = rig.nodes.condition("Ready")
    assert after.last_transition_time == before.last_transition_time
    assert after.last_heartbeat_time == "2026-01-01T00:01:40Z"


@in_virtual_time
async def test_labels_come_back_after_a_restart() -> None:
    rig = Rig()
    await rig.agent.register()
    rig.nodes.change(lambda node: replace(node, metadata=replace(node.metadata, labels={})))

    await rig.new_agent().register()

    assert rig.nodes.node is not None
    assert rig.nodes.node.metadata.labels["kubernetes.io/arch"] == "wasm32-wasi"
    assert rig.nodes.node.metadata.labels["type"] == "krustlet"


@in_virtual_time
async def test_labels_that_were_given_since_come_and_those_that_are_wanted_no_more_stay() -> None:
    rig = Rig(labels={"rack": "r1", "disk": "slow"})
    await rig.agent.register()
    rig.settings = replace(rig.settings, labels={"rack": "r2", "zone": "z1"})

    await rig.new_agent().register()

    assert rig.nodes.node is not None
    labels = rig.nodes.node.metadata.labels
    assert (labels["rack"], labels["zone"], labels["disk"]) == ("r2", "z1", "slow")


@in_virtual_time
async def test_taints_that_are_missing_are_for_an_administrator(logged: Logged) -> None:
    rig = Rig()
    await rig.agent.register()
    rig.nodes.change(lambda node: replace(node, spec=NodeSpec()))

    await rig.new_agent().register()

    (entry,) = lines(logged, "node.taints_missing")
    assert entry["hint"].endswith(
        "kubectl taint node wasm-1 kubernetes.io/arch=wasm32-wasi:NoSchedule"
        " kubernetes.io/arch=wasm32-wasi:NoExecute"
    )
    assert rig.nodes.node is not None
    assert rig.nodes.node.spec.taints == ()


@in_virtual_time
async def test_who_may_not_create_nodes_is_content_with_one_that_is_there() -> None:
    rig = Rig()
    await rig.agent.register()
    forbidden = Forbidden("nodes is forbidden", status=403)

    async def refuse(_: object) -> None:
        raise forbidden

    rig.nodes.create = refuse  # type: ignore[method-assign, assignment]  # one verb of a fake
    agent = rig.new_agent()
    await agent.register()

    assert agent.node == rig.nodes.node


@in_virtual_time
async def test_a_reboot_is_told_once() -> None:
    rig = Rig()
    await rig.agent.register()
    rig.events.told.clear()
    rig.host.now_has = replace(A_MACHINE, boot_id="boot-2")
    rig.agent = rig.new_agent()

    async with rig.running():
        await asyncio.sleep(HOUR_S)

    rebooted = ("Warning", "Rebooted", "Node wasm-1 has been rebooted, boot id: boot-2")
    assert rig.events.told == [("Normal", "Starting", "Starting kubelet."), rebooted]
