"""When the status is reported: soon after a change, seldom otherwise, and never lost."""

import asyncio
from functools import partial

import pytest
from msgspec.structs import replace

from krustlet.kube import ApiUnavailable, TooManyRequests
from krustlet.node import NodeTakenOver, thresholds
from krustlet.objects import ContainerImage, Node, Quantity
from tests.support.virtual_time import in_virtual_time
from tests.unit.node.conftest import Logged
from tests.unit.node.fakes import AT_EASE, Rig, going

HOUR_S = 3600.0
TURN_S = 10.0
UNAVAILABLE = ApiUnavailable("connection refused")


@in_virtual_time
async def test_with_nothing_new_it_reports_every_five_minutes() -> None:
    rig = Rig()
    async with rig.running():
        await asyncio.sleep(HOUR_S + 1)

    turns = list(range(300, 3601, 300))
    assert rig.nodes.times("patch_status") == pytest.approx(turns, abs=2 * TURN_S)
    assert rig.nodes.times("get") == []


@pytest.mark.parametrize(("luck", "first"), [(0.0, 150), (1.0, 450)])
def test_after_a_change_the_next_report_is_up_to_a_half_early_or_late(
    luck: float, first: int
) -> None:
    @in_virtual_time
    async def run() -> None:
        rig = Rig()
        rig.luck = luck
        async with rig.running():
            await asyncio.sleep(HOUR_S / 2)
        at = rig.nodes.times("patch_status")[:3]
        assert at == pytest.approx([first, first + 300, first + 600], abs=2 * TURN_S)

    run()


@in_virtual_time
async def test_a_change_is_reported_within_ten_seconds() -> None:
    rig = Rig()
    async with rig.running():
        await asyncio.sleep(95)
        rig.trouble = "the supervisor does not answer"
        await asyncio.sleep(10)
        told = rig.nodes.condition("Ready")

    assert rig.nodes.times("patch_status") == [100]
    assert (told.status, told.reason) == ("False", "KubeletNotReady")
    assert told.message == "the supervisor does not answer"
    assert told.last_transition_time == "2026-01-01T00:01:40Z"
    assert rig.events.reasons()[-1] == "NodeNotReady"


@in_virtual_time
async def test_a_change_that_it_is_told_of_is_reported_at_once() -> None:
    rig = Rig()
    rig.trouble = "starting"
    async with rig.running():
        await asyncio.sleep(0.3)
        rig.trouble = ""
        rig.agent.status_changed()
        await asyncio.sleep(0.1)
        rig.images.append(ContainerImage(names=("hello",), size_bytes=1))
        rig.agent.status_changed()
        await asyncio.sleep(0.1)

    assert rig.nodes.times("patch_status") == [0.3, 0.4]
    assert rig.nodes.condition("Ready").status == "True"
    assert rig.events.reasons()[-1] == "NodeReady"


@in_virtual_time
async def test_being_told_without_any_change_reports_nothing() -> None:
    rig = Rig()
    async with rig.running():
        for _ in range(60):
            rig.agent.status_changed()
            await asyncio.sleep(1)

    assert rig.nodes.times("patch_status") == []


@in_virtual_time
async def test_a_pressure_is_reported_and_held_for_five_minutes() -> None:
    rig = Rig()
    async with rig.running():
        await asyncio.sleep(15)
        rig.host.left = replace(AT_EASE, memory_free_bytes=0)
        await asyncio.sleep(10)
        rig.host.left = AT_EASE
        during = rig.nodes.condition("MemoryPressure").status
        await asyncio.sleep(290)
        still = rig.nodes.condition("MemoryPressure").status
        await asyncio.sleep(20)
        after = rig.nodes.condition("MemoryPressure").status

    assert (during, still, after) == ("True", "True", "False")
    assert rig.events.reasons()[-2:] == ["NodeHasInsufficientMemory", "NodeHasSufficientMemory"]


@in_virtual_time
async def test_a_machine_that_cannot_be_read_makes_the_node_unready() -> None:
    rig = Rig()
    async with rig.running():
        rig.host.is_readable = False
        await asyncio.sleep(11)
        during = rig.nodes.condition("Ready")
        rig.host.is_readable = True
        await asyncio.sleep(11)
        after = rig.nodes.condition("Ready")

    assert (during.status, after.status) == ("False", "True")
    assert "/data: gone" in during.message


@in_virtual_time
async def test_after_a_restart_the_first_report_is_at_once() -> None:
    rig = Rig()
    await rig.agent.register()
    rig.agent = rig.new_agent()
    async with rig.running():
        await asyncio.sleep(100)

    assert rig.nodes.times("patch_status") == [0]


# addresses ----------------------------------------------------------------------------------------


@in_virtual_time
async def test_other_addresses_are_reported_with_the_next_look_and_told_once() -> None:
    rig = Rig()
    async with rig.running():
        await asyncio.sleep(15)
        assert rig.heard == []
        rig.ips = ("192.0.2.8", "2001:db8::8")
        await asyncio.sleep(HOUR_S)

    assert rig.nodes.times("patch_status")[0] == 20
    assert rig.nodes.node is not None
    assert [one.address for one in rig.nodes.node.status.addresses] == [
        "192.0.2.8",
        "2001:db8::8",
        "wasm-1.example",
    ]
    assert rig.heard == [("192.0.2.8", "2001:db8::8")]


@in_virtual_time
async def test_addresses_that_changed_before_it_registered_are_told_too() -> None:
    rig = Rig()
    rig.ips = ("192.0.2.8",)
    await rig.agent.register()
    assert rig.heard == [("192.0.2.8",)]


@in_virtual_time
async def test_other_addresses_are_told_though_the_api_server_is_away() -> None:
    rig = Rig()
    async with rig.running():
        rig.nodes.trouble = UNAVAILABLE
        rig.ips = ("192.0.2.8",)
        await asyncio.sleep(15)
    assert rig.heard == [("192.0.2.8",)]


# what pods may have -------------------------------------------------------------------------------


@in_virtual_time
async def test_with_nothing_left_for_pods_that_is_told_once(logged: Logged) -> None:
    rig = Rig(reserved={"cpu": Quantity("2"), "memory": Quantity("9Gi")})
    async with rig.running():
        await asyncio.sleep(HOUR_S)

    (entry,) = [entry for entry in logged if entry["event"] == "node.nothing_left_for_pods"]
    assert entry["resources"] == ["cpu", "memory"]
    assert rig.agent.allocatable["memory"] == "0"


@in_virtual_time
async def test_what_it_can_do_is_declared_once_it_can() -> None:
    rig = Rig()
    async with rig.running():
        await asyncio.sleep(15)
        assert rig.nodes.times("patch_status") == []
        rig.resizes = True
        await asyncio.sleep(15)

    assert rig.nodes.node is not None
    assert rig.nodes.node.status.declared_features == ("InPlacePodVerticalScalingInitContainers",)


@in_virtual_time
async def test_other_settings_are_in_force_at_once() -> None:
    rig = Rig()
    async with rig.running():
        await asyncio.sleep(12)
        other = replace(
            rig.settings,
            max_pods=7,
            reserved={"cpu": Quantity("1")},
            thresholds=thresholds({"memory.available": "7Gi"}),
            images_max=0,
            status_every_s=60.0,
            lease_duration_s=20,
        )
        rig.images = [ContainerImage(names=("x",), size_bytes=1)]
        rig.agent.use(other)
        await asyncio.sleep(1)
        node = rig.nodes.node
        await asyncio.sleep(60)

    assert node is not None
    assert rig.nodes.times("patch_status") == [12]
    assert node.status.capacity["pods"] == "7"
    assert (node.status.allocatable["cpu"], node.status.allocatable["memory"]) == ("1", "1Gi")
    assert rig.nodes.condition("MemoryPressure").status == "True"
    assert node.status.images == ()
    assert rig.leases.times("replace")[:4] == [10, 20, 25, 30]
    assert rig.leases.lease is not None
    assert rig.leases.lease.spec.lease_duration_seconds == 20


# others -------------------------------------------------------------------------------------------


@in_virtual_time
async def test_a_node_that_was_given_up_says_at_once_that_it_lives() -> None:
    rig = Rig()
    async with rig.running():
        await asyncio.sleep(65)
        rig.nodes.set_conditions("Unknown")
        await asyncio.sleep(1)

    assert rig.nodes.times("patch_status") == [65]
    assert rig.nodes.condition("Ready").status == "True"
    assert rig.nodes.condition("Ready").last_transition_time == "2026-01-01T00:01:05Z"


@in_virtual_time
async def test_two_that_change_a_node_against_each_other_do_so_slowly() -> None:
    rig = Rig()
    async with rig.running():
        await asyncio.sleep(5)
        for _ in range(100):
            rig.nodes.set_conditions("Unknown")
            await asyncio.sleep(0.1)

    assert 8 <= len(rig.nodes.times("patch_status")) <= 12


@in_virtual_time
async def test_what_an_administrator_gives_the_node_can_be_had_by_pods() -> None:
    rig = Rig()
    async with rig.running():
        await asyncio.sleep(5)
        dongle = {"example.com/dongle": Quantity("3")}
        rig.nodes.change(lambda node: replace(node, status=replace(node.status, capacity=dongle)))
        await asyncio.sleep(2)

    assert rig.nodes.node is not None
    assert rig.nodes.node.status.allocatable["example.com/dongle"] == "3"
    assert rig.agent.allocatable["example.com/dongle"] == "3"


def cordoned(node: Node, *, unschedulable: bool) -> Node:
    return replace(node, spec=replace(node.spec, unschedulable=unschedulable))


@in_virtual_time
async def test_cordoning_is_told_once() -> None:
    rig = Rig()
    async with rig.running():
        for unschedulable in (True, True, False):
            rig.nodes.change(partial(cordoned, unschedulable=unschedulable))
            await asyncio.sleep(30)

    assert rig.events.reasons()[-2:] == ["NodeNotSchedulable", "NodeSchedulable"]
    assert rig.nodes.times("patch_status") == []


@in_virtual_time
async def test_a_node_that_is_deleted_comes_back(logged: Logged) -> None:
    rig = Rig()
    async with rig.running():
        await asyncio.sleep(65)
        rig.nodes.delete()
        await asyncio.sleep(1)
        assert rig.nodes.node is not None
        await asyncio.sleep(HOUR_S)

    assert rig.nodes.node.uid == "uid-2"
    assert rig.nodes.times("create") == [0, 65]
    assert rig.agent.node == rig.nodes.node
    assert rig.nodes.node.status.node_info is not None
    assert [entry for entry in logged if entry["event"] == "node.deleted"]


@in_virtual_time
async def test_a_node_that_is_deleted_unheard_comes_back_with_the_next_report() -> None:
    rig = Rig()
    async with rig.running():
        await asyncio.sleep(65)
        rig.nodes.node = None
        await asyncio.sleep(300)

    assert rig.nodes.times("create") == [0, 300]


@in_virtual_time
async def test_a_node_that_is_deleted_comes_back_as_it_was_and_says_so_once() -> None:
    rig = Rig(labels={"rack": "r1"}, provider_id="bare://a")
    async with rig.running():
        await asyncio.sleep(65)
        first = rig.nodes.node
        rig.events.told.clear()
        rig.nodes.delete()
        await asyncio.sleep(HOUR_S)

    assert first is not None
    assert rig.nodes.node is not None
    assert rig.nodes.node.metadata.labels == first.metadata.labels
    assert rig.nodes.node.metadata.labels["rack"] == "r1"
    assert rig.nodes.node.spec == first.spec
    assert rig.events.reasons() == [
        "NodeHasSufficientMemory",
        "NodeHasNoDiskPressure",
        "NodeHasSufficientPID",
        "NodeReady",
    ]


def of_machine(node: Node, *, machine_id: str) -> Node:
    assert node.status.node_info is not None
    info = replace(node.status.node_info, machine_id=machine_id)
    return replace(node, status=replace(node.status, node_info=info))


@in_virtual_time
async def test_another_machine_that_takes_the_node_over_ends_it_at_once() -> None:
    rig = Rig()
    await rig.agent.register()
    running = asyncio.create_task(rig.agent.run())
    await asyncio.sleep(65)
    rig.nodes.change(partial(of_machine, machine_id="beef"))

    with pytest.raises(NodeTakenOver, match="beef") as taken:
        await asyncio.wait_for(running, 1)

    assert "8f1c" in taken.value.message
    assert "--node-name" in taken.value.hint
    assert rig.nodes.times("patch_status") == []


@in_virtual_time
async def test_another_machine_that_takes_it_over_while_it_is_deleted_ends_it() -> None:
    rig = Rig()
    await rig.agent.register()
    running = asyncio.create_task(rig.agent.run())
    await asyncio.sleep(65)
    theirs = of_machine(await rig.nodes.get(), machine_id="beef")
    rig.nodes.delete()
    rig.nodes.node = replace(theirs, metadata=replace(theirs.metadata, uid="theirs"))

    with pytest.raises(NodeTakenOver):
        await asyncio.wait_for(running, 15)


@pytest.mark.parametrize("machine_id", ["beef", ""])
def test_a_node_of_a_machine_that_is_no_more_is_made_ours(machine_id: str) -> None:
    @in_virtual_time
    async def run() -> None:
        rig = Rig()
        await rig.agent.register()
        rig.nodes.change(partial(of_machine, machine_id=machine_id))
        rig.agent = rig.new_agent()
        async with rig.running():
            await asyncio.sleep(HOUR_S)
        assert rig.nodes.node is not None
        assert rig.nodes.node.status.node_info is not None
        assert rig.nodes.node.status.node_info.machine_id == "8f1c"

    run()


# failures -----------------------------------------------------------------------------------------


@in_virtual_time
async def test_a_report_that_fails_is_tried_five_times_then_at_the_next_turn(
    logged: Logged,
) -> None:
    rig = Rig()
    async with rig.running():
        await asyncio.sleep(5)
        rig.nodes.trouble = UNAVAILABLE
        rig.trouble = "no supervisor"
        rig.agent.status_changed()
        await asyncio.sleep(60)
        tries = [call.at - 5 for call in rig.nodes.calls if call.at >= 5]
        rig.nodes.trouble = None
        await asyncio.sleep(15)

    assert [round(at, 3) for at in tries[:6]] == [0, 0.1, 0.3, 0.7, 1.5, pytest.approx(13.1)]
    assert rig.nodes.condition("Ready").status == "False"
    said = [entry["event"] for entry in logged if entry["event"].startswith("node.")]
    assert said == ["node.registered", "node.not_reported", "node.reported_again"]


@in_virtual_time
async def test_a_second_try_looks_at_the_node_first() -> None:
    rig = Rig()
    async with rig.running():
        await asyncio.sleep(5)
        rig.nodes.trouble = UNAVAILABLE
        rig.trouble = "no supervisor"
        rig.agent.status_changed()
        await asyncio.sleep(0.05)
        rig.nodes.trouble = None
        await asyncio.sleep(1)

    assert [call.verb for call in rig.nodes.calls] == [
        "create",
        "patch_status",
        "get",
        "patch_status",
    ]


@in_virtual_time
async def test_a_report_that_hangs_is_given_up_after_twenty_seconds() -> None:
    rig = Rig()
    async with rig.running():
        await asyncio.sleep(5)
        rig.nodes.hangs = True
        rig.trouble = "no supervisor"
        rig.agent.status_changed()
        await asyncio.sleep(22)
        rig.nodes.hangs = False
        await asyncio.sleep(30)

    assert rig.nodes.times("patch_status")[0] == 5
    assert rig.nodes.times("get")[0] == 25.1
    assert rig.nodes.condition("Ready").status == "False"


@in_virtual_time
async def test_an_outage_of_an_hour_ends_within_a_turn() -> None:
    rig = Rig()
    async with rig.running():
        await asyncio.sleep(5)
        rig.nodes.trouble = UNAVAILABLE
        await asyncio.sleep(HOUR_S)
        rig.nodes.trouble = None
        rig.nodes.set_conditions("Unknown")
        await asyncio.sleep(13)
        assert rig.nodes.condition("Ready").status == "True"


@in_virtual_time
async def test_a_server_with_too_much_to_do_is_left_alone_for_as_long_as_it_asks(
    logged: Logged,
) -> None:
    rig = Rig()
    async with rig.running():
        await asyncio.sleep(5)
        rig.nodes.trouble = TooManyRequests("too many requests", status=429, retry_after_s=30)
        rig.trouble = "no supervisor"
        rig.agent.status_changed()
        await asyncio.sleep(100)
        tries = [call.at - 5 for call in rig.nodes.calls if call.at >= 5]
        rig.nodes.trouble = None
        await asyncio.sleep(40)

    assert [round(at, 3) for at in tries] == [0, 30, 60, 90]
    assert rig.nodes.condition("Ready").status == "False"
    said = [entry["event"] for entry in logged if entry["event"].startswith("node.")]
    assert said == ["node.registered", "node.not_reported", "node.reported_again"]


@in_virtual_time
async def test_a_server_that_asks_for_an_hour_is_asked_again_after_a_minute() -> None:
    rig = Rig()
    async with rig.running():
        await asyncio.sleep(5)
        rig.nodes.trouble = TooManyRequests("too many", status=429, retry_after_s=HOUR_S)
        rig.trouble = "no supervisor"
        rig.agent.status_changed()
        await asyncio.sleep(61)
        rig.nodes.trouble = None
        await asyncio.sleep(61)

    assert rig.nodes.condition("Ready").status == "False"


@in_virtual_time
async def test_answers_that_take_ten_seconds_are_waited_for() -> None:
    rig = Rig()
    await rig.agent.register()
    rig.nodes.takes_s = 10.0
    async with going(rig.agent.run()):
        await asyncio.sleep(5)
        rig.trouble = "no supervisor"
        rig.agent.status_changed()
        await asyncio.sleep(11)

    assert rig.nodes.times("patch_status") == [5]
    assert rig.nodes.condition("Ready").status == "False"


@in_virtual_time
async def test_a_pressure_is_held_as_long_when_the_time_of_day_is_set_back() -> None:
    rig = Rig()
    async with rig.running():
        rig.host.left = replace(AT_EASE, memory_free_bytes=0)
        await asyncio.sleep(15)
        rig.host.left = AT_EASE
        rig.clock.set_s -= HOUR_S
        await asyncio.sleep(320)
        assert rig.nodes.condition("MemoryPressure").status == "False"
