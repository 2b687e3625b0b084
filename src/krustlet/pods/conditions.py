"""The conditions of a pod that a kubelet owns, projected from its spec and state.

Source: kubernetes pkg/kubelet/status/generate.go.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

from krustlet.base import Instant
from krustlet.objects import (
    ConditionStatus,
    Container,
    Pod,
    PodCondition,
    PodConditionType,
    PodPhase,
    PodSpec,
    to_rfc3339,
)
from krustlet.pods.progress import is_over, is_sidecar, pending_inits
from krustlet.pods.state import PodState, VolumesAre

# Looked up once: this runs for every change of every pod.
_SANDBOX: Final = PodConditionType.READY_TO_START_CONTAINERS.value
_INITIALIZED: Final = PodConditionType.INITIALIZED.value
_READY: Final = PodConditionType.READY.value
_CONTAINERS_READY: Final = PodConditionType.CONTAINERS_READY.value
_SCHEDULED: Final = PodConditionType.SCHEDULED.value
_STATUS: Final = {True: ConditionStatus.TRUE.value, False: ConditionStatus.FALSE.value}


class _Verdict(NamedTuple):
    """Whether a condition holds, and why not; `since` when, as far as the state tells."""

    holds: bool
    since: Instant
    reason: str = ""
    message: str = ""


def conditions(
    pod: Pod, state: PodState, phase: PodPhase, before: Sequence[PodCondition]
) -> tuple[PodCondition, ...]:
    """All of them; one that is as it was `before` keeps its time."""
    since = {(c.type, c.status): c.last_transition_time for c in before}
    ready = _ready(pod.spec, state, phase)
    verdicts = (
        (_SANDBOX, _has_sandbox(pod.spec, state)),
        (_INITIALIZED, _initialized(pod.spec, state, phase)),
        (_READY, ready),
        (_CONTAINERS_READY, ready),
        (_SCHEDULED, _Verdict(True, state.accepted_at)),
    )
    return tuple(
        PodCondition(
            type=kind,
            status=_STATUS[verdict.holds],
            observed_generation=pod.metadata.generation,
            last_transition_time=since.get((kind, _STATUS[verdict.holds]))
            or to_rfc3339(verdict.since),
            reason=verdict.reason,
            message=verdict.message,
        )
        for kind, verdict in verdicts
    )


def _has_sandbox(spec: PodSpec, pod: PodState) -> _Verdict:
    """Whether what containers share is there: from the mounting of the volumes to the end."""
    was_set_up = any(container.attempt for container in pod.containers.values())
    is_set_up = was_set_up or pod.volumes.are is VolumesAre.MOUNTED
    return _Verdict(is_set_up and not is_over(spec, pod), _changed_at(pod))


def _initialized(spec: PodSpec, pod: PodState, phase: PodPhase) -> _Verdict:
    if pending := pending_inits(spec, pod):
        message = f"containers with incomplete status: {_go(pending)}"
        return _Verdict(False, pod.accepted_at, "ContainersNotInitialized", message)
    inits = [pod.containers[c.name] for c in spec.init_containers if not is_sidecar(c)]
    since = max([pod.accepted_at, *(init.end.ended_at for init in inits if init.end is not None)])
    return _Verdict(True, since, "PodCompleted" if phase is PodPhase.SUCCEEDED else "")


def _ready(spec: PodSpec, pod: PodState, phase: PodPhase) -> _Verdict:
    since = _changed_at(pod)
    if phase is PodPhase.SUCCEEDED:
        return _Verdict(False, since, "PodCompleted")
    if phase is PodPhase.FAILED:
        return _Verdict(False, since, "PodFailed")
    lasting = [*filter(is_sidecar, spec.init_containers), *spec.containers]
    if unready := [c for c in lasting if not pod.containers[c.name].is_up]:
        message = f"containers with unready status: {_go(unready)}"
        return _Verdict(False, since, "ContainersNotReady", message)
    return _Verdict(True, since)


def _go(containers: Sequence[Container]) -> str:
    """The names as Go prints a slice: `[a b]`."""
    return f"[{' '.join(c.name for c in containers)}]"


def _changed_at(pod: PodState) -> Instant:
    """When a container last began or ended: readiness hardly changes at another time."""
    times = [pod.accepted_at]
    for container in pod.containers.values():
        times += [t for t in (container.started_at, container.idle_since) if t is not None]
    return max(times)
