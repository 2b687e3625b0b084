"""The conditions of a node that its kubelet owns, and what is told when they change. Pure.

Source: kubernetes pkg/kubelet/nodestatus/setters.go, pkg/kubelet/eviction.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from krustlet.base import Instant
from krustlet.node.machine import Vitals
from krustlet.node.reserves import Signal, Thresholds
from krustlet.objects import ConditionStatus, NodeCondition, to_rfc3339

READY: Final = "Ready"

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

Sightings = Mapping[str, float]
"""When each pressure was last seen, by the type of its condition.

In seconds of a clock that only goes forward: a pressure is held for as long when somebody sets the
time of day.
"""


def sighted(
    before: Sightings, vitals: Vitals, thresholds: Thresholds, *, now_s: float, hold_s: float
) -> Sightings:
    """Those of `before` that still count, and those of now."""
    lasting = {kind: at_s for kind, at_s in before.items() if now_s < at_s + hold_s}
    return {**lasting, **dict.fromkeys(_pressures(vitals, thresholds), now_s)}


def _pressures(vitals: Vitals, thresholds: Thresholds) -> Iterator[str]:
    """Images are on the same file system as all else, so the stricter of both thresholds counts.

    The kubelet comes to the same: it looks at each threshold for itself.
    """
    storage = vitals.storage_free_bytes, vitals.storage_bytes
    inodes = vitals.inodes_free, vitals.inodes
    seen = {
        Signal.MEMORY: ("MemoryPressure", vitals.memory_free_bytes, vitals.memory_bytes),
        Signal.STORAGE: ("DiskPressure", *storage),
        Signal.IMAGE_STORAGE: ("DiskPressure", *storage),
        Signal.INODES: ("DiskPressure", *inodes),
        Signal.IMAGE_INODES: ("DiskPressure", *inodes),
        Signal.TASKS: ("PIDPressure", vitals.tasks_max - vitals.tasks, vitals.tasks_max),
    }
    for signal, (kind, left, of_all) in seen.items():
        is_counted = of_all > 0  # some file systems make inodes as they need them
        if is_counted and signal in thresholds and left < thresholds[signal].of(of_all):
            yield kind


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
