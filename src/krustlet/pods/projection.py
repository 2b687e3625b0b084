"""What the API shows of a pod: projected from its spec and state, stored nowhere.

Owns phase and container statuses; leaves the conditions to `conditions.py`.

Source: kubernetes pkg/kubelet/kubelet_pods.go, `getPhase` and `convertToAPIContainerStatuses`;
pkg/kubelet/status/status_manager.go, `TerminatePod` and `mergePodStatus`.
"""

from collections.abc import Sequence
from typing import Final

import msgspec

from krustlet.objects import (
    Container,
    ContainerStatus,
    HostIP,
    Pod,
    PodIP,
    PodPhase,
    PodSpec,
    PodStatus,
    RecursiveReadOnly,
    ResourceRequirements,
    VolumeMount,
    VolumeMountStatus,
    to_rfc3339,
)
from krustlet.objects import ContainerState as StateStatus
from krustlet.objects import ContainerStateRunning as RunningStatus
from krustlet.objects import ContainerStateTerminated as TerminatedStatus
from krustlet.objects import ContainerStateWaiting as WaitingStatus
from krustlet.pods.conditions import conditions
from krustlet.pods.message_length import cut, share
from krustlet.pods.progress import is_over, is_sidecar, pending_inits
from krustlet.pods.state import ContainerState, End, PodState
from krustlet.pods.takeover import UNKNOWN, UNKNOWN_CODE, UNKNOWN_MESSAGE

ID_SCHEME: Final = "krustlet"


class HostAddress(msgspec.Struct, frozen=True):
    """Where the pod's containers are reached; empty without a cluster."""

    ip: str = ""


def project(
    pod: Pod, state: PodState, address: HostAddress, *, before: PodStatus | None = None
) -> PodStatus:
    """The status of `pod`; every field that this node owns.

    Args:
        before: the last that was told, be it by another kubelet; a condition that is as it was
            keeps its time. None if there was none.
    """
    if state.settled_as:
        return pod.status
    if state.rejection is not None:
        return PodStatus(
            phase=PodPhase.FAILED.value,
            reason=state.rejection.reason,
            message=f"Pod was rejected: {state.rejection.message}",
            observed_generation=pod.metadata.generation,
            start_time=to_rfc3339(state.accepted_at),
        )
    phase = phase_of(pod.spec, state)
    by_name = sorted(pod.spec.containers, key=lambda c: c.name)
    return PodStatus(
        phase=phase.value,
        observed_generation=pod.metadata.generation,
        conditions=conditions(pod, state, phase, before.conditions if before else ()),
        host_ip=address.ip,
        host_ips=(HostIP(ip=address.ip),) if address.ip else (),
        pod_ip=address.ip,
        pod_ips=(PodIP(ip=address.ip),) if address.ip else (),
        start_time=to_rfc3339(state.accepted_at),
        init_container_statuses=_statuses(pod.spec, pod.spec.init_containers, state),
        container_statuses=_statuses(pod.spec, by_name, state),
    )


def phase_of(spec: PodSpec, state: PodState) -> PodPhase:
    """The phase; a terminal one only once nothing runs any more, and then for ever."""
    apps = [state.containers[c.name] for c in spec.containers]
    if state.rejection is not None:
        return PodPhase.FAILED
    if is_over(spec, state):
        ended_well = all(app.end is not None and app.end.code == 0 for app in apps)
        return PodPhase.SUCCEEDED if ended_well else PodPhase.FAILED
    if all(app.has_begun for app in apps):
        return PodPhase.RUNNING
    return PodPhase.PENDING


def _statuses(
    spec: PodSpec, containers: Sequence[Container], pod: PodState
) -> tuple[ContainerStatus, ...]:
    return tuple(_status(spec, c, pod) for c in containers)


def _status(spec: PodSpec, container: Container, pod: PodState) -> ContainerStatus:
    state = pod.containers[container.name]
    now, last = _now_and_last(spec, container, pod)
    message_bytes = share(spec)
    is_regular_init = container in spec.init_containers and not is_sidecar(container)
    return ContainerStatus(
        name=container.name,
        state=_shortened(now, message_bytes),
        last_state=_shortened(_terminated(last), message_bytes) if last else StateStatus(),
        ready=state.has_succeeded if is_regular_init else state.is_up,
        started=state.is_up,
        restart_count=state.restarts,
        image=container.image,
        image_id=state.image_id if state.has_begun else "",
        container_id=_shown_id(state),
        allocated_resources=container.resources.requests if state.has_begun else {},
        resources=_resources(container, state) if state.has_begun else None,
        volume_mounts=tuple(_volume_mount(mount) for mount in container.volume_mounts),
    )


def _shown_id(state: ContainerState) -> str:
    """Of the run that is on or was last, not of one that is only being created."""
    if state.is_up:
        return f"{ID_SCHEME}://{state.container_id}"
    return f"{ID_SCHEME}://{state.end.container_id}" if state.end is not None else ""


def _resources(container: Container, state: ContainerState) -> ResourceRequirements:
    """What it is held to while it runs, else what it would be."""
    if state.is_up and state.given is not None:
        return state.given.own
    return container.resources


def _volume_mount(mount: VolumeMount) -> VolumeMountStatus:
    return VolumeMountStatus(
        name=mount.name,
        mount_path=mount.mount_path,
        read_only=mount.read_only,
        recursive_read_only=RecursiveReadOnly.DISABLED.value if mount.read_only else None,
    )


def _now_and_last(
    spec: PodSpec, container: Container, pod: PodState
) -> tuple[StateStatus, End | None]:
    state = pod.containers[container.name]
    if state.is_up and state.started_at is not None:
        running = RunningStatus(started_at=to_rfc3339(state.started_at))
        return StateStatus(running=running), state.end
    waiting = None if pod.is_deleted else state.waiting  # what is deleted waits for nothing
    if waiting is not None:
        status = WaitingStatus(reason=waiting.reason, message=waiting.message)
        return StateStatus(waiting=status), state.end
    if state.end is not None:
        return _terminated(state.end), state.previous
    if _was_cut_short(spec, container, pod):
        return StateStatus(terminated=_NEVER_RAN), None
    # The kubelet's default for every container that has not run, as long as there are inits.
    reason = "PodInitializing" if spec.init_containers else "ContainerCreating"
    return StateStatus(waiting=WaitingStatus(reason=reason)), None


_NEVER_RAN: Final = TerminatedStatus(
    exit_code=UNKNOWN_CODE, reason=UNKNOWN, message=UNKNOWN_MESSAGE
)


def _was_cut_short(spec: PodSpec, container: Container, pod: PodState) -> bool:
    """Whether it would have run by now, had the pod not been deleted; counts as a failure."""
    if not (pod.is_deleted and is_over(spec, pod)):
        return False
    return not pending_inits(spec, pod) or container == spec.init_containers[0]


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


def _shortened(state: StateStatus, most_bytes: int) -> StateStatus:
    """With no more of the message of its end than that."""
    ended = state.terminated
    if ended is None or len(ended.message) * 4 <= most_bytes:  # no character takes more
        return state
    message = cut(ended.message, most_bytes)
    return StateStatus(terminated=msgspec.structs.replace(ended, message=message))
