"""What a list of pods says of each: as `kubectl get pods` does. Pure.

Source: kubernetes pkg/printers/internalversion/printers.go `printPod`, and
k8s.io/apimachinery pkg/util/duration `HumanDuration`.
"""

from collections.abc import Iterable
from typing import Final, NamedTuple

from krustlet.base import Instant
from krustlet.objects import (
    ContainerState,
    ContainerStatus,
    Pod,
    PodConditionType,
    RestartPolicy,
    from_rfc3339,
)

_TERMINAL: Final = ("Succeeded", "Failed")
_MINUTE: Final = 60
_HOUR: Final = 60 * _MINUTE
_DAY: Final = 24 * _HOUR
_YEAR: Final = 365 * _DAY


class Summary(NamedTuple):
    """The columns of one pod."""

    namespace: str
    name: str
    ready: str
    status: str
    restarts: str
    age: str


def summary(pod: Pod, now: Instant) -> Summary:
    """What to say of `pod`."""
    init = _Init.of(pod)
    restarts = _restarted(pod.status.init_container_statuses)
    status = init.status
    ready = init.ready
    if not init.status or _holds(pod, PodConditionType.INITIALIZED):
        main = pod.status.container_statuses
        sidecars = (s for s in pod.status.init_container_statuses if s.name in _sidecars(pod))
        restarts = _restarted((*sidecars, *main))
        status = _main_status(pod, status or _phase(pod))
        ready += sum(s.ready and s.state.running is not None for s in main)
    if pod.metadata.deletion_timestamp is not None and pod.status.phase not in _TERMINAL:
        status = "Unknown" if pod.status.reason == "NodeLost" else "Terminating"
    total = len(pod.spec.containers) + len(_sidecars(pod))
    return Summary(
        namespace=pod.namespace,
        name=pod.name,
        ready=f"{ready}/{total}",
        status=status,
        restarts=_restarts_text(*restarts, now),
        age=age(pod.metadata.creation_timestamp or pod.status.start_time, now),
    )


def age(since: str | None, now: Instant) -> str:
    """How long ago that was, in two units at most."""
    return human_duration(now - from_rfc3339(since)) if since else "<unknown>"


def human_duration(seconds: float) -> str:
    """`90s`, `5m30s`, `12m`, `3h5m`, `30h`, `2d4h`, `100d`, `2y40d`, `9y`."""
    whole = int(seconds)
    if whole < -1:
        return "<invalid>"
    whole = max(whole, 0)
    if whole < 2 * _MINUTE:
        return f"{whole}s"
    for limit, unit, name, smaller, smaller_name in (
        (10 * _MINUTE, _MINUTE, "m", 1, "s"),
        (3 * _HOUR, _MINUTE, "m", 0, ""),
        (8 * _HOUR, _HOUR, "h", _MINUTE, "m"),
        (2 * _DAY, _HOUR, "h", 0, ""),
        (8 * _DAY, _DAY, "d", _HOUR, "h"),
        (2 * _YEAR, _DAY, "d", 0, ""),
        (8 * _YEAR, _YEAR, "y", _DAY, "d"),
    ):
        if whole < limit:
            rest = (whole % unit) // smaller if smaller else 0
            return f"{whole // unit}{name}" + (f"{rest}{smaller_name}" if rest else "")
    return f"{whole // _YEAR}y"


class _Init(NamedTuple):
    """How far the init containers are.

    Attributes:
        status: empty once they are all done.
        ready: sidecars that are.
    """

    status: str
    ready: int

    @classmethod
    def of(cls, pod: Pod) -> "_Init":
        ready, sidecars = 0, _sidecars(pod)
        for number, container in enumerate(pod.status.init_container_statuses):
            end, waiting = container.state.terminated, container.state.waiting
            if end is not None and end.exit_code == 0:
                continue
            if container.name in sidecars and container.started:
                ready += container.ready
                continue
            if end is not None:
                return cls(f"Init:{_end_text(container.state)}", ready)
            if waiting is not None and waiting.reason not in ("", "PodInitializing"):
                return cls(f"Init:{waiting.reason}", ready)
            return cls(f"Init:{number}/{len(pod.spec.init_containers)}", ready)
        return cls("", ready)


def _main_status(pod: Pod, status: str) -> str:
    """What the containers say, the first of them last; `status` if they say nothing."""
    error, is_running = "", False
    for container in reversed(pod.status.container_statuses):
        state = container.state
        if state.waiting is not None and state.waiting.reason:
            status = state.waiting.reason
        elif state.terminated is not None:
            status = _end_text(state)
            if state.terminated.exit_code != 0:
                error = status
        elif container.ready and state.running is not None:
            is_running = True
    if status != "Completed":
        return status
    if is_running and _holds(pod, PodConditionType.READY):
        return "Running"
    return error or ("NotReady" if is_running else status)


def _phase(pod: Pod) -> str:
    for condition in pod.status.conditions:
        if (
            condition.type == PodConditionType.SCHEDULED.value
            and condition.reason == "SchedulingGated"
        ):
            return condition.reason
    return pod.status.reason or pod.status.phase


def _end_text(state: ContainerState) -> str:
    end = state.terminated
    assert end is not None  # the caller saw it
    return end.reason or (f"Signal:{end.signal}" if end.signal else f"ExitCode:{end.exit_code}")


def _sidecars(pod: Pod) -> set[str]:
    always = RestartPolicy.ALWAYS.value
    return {c.name for c in pod.spec.init_containers if c.restart_policy == always}


def _holds(pod: Pod, kind: PodConditionType) -> bool:
    return any(c.type == kind.value and c.status == "True" for c in pod.status.conditions)


def _restarted(statuses: Iterable[ContainerStatus]) -> tuple[int, str]:
    """How often in all, and when last; empty where that is not known."""
    count, last = 0, ""
    for status in statuses:
        count += status.restart_count
        if (end := status.last_state.terminated) is not None:
            last = max(last, end.finished_at or "")
    return count, last


def _restarts_text(count: int, last: str, now: Instant) -> str:
    return f"{count} ({age(last, now)} ago)" if count and last else str(count)
