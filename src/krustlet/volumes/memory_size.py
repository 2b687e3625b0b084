"""Say how much an emptyDir in memory may hold; pure.

Source: kubernetes pkg/volume/emptydir, `calculateEmptyDirMemorySize`; pkg/kubelet/cm,
`ResourceConfigForPod`.
"""

from decimal import ROUND_UP
from typing import Final

from krustlet.objects import Allocatable, Pod, PodSpec, as_int, exact, phase_limits, pod_limits

_MEMORY: Final = "memory"


def memory_size(pod: Pod, size_limit: str | None, allocatable: Allocatable) -> int | None:
    """The least of the volume's own limit, the pod's, and what the node has; None if none is known.

    Raises:
        QuantityError: an amount cannot be read.
    """
    known = [_limit_of(pod.spec)]
    if size_limit is not None:
        known.append(as_int(size_limit))
    if _MEMORY in allocatable:
        known.append(as_int(allocatable[_MEMORY]))
    return min((size for size in known if size > 0), default=None)


def _limit_of(spec: PodSpec) -> int:
    """What the containers of a pod may use together; 0 for any amount: if one of them may."""
    whole = spec.resources.limits.get(_MEMORY, "0") if spec.resources is not None else "0"
    if exact(whole) or all(limits.get(_MEMORY) for limits in phase_limits(spec)):
        limit = pod_limits(spec).get(_MEMORY)
        return int(limit.to_integral_value(ROUND_UP)) if limit is not None else 0
    return 0
