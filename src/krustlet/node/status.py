"""What a node tells of itself, whether that is news, and how it is written down. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from krustlet.base import Instant
from krustlet.node import resources
from krustlet.node.conditions import OWN, Sightings, conditions
from krustlet.node.machine import Machine
from krustlet.node.settings import NodeSettings
from krustlet.objects import (
    ContainerImage,
    DaemonEndpoint,
    NodeAddress,
    NodeCondition,
    NodeDaemonEndpoints,
    NodeRuntimeHandler,
    NodeRuntimeHandlerFeatures,
    NodeStatus,
    NodeSwapStatus,
    NodeSystemInfo,
)

RUNTIME_HANDLER: Final = "krustlet"
"""What a RuntimeClass names as its handler for pods to come here."""

NAMES_MAX: Final = 5
"""Of one image. Source: kubernetes pkg/kubelet/nodestatus/setters.go."""

_OPERATING_SYSTEM: Final = "linux"
_ARCHITECTURE: Final = "wasm-wasi"  # no image of a container has it, and that is meant
_NO_FEATURES: Final = NodeRuntimeHandlerFeatures(
    recursive_read_only_mounts=False, user_namespaces=False
)
_HANDLERS: Final = tuple(
    NodeRuntimeHandler(name=name, features=_NO_FEATURES) for name in ("", RUNTIME_HANDLER)
)

Patch = dict[str, Any]


class Observed(msgspec.Struct, frozen=True, kw_only=True):
    """All that a status is computed from, beside the settings and the status before.

    Attributes:
        ips: where the node is reached now.
        pressures: those that count now.
        features: those that the node declares.
        trouble: why pods cannot run here; empty if they can.
    """

    machine: Machine
    ips: tuple[str, ...]
    pressures: Sightings
    images: Sequence[ContainerImage]
    features: tuple[str, ...]
    trouble: str
    at: Instant


def status(settings: NodeSettings, observed: Observed, before: NodeStatus) -> NodeStatus:
    """The status as it is now; what others have written into it stays.

    Raises:
        QuantityError: an amount that is reserved is none.
    """
    machine = observed.machine
    capacity = resources.capacity(machine, max_pods=settings.max_pods, before=before.capacity)
    return msgspec.structs.replace(
        before,
        capacity=capacity,
        allocatable=resources.allocatable(
            capacity, reserved=settings.reserved, thresholds=settings.thresholds
        ),
        conditions=conditions(
            before.conditions, observed.pressures, trouble=observed.trouble, now=observed.at
        ),
        addresses=_addresses(settings, observed.ips),
        daemon_endpoints=NodeDaemonEndpoints(kubelet_endpoint=DaemonEndpoint(port=settings.port)),
        node_info=_node_info(settings, machine),
        images=_images(observed.images, settings.images_max),
        runtime_handlers=_HANDLERS,
        declared_features=observed.features,
    )


def _addresses(settings: NodeSettings, ips: Sequence[str]) -> tuple[NodeAddress, ...]:
    return (
        *(NodeAddress(type="InternalIP", address=ip) for ip in ips),
        NodeAddress(type="Hostname", address=settings.hostname),
    )


def _node_info(settings: NodeSettings, machine: Machine) -> NodeSystemInfo:
    return NodeSystemInfo(
        machine_id=machine.id,
        system_uuid=machine.system_uuid,
        boot_id=machine.boot_id,
        kernel_version=machine.kernel_version,
        os_image=machine.os_image,
        container_runtime_version=settings.container_runtime_version,
        kubelet_version=settings.kubelet_version,
        kube_proxy_version="",
        operating_system=_OPERATING_SYSTEM,
        architecture=_ARCHITECTURE,
        swap=NodeSwapStatus(capacity=machine.swap_bytes) if machine.swap_bytes else None,
    )


def _images(images: Sequence[ContainerImage], most: int) -> tuple[ContainerImage, ...]:
    """The largest of those that have a name; in an order that depends on nothing else."""
    named = [(image.names, image.size_bytes) for image in images if image.names]
    named.sort(key=lambda one: (-one[1], one[0]))
    return tuple(
        ContainerImage(names=names[:NAMES_MAX], size_bytes=size_bytes)
        for names, size_bytes in named[: most if most >= 0 else None]
    )


def is_news(before: NodeStatus, after: NodeStatus) -> bool:
    """Whether more differs than the times at which conditions were looked at."""
    return (
        _undated(before.conditions) != _undated(after.conditions)
        or not resources.are_equal(before.capacity, after.capacity)
        or not resources.are_equal(before.allocatable, after.allocatable)
        or _without_what_is_compared(before) != _without_what_is_compared(after)
    )


def _undated(conditions: Sequence[NodeCondition]) -> Mapping[str, NodeCondition]:
    return {
        condition.type: msgspec.structs.replace(condition, last_heartbeat_time=None)
        for condition in conditions
    }


def _without_what_is_compared(status: NodeStatus) -> NodeStatus:
    return msgspec.structs.replace(status, conditions=(), capacity={}, allocatable={})


def status_patch(before: NodeStatus, after: NodeStatus) -> Patch:
    """A strategic merge patch for `/status` that leaves alone what is not ours.

    Conditions are merged by their type, so those of others stay. Addresses would be, too, and so
    lose one of two with the same type: they are replaced whenever they differ.

    Source: kubernetes component-helpers node/util/status.go.
    """
    had, has = msgspec.to_builtins(before), msgspec.to_builtins(after)
    patch = _difference(
        {**had, "conditions": None, "addresses": None},
        {**has, "conditions": None, "addresses": None},
    )
    if before.addresses != after.addresses:
        patch["addresses"] = [*has["addresses"], {"$patch": "replace"}]
    patch["conditions"] = [one for one in has["conditions"] if one["type"] in OWN]
    patch["$setElementOrder/conditions"] = [{"type": kind} for kind in OWN]
    return {"status": patch}


def _difference(had: Patch, has: Patch) -> Patch:
    """What turns one into the other: null removes, maps are merged, all else is replaced."""
    patch: Patch = {}
    for key in had.keys() | has.keys():
        old, new = had.get(key), has.get(key)
        if isinstance(old, dict) and isinstance(new, dict):
            if inner := _difference(old, new):
                patch[key] = inner
        elif old != new:
            patch[key] = new
    return patch
