"""Other resources for a container that runs: what that takes, and how it is told of. Pure.

Source: kubernetes pkg/kubelet/kuberuntime/kuberuntime_manager.go, `computePodResizeAction`;
pkg/kubelet/events/resize.go.
"""

from collections.abc import Iterable
from typing import Any, Final

import msgspec

from krustlet.base import KrustletError
from krustlet.objects import Container, Pod, Quantity, ResizePolicy, exact
from krustlet.pods.state import Allotment

COMPLETED: Final = "ResizeCompleted"
FAILED: Final = "ResizeError"
_RESIZABLE: Final = ("cpu", "memory")


class ResizeUnsupported(KrustletError):
    """What runs the containers of this node cannot change what they may use."""

    reason = FAILED

    def __init__(self) -> None:
        super().__init__(
            "this node cannot change the resources of a container that runs",
            hint="delete the pod, so that it is made anew",
        )


def has_to_restart(container: Container, given: Allotment) -> bool:
    """Whether the container wants to be started anew for what changes."""
    restarting = {
        policy.resource_name
        for policy in container.resize_policy
        if policy.restart_policy == ResizePolicy.RESTART_CONTAINER
    }
    wanted = container.resources
    return any(
        _differ(wanted.limits.get(name), given.own.limits.get(name))
        or _differ(wanted.requests.get(name), given.own.requests.get(name))
        for name in _RESIZABLE
        if name in restarting
    )


def _differ(one: Quantity | None, other: Quantity | None) -> bool:
    if one is None or other is None:
        return one is not other
    return exact(one) != exact(other)


def told_of(pod: Pod, *, error: str = "") -> str:
    """The event's message: what all containers are to have, as a kubelet writes it."""
    summary: dict[str, Any] = {}
    if pod.spec.init_containers:
        summary["initContainers"] = _allocations(pod.spec.init_containers)
    summary["containers"] = _allocations(pod.spec.containers)
    summary["generation"] = pod.metadata.generation
    if error:
        summary["error"] = error
    words = "Pod resize error" if error else "Pod resize completed"
    return f"{words}: {msgspec.json.encode(summary).decode()}"


def _allocations(containers: Iterable[Container]) -> list[dict[str, Any]]:
    return [{"name": c.name, "resources": c.resources} for c in containers]
