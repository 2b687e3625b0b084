"""The conditions of a node that its kubelet owns, and what is told when they change. Pure.

Source: kubernetes pkg/kubelet/nodestatus/setters.go, pkg/kubelet/eviction.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from krustlet.base import Instant
from krustlet.node.machine import Vitals
from krustlet.node.resources import INODES_MIN_PERCENT, MEMORY_MIN_BYTES, STORAGE_MIN_PERCENT
from krustlet.objects import ConditionStatus, NodeCondition, to_rfc3339

READY: Final = "Ready"
TASKS_MIN_PERCENT: Final = 5  # Kubernetes has no default of its own; each container is a process

_TRUE: Final = ConditionStatus.TRUE.value
_FALSE: Final = ConditionStatus.FALSE.value


class _Words(NamedTuple):
    """What a pressure is called while it lasts, and what when there is none."""

    pressed: str
    pressed_message: str
    free: str
    free_message: str


_WORDS: Final = {
    "MemoryPressure": _Words(
        "HasInsufficientMemory",
        "kubelet has insufficient memory available",
        "HasSufficientMemory",
        "kubelet has sufficient memory available",
    ),
    "DiskPressure": _Words(
        "HasDiskPressure",
        "kubelet has disk pressure",
        "HasNoDiskPressure",
        "kubelet has no disk pressure",
    ),
    "PIDPressure": _Words(
        "HasInsufficientPID",
        "kubelet has insufficient PID available",
        "HasSufficientPID",
        "kubelet has sufficient PID available",
    ),
}
OWN: Final = (*_WORDS, READY)
"""In this order: some clients take the last for the one that counts."""

Sightings = Mapping[str, Instant]
"""When each pressure was last seen, by the type of its condition."""


def sighted(before: Sightings, vitals: Vitals, now: Instant, *, hold_s: float) -> Sightings:
    """Those of `before` that still count, and those of now."""
    lasting = {kind: at for kind, at in before.items() if now < at + hold_s}
    return {**lasting, **dict.fromkeys(_pressures(vitals), now)}


def _pressures(vitals: Vitals) -> Iterator[str]:
    if vitals.memory_free_bytes < MEMORY_MIN_BYTES:
        yield "MemoryPressure"
    if _is_short(vitals.storage_free_bytes, vitals.storage_bytes, STORAGE_MIN_PERCENT) or (
        _is_short(vitals.inodes_free, vitals.inodes, INODES_MIN_PERCENT)
    ):
        yield "DiskPressure"
    if _is_short(vitals.tasks_max - vitals.tasks, vitals.tasks_max, TASKS_MIN_PERCENT):
        yield "PIDPressure"


def _is_short(left: int, of_all: int, percent: int) -> bool:
    """Never where nothing is counted."""
    return left * 100 < of_all * percent


def conditions(
    before: Sequence[NodeCondition], pressures: Sightings, *, trouble: str, now: Instant
) -> tuple[NodeCondition, ...]:
    """Those of others as they were, then our own; one that is as it was keeps its time.

    Args:
        trouble: why pods cannot run here; empty if they can.
    """
    known = {condition.type: condition for condition in before}
    ours = [_pressure(kind, kind in pressures) for kind in _WORDS] + [_ready(trouble)]
    others = [condition for condition in before if condition.type not in OWN]
    return (*others, *(_dated(condition, known.get(condition.type), now) for condition in ours))


def _pressure(kind: str, is_pressed: bool) -> NodeCondition:
    words = _WORDS[kind]
    if is_pressed:
        return _condition(kind, _TRUE, words.pressed, words.pressed_message)
    return _condition(kind, _FALSE, words.free, words.free_message)


def _ready(trouble: str) -> NodeCondition:
    if trouble:
        return _condition(READY, _FALSE, "NotReady", trouble)
    return _condition(READY, _TRUE, "Ready", "kubelet is posting ready status")


def _condition(kind: str, status: str, reason: str, message: str) -> NodeCondition:
    return NodeCondition(type=kind, status=status, reason=f"Kubelet{reason}", message=message)


def _dated(condition: NodeCondition, before: NodeCondition | None, now: Instant) -> NodeCondition:
    is_as_before = before is not None and before.status == condition.status
    since = before.last_transition_time if before is not None and is_as_before else None
    return NodeCondition(
        type=condition.type,
        status=condition.status,
        last_heartbeat_time=to_rfc3339(now),
        last_transition_time=since or to_rfc3339(now),
        reason=condition.reason,
        message=condition.message,
    )
