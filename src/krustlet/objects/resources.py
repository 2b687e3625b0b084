"""What the containers of a pod ask for together.

Source: component-helpers `resource/helpers.go`, `AggregateContainerRequests`.
"""

from collections import defaultdict
from collections.abc import Mapping
from decimal import Decimal

from krustlet.objects.pod import PodSpec
from krustlet.objects.quantity import Quantity, exact
from krustlet.objects.words import RestartPolicy

Amounts = Mapping[str, Decimal]


def container_requests(spec: PodSpec) -> Amounts:
    """The most that the containers of a pod request at any one time, by resource name.

    Init containers run one after the other, beside the sidecars started before them; then the app
    containers run beside all sidecars.

    Raises:
        QuantityError: one of the requests cannot be read.
    """
    sidecars: Amounts = {}
    peak: Amounts = {}
    for container in spec.init_containers:
        asked = _amounts(container.resources.requests)
        if container.restart_policy == RestartPolicy.ALWAYS:
            sidecars = _sum(sidecars, asked)
            peak = _largest(peak, sidecars)
        else:
            peak = _largest(peak, _sum(sidecars, asked))
    together = sidecars
    for container in spec.containers:
        together = _sum(together, _amounts(container.resources.requests))
    return _largest(peak, together)


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
