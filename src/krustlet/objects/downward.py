"""What a pod may be told of itself: its fields, and its containers' resources. Pure.

Source: kubernetes `pkg/fieldpath/fieldpath.go`, `pkg/api/v1/resource/helpers.go`; pkg/kubelet,
`podFieldSelectorRuntimeValue` and `defaultPodLimitsForDownwardAPI`.
"""

import re
from collections.abc import Callable, Mapping
from typing import Final

import msgspec

from krustlet.objects.container import ContainerCommon
from krustlet.objects.errors import ObjectError
from krustlet.objects.pod import Pod, PodSpec
from krustlet.objects.quantity import Quantity, as_int, exact, millis
from krustlet.objects.selector import ResourceFieldSelector

Allocatable = Mapping[str, Quantity]
"""What the node has for pods, by resource name."""


class FieldUnknown(ObjectError):
    """The pod has no such field that it could be told, or nobody here knows its value."""


class Addresses(msgspec.Struct, frozen=True, kw_only=True):
    """Where a pod and its node are reached; empty where nobody knows. The first is the main one."""

    host_ips: tuple[str, ...] = ()
    pod_ips: tuple[str, ...] = ()


# fields -----------------------------------------------------------------------------------------

_SUBSCRIPTED: Final = re.compile(r"(metadata\.(?:labels|annotations))\['(.*)'\]", re.DOTALL)

_OF_THE_POD: Final[Mapping[str, Callable[[Pod], str]]] = {
    "metadata.name": lambda pod: pod.name,
    "metadata.namespace": lambda pod: pod.namespace,
    "metadata.uid": lambda pod: pod.uid,
    "metadata.labels": lambda pod: _as_lines(pod.metadata.labels),
    "metadata.annotations": lambda pod: _as_lines(pod.metadata.annotations),
    "spec.nodeName": lambda pod: pod.spec.node_name,
    "spec.serviceAccountName": lambda pod: pod.spec.service_account_name,
}
_OF_ITS_PLACE: Final[Mapping[str, Callable[[Addresses], tuple[str, ...]]]] = {
    "status.hostIP": lambda addresses: addresses.host_ips[:1],
    "status.hostIPs": lambda addresses: addresses.host_ips,
    "status.podIP": lambda addresses: addresses.pod_ips[:1],
    "status.podIPs": lambda addresses: addresses.pod_ips,
}


def field_value(pod: Pod, path: str, addresses: Addresses) -> str:
    """The text of a `fieldRef`; a label or annotation that the pod lacks is empty.

    Raises:
        FieldUnknown: there is no such field, or the address is not known.
    """
    if subscripted := _SUBSCRIPTED.fullmatch(path):
        where, key = subscripted.groups()
        of_them = pod.metadata.labels if where == "metadata.labels" else pod.metadata.annotations
        return of_them.get(key, "")
    if path in _OF_THE_POD:
        return _OF_THE_POD[path](pod)
    if path not in _OF_ITS_PLACE:
        raise FieldUnknown(f"unsupported fieldPath: {path}", hint="see `kubectl explain pod`")
    if not (ips := _OF_ITS_PLACE[path](addresses)):
        raise FieldUnknown(f"{path} is not known here", hint="a node of a cluster knows it")
    return ",".join(ips)


def _as_lines(texts: Mapping[str, str]) -> str:
    """`key="value"`, one a line, in the order of the keys."""
    return "\n".join(f"{key}={_quoted(text)}" for key, text in sorted(texts.items()))


_ESCAPES: Final = {
    ord(char): f"\\{letter}" for char, letter in zip('\a\b\f\n\r\t\v\\"', 'abfnrtv\\"', strict=True)
}


def _quoted(text: str) -> str:
    """As Go's `strconv.Quote`: what cannot be seen is escaped."""
    return '"' + "".join(map(_escaped, text)) + '"'


def _escaped(char: str) -> str:
    if (code := ord(char)) in _ESCAPES:
        return _ESCAPES[code]
    if char.isprintable():
        return char
    if code < ord(" ") or code == 0x7F:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


# resources --------------------------------------------------------------------------------------

_CPU: Final = "cpu"
_DEFAULTED: Final = (_CPU, "memory", "ephemeral-storage")
_POD_LEVEL: Final = (_CPU, "memory")
_HUGE_PAGES: Final = "hugepages-"


def resource_value(
    container: ContainerCommon, selector: ResourceFieldSelector, allocatable: Allocatable
) -> str:
    """The text of a `resourceFieldRef`: whole divisors, rounded up.

    A limit that is not set is what the node has; a request that is not set is 0.

    Raises:
        FieldUnknown: there is no such resource; or no limit, and it is not known what the node has.
        QuantityError: an amount cannot be read.
    """
    kind, _, name = selector.resource.partition(".")
    if kind not in ("limits", "requests") or not (
        name in _DEFAULTED or name.startswith(_HUGE_PAGES)
    ):
        raise FieldUnknown(
            f"unsupported container resource : {selector.resource}",
            hint=f"one of limits or requests, and one of {', '.join(_DEFAULTED)}",
        )
    if kind == "limits":
        amount = _limit(container, name, allocatable)
    else:
        amount = container.resources.requests.get(name, _NOTHING)
    return str(_in_divisors(amount, selector.divisor, millis if name == _CPU else as_int))


_NOTHING: Final = Quantity("0")


def _limit(container: ContainerCommon, name: str, allocatable: Allocatable) -> Quantity:
    limit = container.resources.limits.get(name, _NOTHING)
    if exact(limit) or name not in _DEFAULTED:  # huge pages are never given twice
        return limit
    if name not in allocatable:
        raise FieldUnknown(
            f"container {container.name!r} has no limit for {name}, and it is not known what the "
            "node has",
            hint=f"set resources.limits.{name}",
        )
    return allocatable[name]


def _in_divisors(
    amount: Quantity, divisor: Quantity | None, counted: Callable[[Quantity], int]
) -> int:
    unit = divisor if divisor is not None and exact(divisor) else Quantity("1")
    return -(-counted(amount) // counted(unit))


def allocatable_to(spec: PodSpec, allocatable: Allocatable) -> Allocatable:
    """What the node has for this pod: no more than the limits of the pod as a whole."""
    of_pod = spec.resources.limits if spec.resources is not None else {}
    lowered = {name: of_pod[name] for name in _POD_LEVEL if name in of_pod and exact(of_pod[name])}
    return {**allocatable, **lowered}


def container_named(spec: PodSpec, name: str) -> ContainerCommon:
    """The app or init container of that name.

    Raises:
        FieldUnknown: the pod has none.
    """
    for container in (*spec.containers, *spec.init_containers):
        if container.name == name:
            return container
    raise FieldUnknown(f"container {name} not found", hint="see spec.containers")
