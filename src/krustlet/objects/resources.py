"""What the containers of a pod ask for together.

Source: component-helpers `resource/helpers.go`, `AggregateContainerRequests`, `PodRequests` and
`PodLimits`; kubernetes pkg/apis/core/v1/helper/qos, `ComputePodQOS`.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Final

from krustlet.objects.container import ContainerCommon, ResourceRequirements
from krustlet.objects.pod import PodSpec
from krustlet.objects.quantity import Quantity, exact
from krustlet.objects.words import QOSClass, RestartPolicy

Amounts = Mapping[str, Decimal]
_Asked = Callable[[ResourceRequirements], Mapping[str, Quantity]]

_POD_LEVEL: Final = ("cpu", "memory")
_HUGE_PAGES: Final = "hugepages-"
_CLASSIFIED: Final = ("cpu", "memory")


def container_requests(spec: PodSpec) -> Amounts:
    """The most that the containers of a pod request at any one time, by resource name.

    Init containers run one after the other, beside the sidecars started before them; then the app
    containers run beside all sidecars.

    Raises:
        QuantityError: one of the requests cannot be read.
    """
    return _together(spec, _requests)


def pod_requests(spec: PodSpec) -> Amounts:
    """What the pod asks for: what it says as a whole, else its containers; and its overhead.

    Raises:
        QuantityError: an amount cannot be read.
    """
    asked = {**_together(spec, _requests), **_of_the_whole(spec, _requests)}
    return _sum(asked, _amounts(spec.overhead))


def pod_limits(spec: PodSpec) -> Amounts:
    """What the pod may use at most: what it says as a whole, else its containers together.

    A container without a limit counts as none; whoever wants to enforce this asks first whether
    all have one: see `phase_limits`. Overhead is added to what is limited.

    Raises:
        QuantityError: an amount cannot be read.
    """
    limits = {**_together(spec, _limits), **_of_the_whole(spec, _limits)}
    overhead = _amounts(spec.overhead)
    limited = {name: amount for name, amount in limits.items() if amount}
    return {**limits, **_sum(limited, {n: a for n, a in overhead.items() if n in limited})}


def phase_limits(spec: PodSpec) -> Iterator[Amounts]:
    """The limits of each app container; of each init container with the sidecars before it."""
    for container in spec.containers:
        yield _amounts(container.resources.limits)
    for _, beside in _inits(spec, _limits):
        yield beside


def has_pod_level(spec: PodSpec) -> bool:
    """Whether the pod says as a whole what it asks for, or may use."""
    return bool(_of_the_whole(spec, _requests) or _of_the_whole(spec, _limits))


def qos_class(spec: PodSpec) -> QOSClass:
    """How well the pod is served when there is not enough for all.

    Raises:
        QuantityError: an amount cannot be read.
    """
    if spec.resources is not None:
        asking = [spec.resources]
    else:
        asking = [c.resources for c in (*spec.containers, *spec.init_containers)]
    requests: Amounts = {}
    limits: Amounts = {}
    all_limited = True
    for resources in asking:
        requests = _sum(requests, _classified(resources.requests))
        limits = _sum(limits, limited := _classified(resources.limits))
        if len(limited) < len(_CLASSIFIED):
            all_limited = False
    if not requests and not limits:
        return QOSClass.BEST_EFFORT
    if all_limited and requests == limits:
        return QOSClass.GUARANTEED
    return QOSClass.BURSTABLE


def _classified(quantities: Mapping[str, Quantity]) -> Amounts:
    return {n: a for n, a in _amounts(quantities).items() if n in _CLASSIFIED and a > 0}


def _requests(resources: ResourceRequirements) -> Mapping[str, Quantity]:
    return resources.requests


def _limits(resources: ResourceRequirements) -> Mapping[str, Quantity]:
    return resources.limits


def _together(spec: PodSpec, asked: _Asked) -> Amounts:
    together: Amounts = {}
    peak: Amounts = {}
    for container, beside in _inits(spec, asked):
        peak = _largest(peak, beside)
        if _is_sidecar(container):
            together = beside
    for app in spec.containers:
        together = _sum(together, _amounts(asked(app.resources)))
    return _largest(peak, together)


def _inits(spec: PodSpec, asked: _Asked) -> Iterator[tuple[ContainerCommon, Amounts]]:
    """Each init container, and what it asks for together with the sidecars before it."""
    sidecars: Amounts = {}
    for container in spec.init_containers:
        beside = _sum(sidecars, _amounts(asked(container.resources)))
        if _is_sidecar(container):
            sidecars = beside
        yield container, beside


def _is_sidecar(init: ContainerCommon) -> bool:
    return init.restart_policy == RestartPolicy.ALWAYS


def _of_the_whole(spec: PodSpec, asked: _Asked) -> Amounts:
    if spec.resources is None:
        return {}
    amounts = _amounts(asked(spec.resources))
    return {
        name: amount
        for name, amount in amounts.items()
        if name in _POD_LEVEL or name.startswith(_HUGE_PAGES)
    }


def _amounts(quantities: Mapping[str, Quantity]) -> Amounts:
    return {resource: exact(quantity) for resource, quantity in quantities.items()}


def _sum(one: Amounts, other: Amounts) -> Amounts:
    total = defaultdict(Decimal, one)
    for resource, amount in other.items():
        total[resource] += amount
    return dict(total)


def _largest(one: Amounts, other: Amounts) -> Amounts:
    names = [*one, *(name for name in other if name not in one)]
    return {name: max(one.get(name, Decimal()), other.get(name, Decimal())) for name in names}
