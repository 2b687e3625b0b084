"""What is wrong with limits and requests."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from krustlet.base import did_you_mean
from krustlet.objects.container import (
    ContainerCommon,
    ContainerResizePolicy,
    ResourceRequirements,
)
from krustlet.objects.errors import QuantityError
from krustlet.objects.path import FieldPath
from krustlet.objects.quantity import Quantity, exact
from krustlet.objects.validation.problem import (
    Problem,
    Problems,
    listed,
    one_of,
    quantity,
    required,
)
from krustlet.objects.validation.syntax import qualified_name
from krustlet.objects.words import ResizePolicy, RestartPolicy

_STANDARD: Final = ("cpu", "memory", "ephemeral-storage")
_HUGE_PAGES: Final = "hugepages-"
_QUOTAS: Final = "requests."
_RESIZABLE: Final = ("cpu", "memory")


def resources(at: FieldPath, wanted: ResourceRequirements) -> Problems:
    yield from amounts(at / "limits", wanted.limits)
    # a request that was filled in from its limit has nothing wrong of its own
    own = {name: q for name, q in wanted.requests.items() if wanted.limits.get(name) != q}
    yield from amounts(at / "requests", own)
    for resource, request in wanted.requests.items():
        limit = wanted.limits.get(resource)
        yield from _request(at, resource, request=request, limit=limit)


def amounts(at: FieldPath, wanted: Mapping[str, Quantity]) -> Problems:
    """Also of a pod's overhead."""
    for resource, amount in wanted.items():
        yield from _resource_name(at / resource, resource)
        yield from quantity(at / resource, amount)
        yield from _whole(at / resource, resource, amount)


def _resource_name(at: FieldPath, resource: str) -> Problems:
    if resource.startswith(_QUOTAS) and "/" in resource:
        yield Problem(at, f"`{resource}` is what a quota calls `{resource.removeprefix(_QUOTAS)}`")
    elif "/" in resource:
        yield from qualified_name(at, resource)
    elif resource not in _STANDARD and not resource.startswith(_HUGE_PAGES):
        hint = did_you_mean(resource, _STANDARD) or f"{listed(_STANDARD)} or a name with a domain"
        yield Problem(at, f"`{resource}` is no resource", hint)


def _is_countable(resource: str) -> bool:
    """Devices and pages are handed out whole, and never to more than there are."""
    return "/" in resource or resource.startswith(_HUGE_PAGES)


def _whole(at: FieldPath, resource: str, amount: Quantity) -> Problems:
    value = _readable(amount)
    if "/" in resource and value is not None and value != value.to_integral_value():
        yield Problem(at, f"`{amount}` is not a whole number")


def _request(
    at: FieldPath, resource: str, *, request: Quantity, limit: Quantity | None
) -> Problems:
    where = at / "requests" / resource
    if limit is None:
        if _is_countable(resource):
            yield Problem(where, "needs a limit of the same amount", f"see `{at / 'limits'}`")
        return
    asked, most = _readable(request), _readable(limit)
    if asked is None or most is None:
        return
    if asked > most:
        yield Problem(where, f"`{request}` is more than the limit `{limit}`")
    elif asked < most and _is_countable(resource):
        yield Problem(where, f"`{request}` is not the limit `{limit}`", "it must be the same")


def _readable(amount: Quantity) -> Decimal | None:
    try:
        return exact(amount)
    except QuantityError:
        return None  # and a problem of its own


def resize_policies(at: FieldPath, container: ContainerCommon, pod_policy: str) -> Problems:
    seen: set[str] = set()
    for index, policy in enumerate(container.resize_policy):
        yield from _resize_policy(at / index, policy, pod_policy)
        if policy.resource_name in seen:
            taken = f"`{policy.resource_name}` has a policy already"
            yield Problem(at / index / "resourceName", taken)
        seen.add(policy.resource_name)


def _resize_policy(at: FieldPath, policy: ContainerResizePolicy, pod_policy: str) -> Problems:
    yield from required(at / "resourceName", policy.resource_name)
    if policy.resource_name and policy.resource_name not in _RESIZABLE:
        unknown = f"`{policy.resource_name}` is none of {listed(_RESIZABLE)}"
        yield Problem(at / "resourceName", unknown, did_you_mean(policy.resource_name, _RESIZABLE))
    yield from required(at / "restartPolicy", policy.restart_policy)
    yield from one_of(at / "restartPolicy", policy.restart_policy, ResizePolicy)
    restarts = policy.restart_policy == ResizePolicy.RESTART_CONTAINER
    if pod_policy == RestartPolicy.NEVER and restarts:
        yield Problem(
            at / "restartPolicy",
            "cannot be `RestartContainer` in a pod that is never restarted",
            "write `NotRequired`",
        )
