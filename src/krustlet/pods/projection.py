"""What the API shows of a pod: projected from its spec and state, stored nowhere.

Source: the kubelet's `getPhase` and `convertToAPIContainerStatuses`, pkg/kubelet/kubelet_pods.go,
and `pkg/kubelet/status/generate.go` for the conditions' words.
"""

from collections.abc import Sequence
from typing import Final

import msgspec

from krustlet.base import Instant
from krustlet.objects import (
    Container,
    ContainerStatus,
    HostIP,
    Pod,
    PodCondition,
    PodIP,
    PodSpec,
    PodStatus,
    to_rfc3339,
)
from krustlet.objects import ContainerState as StateStatus
from krustlet.objects import ContainerStateRunning as RunningStatus
from krustlet.objects import ContainerStateTerminated as TerminatedStatus
from krustlet.objects import ContainerStateWaiting as WaitingStatus
from krustlet.pods.plan import (
    has_begun,
    has_failed_init,
    has_succeeded,
    is_initialised,
    is_sidecar,
    may_restart,
)
from krustlet.pods.state import ContainerState, End, PodState, Run

ID_SCHEME: Final = "krustlet"
_RUNNING: Final = (Run.RUNNING, Run.STOPPING)


class HostAddress(msgspec.Struct, frozen=True):
    """Where the pod's containers are reached; empty without a cluster."""

    ip: str = ""


def project(pod: Pod, state: PodState, address: HostAddress) -> PodStatus:
    """The status of `pod`; every field that this node owns."""
    phase = phase_of(pod.spec, state)
    rejection = state.rejection
    by_name = sorted(pod.spec.containers, key=lambda c: c.name)
    return PodStatus(
        phase=phase,
        reason=rejection.reason if rejection else "",
        message=rejection.message if rejection else "",
        observed_generation=pod.metadata.generation,
        conditions=_conditions(pod.spec, state, phase),
        host_ip=address.ip,
        host_ips=(HostIP(ip=address.ip),) if address.ip else (),
        pod_ip=address.ip,
        pod_ips=(PodIP(ip=address.ip),) if address.ip else (),
        start_time=to_rfc3339(state.accepted_at),
        init_container_statuses=_statuses(pod.spec, pod.spec.init_containers, state),
        container_statuses=_statuses(pod.spec, by_name, state),
    )


def phase_of(spec: PodSpec, state: PodState) -> str:
    """`Pending`, `Running`, `Succeeded` or `Failed`."""
    if state.rejection is not None or has_failed_init(spec, state):
        return "Failed"
    if not is_initialised(spec, state):
        return "Pending"
    apps = [state.containers[c.name] for c in spec.containers]
    if any(not has_begun(app) for app in apps):
        return "Pending"
    if any(app.run in _RUNNING for app in apps):
        return "Running"
    over = [
        app.run is Run.ENDED and (_is_deleted(state) or not may_restart(c, spec, app))
        for c, app in zip(spec.containers, apps, strict=True)
    ]
    if not all(over):
        return "Running"
    return "Succeeded" if all(has_succeeded(app) for app in apps) else "Failed"


def _is_deleted(state: PodState) -> bool:
    return state.delete_by is not None


# containers -------------------------------------------------------------------------------------


def _statuses(
    spec: PodSpec, containers: Sequence[Container], pod: PodState
) -> tuple[ContainerStatus, ...]:
    return tuple(_status(spec, c, pod.containers[c.name], pod) for c in containers)


def _status(
    spec: PodSpec, container: Container, state: ContainerState, pod: PodState
) -> ContainerStatus:
    now, last = _now_and_last(spec, state, pod)
    running = state.run in _RUNNING
    return ContainerStatus(
        name=container.name,
        state=now,
        last_state=_terminated(last) if last is not None else StateStatus(),
        ready=running or (has_succeeded(state) and _is_regular_init(spec, container)),
        started=running,
        restart_count=state.restarts,
        image=container.image,
        image_id=state.image_id,
        container_id=f"{ID_SCHEME}://{state.container_id}" if has_begun(state) else "",
    )


def _now_and_last(
    spec: PodSpec, state: ContainerState, pod: PodState
) -> tuple[StateStatus, End | None]:
    if state.run in _RUNNING and state.started_at is not None:
        running = RunningStatus(started_at=to_rfc3339(state.started_at))
        return StateStatus(running=running), state.end
    if state.end is not None and (state.waiting is None or pod.delete_by is not None):
        return _terminated(state.end), state.previous
    if state.waiting is not None:
        waiting = WaitingStatus(reason=state.waiting.reason, message=state.waiting.message)
        return StateStatus(waiting=waiting), state.end
    # The kubelet's default for every container that has not run, as long as there are inits.
    reason = "PodInitializing" if spec.init_containers else "ContainerCreating"
    return StateStatus(waiting=WaitingStatus(reason=reason)), None


def _terminated(end: End) -> StateStatus:
    return StateStatus(
        terminated=TerminatedStatus(
            exit_code=end.code,
            reason=end.reason,
            message=end.message,
            started_at=to_rfc3339(end.started_at),
            finished_at=to_rfc3339(end.ended_at),
            container_id=f"{ID_SCHEME}://{end.container_id}",
        )
    )


def _is_regular_init(spec: PodSpec, container: Container) -> bool:
    return container in (spec.init_containers) and not is_sidecar(container)


# conditions -------------------------------------------------------------------------------------


def _conditions(spec: PodSpec, state: PodState, phase: str) -> tuple[PodCondition, ...]:
    at = to_rfc3339(_changed_at(state))
    return (
        _condition("Initialized", at, _why_not_initialised(spec, state, phase)),
        _condition("Ready", at, why_not := _why_not_ready(spec, state, phase)),
        _condition("ContainersReady", at, why_not),
        _condition("PodScheduled", to_rfc3339(state.accepted_at), None),
    )


def _condition(kind: str, at: str, why_not: tuple[str, str] | None) -> PodCondition:
    reason, message = why_not or ("", "")
    return PodCondition(
        type=kind,
        status="True" if why_not is None else "False",
        last_transition_time=at,
        reason=reason,
        message=message,
    )


def _why_not_initialised(spec: PodSpec, state: PodState, phase: str) -> tuple[str, str] | None:
    incomplete = [
        c.name
        for c in spec.init_containers
        if not (has_begun if is_sidecar(c) else has_succeeded)(state.containers[c.name])
    ]
    if not incomplete and state.rejection is None:
        return None
    if phase == "Failed":
        return "PodFailed", ""
    return (
        "ContainersNotInitialized",
        f"containers with incomplete status: [{' '.join(incomplete)}]",
    )


def _why_not_ready(spec: PodSpec, state: PodState, phase: str) -> tuple[str, str] | None:
    if phase == "Succeeded":
        return "PodCompleted", ""
    if phase == "Failed":
        return "PodFailed", ""
    unready = [c.name for c in spec.containers if state.containers[c.name].run not in _RUNNING]
    if not unready:
        return None
    return "ContainersNotReady", f"containers with unready status: [{' '.join(unready)}]"


def _changed_at(state: PodState) -> Instant:
    """When a container last began or ended: no condition changes at another time."""
    times = [state.accepted_at]
    for container in state.containers.values():
        times += [t for t in (container.started_at, container.failed_at) if t is not None]
    return max(times)
