"""What is said of a pod that is over, in one line."""

from collections.abc import Iterator
from typing import Final

from krustlet.objects import ContainerStateTerminated, Pod
from krustlet.process import START_ERROR

_MOST: Final = 5  # of a hundred containers, the fate of each would fill the screen
_ALWAYS: Final = "Always"
_TERMINATED_CODE: Final = 143  # 128 + SIGTERM: it was asked to end, and did


def ending(pod: Pod, *, stopped: bool = False) -> str:
    """`pod hello: Succeeded`, and how each container ended that did not end well.

    Args:
        stopped: it was told to end before it was over by itself; what its phase would call a
            failure is then nobody's.
    """
    ends = list(_ends(pod, stopped=stopped))
    shown = ends[:_MOST]
    if len(ends) > _MOST:
        shown.append(f"and {len(ends) - _MOST} more")
    outcome = "stopped" if stopped and pod.status.phase else pod.status.phase or "not started"
    return f"pod {pod.name}: {outcome}" + (f" ({'; '.join(shown)})" if shown else "")


def _ends(pod: Pod, *, stopped: bool) -> Iterator[str]:
    sidecars = {c.name for c in pod.spec.init_containers if c.restart_policy == _ALWAYS}
    statuses = [
        *((f"init container {s.name}", s) for s in pod.status.init_container_statuses),
        *((s.name, s) for s in pod.status.container_statuses),
    ]
    for name, status in statuses:
        end = status.state.terminated
        is_asked = stopped or status.name in sidecars  # a sidecar ends when it is no longer needed
        if end is not None and not (_is_good(end) or (is_asked and _is_obedient(end))):
            yield f"{name}: {_end(end)}"
        if status.restart_count and status.name not in sidecars:
            yield f"{name}: {status.restart_count} restarts"


def _end(end: ContainerStateTerminated) -> str:
    why = f": {end.message}" if end.reason == START_ERROR and end.message else ""
    return f"{end.reason}, exit code {end.exit_code}{why}"


def _is_good(end: ContainerStateTerminated) -> bool:
    return end.exit_code == 0 and end.reason == "Completed"


def _is_obedient(end: ContainerStateTerminated) -> bool:
    return end.exit_code == _TERMINATED_CODE
