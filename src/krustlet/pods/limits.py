"""What a container, and its pod, may use: Kubernetes' arithmetic from requests and limits. Pure.

Leaves enforcing it to the runtime.

Source: kubernetes pkg/kubelet/cm/helpers_linux.go, `MilliCPUToShares`, `MilliCPUToQuota` and
`ResourceConfigForPod`; pkg/kubelet/kuberuntime/kuberuntime_container_linux.go,
`calculateLinuxResources`.
"""

from collections.abc import Mapping
from decimal import ROUND_UP, Decimal
from typing import Final

from krustlet.cgroups import MOST_MEMORY_BYTES, MOST_QUOTA_US, Limits
from krustlet.objects import (
    Amounts,
    ContainerCommon,
    PodSpec,
    QOSClass,
    exact,
    has_pod_level,
    phase_limits,
    pod_limits,
    pod_requests,
    qos_class,
)

_CPU: Final = "cpu"
_MEMORY: Final = "memory"
_NOTHING: Final = Decimal()

_SHARES_PER_CPU: Final = 1024
_MIN_SHARES: Final = 2  # these two are the kernel's own bounds
_MAX_SHARES: Final = 262_144
_PERIOD_US: Final = 100_000
_MIN_QUOTA_US: Final = 1000  # the kernel takes no less


def cpu_shares(millis: int) -> int:
    """The part of a processor that `millis` thousandths of one stand for; 1024 is one whole."""
    return min(max(millis * _SHARES_PER_CPU // 1000, _MIN_SHARES), _MAX_SHARES)


def cpu_quota_us(millis: int) -> int | None:
    """Processor time in each tenth of a second, as near as the kernel can have it; None where
    nothing is limited."""
    if not millis:
        return None
    return min(max(millis * _PERIOD_US // 1000, _MIN_QUOTA_US), MOST_QUOTA_US)


def memory_bytes(amount: Decimal) -> int | None:
    """As near as the kernel can have it; None where nothing is limited."""
    return min(_whole(amount), MOST_MEMORY_BYTES) or None


def container_limits(spec: PodSpec, container: ContainerCommon) -> Limits:
    """What one container may use; what it has no limit for is limited by its pod's as a whole.

    Raises:
        QuantityError: an amount cannot be read.
    """
    cpu_limit = _limit(spec, container, _CPU)
    request = container.resources.requests.get(_CPU)
    cpu_request = exact(request) if request is not None else cpu_limit
    return Limits(
        memory_bytes=memory_bytes(_limit(spec, container, _MEMORY)),
        cpu_shares=cpu_shares(_millis(cpu_request)),
        cpu_quota_us=cpu_quota_us(_millis(cpu_limit)),
    )


def _limit(spec: PodSpec, container: ContainerCommon, resource: str) -> Decimal:
    own = exact(container.resources.limits.get(resource, "0"))
    if own or spec.resources is None:
        return own
    return exact(spec.resources.limits.get(resource, "0"))


def limits_of_pod(spec: PodSpec, *, pids: int | None = None) -> Limits:
    """What all containers of a pod may use together: limited only by what limits each of them.

    Args:
        pids: processes and threads that the node lets a pod have.

    Raises:
        QuantityError: an amount cannot be read.
    """
    if qos_class(spec) is QOSClass.BEST_EFFORT:
        return Limits(cpu_shares=_MIN_SHARES, pids=pids)
    limits = pod_limits(spec)
    enforced = {name: limits[name] for name in _declared(spec)}
    return Limits(
        memory_bytes=memory_bytes(enforced.get(_MEMORY, _NOTHING)),
        cpu_shares=cpu_shares(_millis(pod_requests(spec).get(_CPU, _NOTHING))),
        cpu_quota_us=cpu_quota_us(_millis(enforced.get(_CPU, _NOTHING))),
        pids=pids,
    )


def _declared(spec: PodSpec) -> frozenset[str]:
    """The resources that every container has a limit for, or the pod as a whole."""
    containers: list[Amounts] = list(phase_limits(spec))
    whole: Mapping[str, str] = {}
    if spec.resources is not None and has_pod_level(spec):
        whole = spec.resources.limits
    return frozenset(
        name
        for name in (_CPU, _MEMORY)
        if exact(whole.get(name, "0")) or all(limits.get(name) for limits in containers)
    )


def _whole(amount: Decimal) -> int:
    """As `Quantity.Value`: rounded up."""
    return int(amount.to_integral_value(ROUND_UP))


def _millis(amount: Decimal) -> int:
    """As `Quantity.MilliValue`: rounded up."""
    return _whole(amount.scaleb(3))
