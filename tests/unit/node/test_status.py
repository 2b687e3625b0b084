"""The status as a whole: what it says, when it is news, and the patch it is written as."""

import json
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from krustlet.base import Instant
from krustlet.node.features import declared_features
from krustlet.node.identity import new_node
from krustlet.node.status import Observed, is_news, status, status_patch
from krustlet.objects import (
    ContainerImage,
    Node,
    NodeAddress,
    NodeCondition,
    NodeStatus,
    Quantity,
)
from tests.support.golden import Golden
from tests.unit.node.fakes import A_MACHINE, GIB, MIB, merged, some_settings

T0 = Instant(1_767_225_600.0)


def observed(**changes: Any) -> Observed:
    quiet = Observed(
        machine=A_MACHINE,
        ips=("192.0.2.7",),
        pressures={},
        images=(),
        features=(),
        trouble="",
        at=T0,
    )
    return replace(quiet, **changes)


def now(before: NodeStatus | None = None, **changes: Any) -> NodeStatus:
    return status(some_settings(), observed(**changes), before or NodeStatus())


def test_a_node_as_it_is_registered(golden: Golden) -> None:
    settings = some_settings(
        ips=("192.0.2.7", "2001:db8::7"),
        labels={"example.com/rack": "r1"},
        provider_id="bare://wasm-1",
        reserved={"cpu": Quantity("100m"), "memory": Quantity("256Mi")},
    )
    machine = replace(A_MACHINE, swap_bytes=GIB, huge_pages={2 * MIB: 64 * MIB})
    images = [ContainerImage(names=("registry.example/hello:v1",), size_bytes=123)]
    seen = observed(
        machine=machine, ips=settings.ips, images=images, features=declared_features(resizes=True)
    )
    told = status(settings, seen, NodeStatus())

    node = msgspec.to_builtins(new_node(settings, told))

    golden("node/registered.json", json.dumps(node, indent=2) + "\n")


def test_what_the_api_server_sends_back_means_the_same() -> None:
    node = new_node(some_settings(), now())
    assert msgspec.json.decode(msgspec.json.encode(node), type=Node) == node


def test_the_largest_images_are_told_with_few_names_each() -> None:
    names = tuple(f"registry.example/app:v{number}" for number in range(9))
    images = [ContainerImage(names=(f"i{size}",), size_bytes=size) for size in range(60)]
    images += [ContainerImage(names=names, size_bytes=100), ContainerImage(names=(), size_bytes=99)]

    told = now(images=images).images

    assert len(told) == 50
    assert told[0] == ContainerImage(names=names[:5], size_bytes=100)
    assert [image.size_bytes for image in told[1:]] == list(range(59, 10, -1))


@pytest.mark.parametrize(("most", "told"), [(-1, 60), (0, 0), (7, 7)])
def test_as_many_images_are_told_as_settings_say(most: int, told: int) -> None:
    images = [ContainerImage(names=(f"i{size}",), size_bytes=size) for size in range(60)]
    seen = observed(images=images)
    assert len(status(some_settings(images_max=most), seen, NodeStatus()).images) == told


@pytest.mark.parametrize(
    ("resizes", "features"), [(False, ()), (True, ("InPlacePodVerticalScalingInitContainers",))]
)
def test_only_features_that_are_here_are_declared(
    resizes: bool,
    features: tuple[str, ...],
) -> None:
    seen = observed(features=declared_features(resizes=resizes))
    assert status(some_settings(), seen, NodeStatus()).declared_features == features


def test_the_order_of_images_is_no_news() -> None:
    images = [ContainerImage(names=(name,), size_bytes=7) for name in "cab"]
    assert now(images=images) == now(images=images[::-1])


def test_what_others_wrote_into_the_status_stays() -> None:
    foreign = NodeCondition(type="NetworkUnavailable", status="False")
    before = NodeStatus(
        phase="Running",
        capacity={"example.com/dongle": Quantity("2")},
        conditions=(foreign,),
        volumes_in_use=("kubernetes.io/csi/x",),
    )

    after = now(before)

    assert after.phase == "Running"
    assert after.capacity["example.com/dongle"] == after.allocatable["example.com/dongle"] == "2"
    assert after.conditions[0] == foreign
    assert after.volumes_in_use == before.volumes_in_use


# news ---------------------------------------------------------------------------------------------


def test_a_heartbeat_is_no_news() -> None:
    assert not is_news(now(), now(now(), at=Instant(T0 + 10)))


def test_another_spelling_of_an_amount_is_no_news() -> None:
    before = now()
    spelt = {**before.capacity, "cpu": Quantity("2000m")}
    assert not is_news(before, replace(before, capacity=spelt))


@pytest.mark.parametrize(
    "changes",
    [
        {"trouble": "no supervisor"},
        {"pressures": {"DiskPressure": T0}},
        {"images": [ContainerImage(names=("x",), size_bytes=1)]},
        {"machine": replace(A_MACHINE, boot_id="boot-2")},
        {"machine": replace(A_MACHINE, memory_bytes=GIB)},
        {"ips": ("192.0.2.8",)},
        {"features": ("Anything",)},
    ],
)
def test_everything_else_is(changes: dict[str, Any]) -> None:
    assert is_news(now(), now(now(), **changes))


def test_a_condition_that_others_changed_is_news() -> None:
    ours = now()
    unknown = tuple(replace(one, status="Unknown") for one in ours.conditions)
    before = replace(ours, conditions=unknown)
    assert is_news(before, now(before))


# the patch ----------------------------------------------------------------------------------------


def patched(before: NodeStatus, after: NodeStatus) -> NodeStatus:
    return merged(Node(status=before), status_patch(before, after)).status


def test_the_patch_makes_one_of_the_other() -> None:
    changes: dict[str, Any] = {
        "trouble": "no supervisor",
        "images": [ContainerImage(names=("x",), size_bytes=1)],
        "machine": replace(A_MACHINE, swap_bytes=GIB, huge_pages={2 * MIB: GIB}),
    }
    before, after = now(), now(now(), at=Instant(T0 + 60), **changes)

    assert patched(NodeStatus(), before) == before
    assert patched(before, after) == after
    back = now(after, at=Instant(T0 + 90))
    assert patched(after, back) == back
    assert back.node_info is not None
    assert back.node_info.swap is None


def test_a_heartbeat_is_a_small_patch() -> None:
    before, after = now(), now(now(), at=Instant(T0 + 300))

    patch = status_patch(before, after)["status"]

    assert set(patch) == {"conditions", "$setElementOrder/conditions"}
    assert {one["lastHeartbeatTime"] for one in patch["conditions"]} == {"2026-01-01T00:05:00Z"}


def test_the_patch_has_no_conditions_of_others() -> None:
    before = NodeStatus(conditions=(NodeCondition(type="NetworkUnavailable", status="False"),))

    patch = status_patch(before, now(before))["status"]

    types = [one["type"] for one in patch["conditions"]]
    assert types == ["MemoryPressure", "DiskPressure", "PIDPressure", "Ready"]
    assert [one["type"] for one in patch["$setElementOrder/conditions"]] == types


def test_addresses_of_one_type_do_not_swallow_each_other() -> None:
    def at(*ips: str) -> NodeStatus:
        return status(some_settings(), observed(ips=ips), NodeStatus())

    before, after = at("192.0.2.7"), at("192.0.2.8", "2001:db8::8")

    patch = status_patch(before, after)["status"]

    assert patch["addresses"][-1] == {"$patch": "replace"}
    assert patched(before, after).addresses == (
        NodeAddress(type="InternalIP", address="192.0.2.8"),
        NodeAddress(type="InternalIP", address="2001:db8::8"),
        NodeAddress(type="Hostname", address="wasm-1.example"),
    )
