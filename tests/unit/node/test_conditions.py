"""The conditions of a node: when they hold, since when, and what is told."""

from typing import Any

import pytest
from msgspec.structs import replace

from krustlet.base import Instant
from krustlet.node import Thresholds, Vitals, thresholds
from krustlet.node.conditions import OWN, Sightings, conditions, sighted
from krustlet.node.reserves import default_thresholds
from krustlet.node.tidings import tidings
from krustlet.objects import NodeCondition, NodeStatus, to_rfc3339
from tests.unit.node.fakes import AT_EASE, GIB, MIB

T0 = Instant(1_767_225_600.0)
LATER = Instant(T0 + 60)


def seen(
    vitals: Vitals,
    before: Sightings | None = None,
    *,
    at_s: float = 0,
    limits: Thresholds | None = None,
) -> Sightings:
    limits = default_thresholds() if limits is None else limits
    return sighted(before or {}, vitals, limits, now_s=at_s, hold_s=300)


@pytest.mark.parametrize(
    ("left", "pressures"),
    [
        ({}, set()),
        ({"memory_free_bytes": 100 * MIB}, set()),
        ({"memory_free_bytes": 100 * MIB - 1}, {"MemoryPressure"}),
        ({"storage_free_bytes": 15 * GIB}, set()),
        ({"storage_free_bytes": 15 * GIB - 1}, {"DiskPressure"}),
        ({"inodes_free": 50_000}, set()),
        ({"inodes_free": 49_999}, {"DiskPressure"}),
        ({"inodes": 0, "inodes_free": 0}, set()),
        ({"tasks": 31_000}, set()),
        ({"tasks": 31_200}, {"PIDPressure"}),
        ({"tasks": 32_768, "memory_free_bytes": 0}, {"PIDPressure", "MemoryPressure"}),
    ],
)
def test_a_pressure_is_seen_below_its_threshold(left: dict[str, Any], pressures: set[str]) -> None:
    assert set(seen(replace(AT_EASE, **left))) == pressures


@pytest.mark.parametrize(
    ("said", "left", "pressures"),
    [
        pytest.param({}, {"memory_free_bytes": 0, "storage_free_bytes": 0}, set(), id="none"),
        pytest.param(
            {"memory.available": "25%"},
            {"memory_free_bytes": 2 * GIB - 1},
            {"MemoryPressure"},
            id="a-share-of-memory",
        ),
        pytest.param({"nodefs.available": "60Gi"}, {}, {"DiskPressure"}, id="an-amount-of-storage"),
        pytest.param(
            {"nodefs.available": "1%", "imagefs.available": "60%"},
            {},
            {"DiskPressure"},
            id="images-are-on-the-same-file-system",
        ),
        pytest.param(
            {"imagefs.inodesFree": "95%"}, {}, {"DiskPressure"}, id="and-have-the-same-inodes"
        ),
        pytest.param(
            {"nodefs.inodesFree": "1000"},
            {"inodes": 0, "inodes_free": 0},
            set(),
            id="inodes-that-are-not-counted-are-not-short",
        ),
        pytest.param(
            {"pid.available": "30000"}, {"tasks": 2769}, {"PIDPressure"}, id="an-amount-of-tasks"
        ),
        pytest.param({"pid.available": "0%"}, {"tasks": 32_768}, set(), id="no-threshold-of-tasks"),
    ],
)
def test_thresholds_are_those_that_were_set(
    said: dict[str, str], left: dict[str, Any], pressures: set[str]
) -> None:
    assert set(seen(replace(AT_EASE, **left), limits=thresholds(said))) == pressures


def test_a_pressure_is_told_of_for_a_while_after_it_was_last_seen() -> None:
    pressed = replace(AT_EASE, memory_free_bytes=0)
    first = seen(pressed, at_s=0)
    again = seen(pressed, first, at_s=60)

    assert set(seen(AT_EASE, first, at_s=299)) == {"MemoryPressure"}
    assert seen(AT_EASE, first, at_s=300) == {}
    assert set(seen(AT_EASE, again, at_s=300)) == {"MemoryPressure"}


def test_a_healthy_node_says_so_in_the_words_of_a_kubelet() -> None:
    said = conditions((), {}, trouble="", now=T0)

    assert [(one.type, one.status, one.reason, one.message) for one in said] == [
        (
            "MemoryPressure",
            "False",
            "KubeletHasSufficientMemory",
            "kubelet has sufficient memory available",
        ),
        ("DiskPressure", "False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
        (
            "PIDPressure",
            "False",
            "KubeletHasSufficientPID",
            "kubelet has sufficient PID available",
        ),
        ("Ready", "True", "KubeletReady", "kubelet is posting ready status"),
    ]


def test_a_node_in_need_says_so_in_the_words_of_a_kubelet() -> None:
    said = conditions((), dict.fromkeys(OWN, T0), trouble="[no supervisor]", now=T0)

    assert [(one.status, one.reason, one.message) for one in said] == [
        ("True", "KubeletHasInsufficientMemory", "kubelet has insufficient memory available"),
        ("True", "KubeletHasDiskPressure", "kubelet has disk pressure"),
        ("True", "KubeletHasInsufficientPID", "kubelet has insufficient PID available"),
        ("False", "KubeletNotReady", "[no supervisor]"),
    ]


def test_a_condition_keeps_its_time_until_its_status_changes() -> None:
    first = conditions((), {}, trouble="", now=T0)
    second = conditions(first, {}, trouble="", now=LATER)
    third = conditions(second, {}, trouble="no supervisor", now=Instant(LATER + 60))

    assert {one.last_transition_time for one in second} == {to_rfc3339(T0)}
    assert {one.last_heartbeat_time for one in second} == {to_rfc3339(LATER)}
    changed = {one.type: one.last_transition_time for one in third}
    assert changed["Ready"] == to_rfc3339(Instant(LATER + 60))
    assert changed["DiskPressure"] == to_rfc3339(T0)


def test_another_reason_is_no_transition() -> None:
    first = conditions((), {}, trouble="no supervisor", now=T0)
    second = conditions(first, {}, trouble="no network", now=LATER)

    assert second[-1].message == "no network"
    assert second[-1].last_transition_time == to_rfc3339(T0)


def test_conditions_of_others_stay_as_they_are_and_ready_is_the_last() -> None:
    foreign = NodeCondition(type="NetworkUnavailable", status="False", reason="RouteCreated")
    ready = NodeCondition(type="Ready", status="Unknown", reason="NodeStatusUnknown")

    said = conditions((ready, foreign), {}, trouble="", now=T0)

    assert said[0] == foreign
    assert [one.type for one in said[1:]] == list(OWN)
    assert (said[-1].status, said[-1].reason) == ("True", "KubeletReady")


# what is told -------------------------------------------------------------------------------------


def a_status(*, trouble: str = "", **pressures: Instant) -> NodeStatus:
    return NodeStatus(conditions=conditions((), pressures, trouble=trouble, now=T0))


@pytest.mark.parametrize(
    ("before", "after", "reasons"),
    [
        pytest.param(
            NodeStatus(),
            a_status(),
            [
                "NodeHasSufficientMemory",
                "NodeHasNoDiskPressure",
                "NodeHasSufficientPID",
                "NodeReady",
            ],
            id="a-new-node",
        ),
        pytest.param(
            NodeStatus(),
            a_status(trouble="starting"),
            ["NodeHasSufficientMemory", "NodeHasNoDiskPressure", "NodeHasSufficientPID"],
            id="a-node-that-has-yet-to-become-ready",
        ),
        pytest.param(a_status(), a_status(), [], id="nothing-new"),
        pytest.param(a_status(), a_status(trouble="x"), ["NodeNotReady"], id="not-ready"),
        pytest.param(a_status(trouble="x"), a_status(), ["NodeReady"], id="ready"),
        pytest.param(a_status(trouble="x"), a_status(trouble="y"), [], id="another-reason"),
        pytest.param(
            a_status(),
            a_status(MemoryPressure=T0, DiskPressure=T0, PIDPressure=T0),
            ["NodeHasInsufficientMemory", "NodeHasDiskPressure", "NodeHasInsufficientPID"],
            id="in-need",
        ),
    ],
)
def test_people_are_told_what_has_changed(
    before: NodeStatus, after: NodeStatus, reasons: list[str]
) -> None:
    assert [
        (tiding.kind, tiding.reason, tiding.message) for tiding in tidings("n1", before, after)
    ] == [("Normal", reason, f"Node n1 status is now: {reason}") for reason in reasons]
