"""What people are told when a node's status changes, in the kubelet's own words. Pure."""

from collections.abc import Iterator
from typing import NamedTuple

from krustlet.node.conditions import OWN, READY
from krustlet.objects import ConditionStatus, NodeCondition, NodeStatus


class Tiding(NamedTuple):
    """What becomes an Event about the node."""

    kind: str
    reason: str
    message: str


def starting() -> Tiding:
    return Tiding("Normal", "Starting", "Starting kubelet.")


def tidings(name: str, before: NodeStatus, after: NodeStatus) -> Iterator[Tiding]:
    """What has changed: a boot, and the conditions that now hold or do so no more.

    Source: kubernetes pkg/kubelet/nodestatus/setters.go.
    """
    was_booted = before.node_info.boot_id if before.node_info is not None else ""
    is_booted = after.node_info.boot_id if after.node_info is not None else ""
    if was_booted and was_booted != is_booted:
        message = f"Node {name} has been rebooted, boot id: {is_booted}"
        yield Tiding("Warning", "Rebooted", message)
    was = {condition.type: condition for condition in before.conditions}
    for condition in after.conditions:
        if condition.type in OWN and _is_worth_telling(was.get(condition.type), condition):
            yield _status_is(name, condition.reason.replace("Kubelet", "Node", 1))


def schedulability(name: str, *, unschedulable: bool) -> Tiding:
    return _status_is(name, "NodeNotSchedulable" if unschedulable else "NodeSchedulable")


def _is_worth_telling(before: NodeCondition | None, after: NodeCondition) -> bool:
    """A node that has yet to become ready is no news."""
    if before is None:
        return after.type != READY or after.status == ConditionStatus.TRUE
    return before.status != after.status


def _status_is(name: str, reason: str) -> Tiding:
    return Tiding("Normal", reason, f"Node {name} status is now: {reason}")
