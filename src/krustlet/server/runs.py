"""Which run of a container has the log that is asked for, and whether it is over. Pure.

Source: kubernetes pkg/kubelet/kubelet_pods.go `validateContainerLogStatus`.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from krustlet.objects import ContainerStateTerminated, ContainerStatus, Pod

_PULL_FAILURES: Final = {
    "ErrImagePull": "image can't be pulled",
    "ImagePullBackOff": "trying and failing to pull image",
}


class LogUnavailable(Exception):
    """There is no such log, or not yet; the text is for whoever asked."""


class Run(NamedTuple):
    """One run of a container.

    Attributes:
        restart: its number, as in the name of its log.
        is_over: its log is complete.
        container_id: as the status has it.
    """

    restart: int
    is_over: bool
    container_id: str


def find_run(pod: Pod, container: str, *, previous: bool) -> Run:
    """The run whose log is meant: the one that is on, else the last; or the one before it.

    Raises:
        LogUnavailable: there was none.
    """
    whose = f"container {quoted(container)} in pod {quoted(pod.name)}"
    status = next((s for s in _statuses(pod) if s.name == container), None)
    if status is None:
        raise LogUnavailable(f"{whose} is not available")
    count, last = status.restart_count, status.last_state.terminated
    running, terminated = status.state.running, status.state.terminated
    # While nothing has run since the last end, that end is of the latest run.
    before = count - 1 if running is not None or terminated is not None else count
    if previous:
        if last is None or not last.container_id or before < 0:
            raise LogUnavailable(f"previous terminated {whose} not found")
        return _over(before, last)
    if running is not None:
        return Run(count, False, status.container_id)
    if terminated is not None and terminated.container_id:
        return _over(count, terminated)
    if last is not None and last.container_id:
        return _over(max(before, 0), last)
    if terminated is not None or last is not None:
        raise LogUnavailable(f"{whose} is terminated")
    waiting = status.state.waiting
    if waiting is None:
        raise LogUnavailable(f"{whose} is waiting to start - no logs yet")
    why = _PULL_FAILURES.get(waiting.reason, waiting.reason)
    raise LogUnavailable(f"{whose} is waiting to start: {why}")


def running(pod: Pod) -> Mapping[str, int]:
    """The containers that run, and the number of each one's run."""
    return {s.name: s.restart_count for s in _statuses(pod) if s.state.running is not None}


def is_over(pod: Pod, container: str, restart: int) -> bool:
    """Whether a run that was on is not any more."""
    status = next((s for s in _statuses(pod) if s.name == container), None)
    return status is None or status.restart_count != restart or status.state.running is None


def quoted(text: str) -> str:
    """As Go's `%q` writes it."""
    return json.dumps(text, ensure_ascii=False)


def _over(restart: int, end: ContainerStateTerminated) -> Run:
    return Run(restart, True, end.container_id)


def _statuses(pod: Pod) -> Iterator[ContainerStatus]:
    yield from pod.status.container_statuses
    yield from pod.status.init_container_statuses
    yield from pod.status.ephemeral_container_statuses
