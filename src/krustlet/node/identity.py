"""What a node says of itself once, when it joins: labels, annotations, taints. Pure.

Source: kubernetes pkg/kubelet/kubelet_node_status.go; plugin/pkg/admission/noderestriction.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from krustlet.node.errors import LabelsRefused
from krustlet.node.settings import NodeSettings
from krustlet.objects import Node, NodeSpec, NodeStatus, ObjectMeta, Taint
from krustlet.settings import ARCHITECTURE

_ANNOTATIONS: Final = {"volumes.kubernetes.io/controller-managed-attach-detach": "true"}
_TYPE: Final = "type"

# What a node may say of itself within the name spaces of Kubernetes.
# Source: kubernetes kubelet/pkg/apis/well_known_labels.go.
_OWN_LABELS: Final = frozenset(
    {
        "kubernetes.io/hostname",
        "kubernetes.io/os",
        "kubernetes.io/arch",
        "beta.kubernetes.io/os",
        "beta.kubernetes.io/arch",
        "node.kubernetes.io/instance-type",
        "beta.kubernetes.io/instance-type",
        "topology.kubernetes.io/zone",
        "topology.kubernetes.io/region",
        "failure-domain.beta.kubernetes.io/zone",
        "failure-domain.beta.kubernetes.io/region",
    }
)
_OWN_NAMESPACES: Final = ("kubelet.kubernetes.io", "node.kubernetes.io")
_RESERVED_NAMESPACES: Final = ("kubernetes.io", "k8s.io")


def labels(settings: NodeSettings) -> dict[str, str]:
    """All labels that the node gives itself.

    Raises:
        LabelsRefused: some are not for a node to give.
    """
    refused = sorted(label for label in settings.labels if not _is_own(label))
    if refused:
        raise LabelsRefused(
            f"a node may not label itself with {', '.join(refused)}",
            hint="within kubernetes.io and k8s.io only what starts with kubelet.kubernetes.io/"
            " or node.kubernetes.io/ is a node's own; let an administrator use kubectl label",
        )
    return {
        "kubernetes.io/hostname": settings.hostname,
        "kubernetes.io/os": "linux",
        "kubernetes.io/arch": ARCHITECTURE,
        "beta.kubernetes.io/os": "linux",
        "beta.kubernetes.io/arch": ARCHITECTURE,
        _TYPE: "krustlet",
        **settings.labels,
    }


def _is_own(label: str) -> bool:
    namespace, slash, _ = label.partition("/")
    if not slash or label in _OWN_LABELS:
        return True
    return _is_within(namespace, _OWN_NAMESPACES) or not _is_within(namespace, _RESERVED_NAMESPACES)


def _is_within(namespace: str, others: Sequence[str]) -> bool:
    return any(namespace == other or namespace.endswith(f".{other}") for other in others)


def new_node(settings: NodeSettings, status: NodeStatus) -> Node:
    """The object to register.

    Raises:
        LabelsRefused: as `labels`.
    """
    return Node(
        metadata=ObjectMeta(name=settings.name, labels=labels(settings), annotations=_ANNOTATIONS),
        spec=NodeSpec(provider_id=settings.provider_id, taints=settings.taints),
        status=status,
    )


def reconciling_patch(wanted: Node, found: Node) -> dict[str, Any]:
    """What brings a node that was registered earlier up to date; empty if nothing has to.

    Labels beside the usual ones are left as they are: an administrator may have changed them.
    """
    usual = {
        label: value
        for label, value in wanted.metadata.labels.items()
        if label in _OWN_LABELS or label == _TYPE
    }
    metadata = {
        "labels": _lacking(usual, found.metadata.labels),
        "annotations": _lacking(wanted.metadata.annotations, found.metadata.annotations),
    }
    patch: dict[str, Any] = {}
    if changes := {name: change for name, change in metadata.items() if change}:
        patch["metadata"] = changes
    if wanted.spec.provider_id and not found.spec.provider_id:
        patch["spec"] = {"providerID": wanted.spec.provider_id}
    return patch


def _lacking(wanted: Mapping[str, str], found: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in wanted.items() if found.get(name) != value}


def missing_taints(wanted: Sequence[Taint], found: Sequence[Taint]) -> list[str]:
    """Those that the node was to have and has not, as `kubectl taint` is told them."""
    there = {_in_words(taint) for taint in found}
    return [words for taint in wanted if (words := _in_words(taint)) not in there]


def _in_words(taint: Taint) -> str:
    value = f"={taint.value}" if taint.value else ""
    return f"{taint.key}{value}:{taint.effect}"
