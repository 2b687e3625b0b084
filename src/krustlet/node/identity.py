"""What a node says of itself once, when it joins: labels, annotations, taints. Pure.

Leaves which labels a node may give itself to `labels.py`.

Source: kubernetes pkg/kubelet/kubelet_node_status.go.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from krustlet.node.labels import check_labels
from krustlet.node.settings import NodeSettings
from krustlet.objects import Node, NodeSpec, NodeStatus, ObjectMeta, Taint
from krustlet.settings import ARCHITECTURE

_ANNOTATIONS: Final = {"volumes.kubernetes.io/controller-managed-attach-detach": "true"}


def labels(settings: NodeSettings) -> dict[str, str]:
    """All labels that the node gives itself; those that were given win, as with the kubelet.

    Raises:
        LabelsRefused: as `check_labels`.
    """
    check_labels(settings.labels)
    return {**_usual_labels(settings), **settings.labels}


def overridden_labels(settings: NodeSettings) -> dict[str, str]:
    """Usual labels that were given another value, and what they would have been."""
    usual = _usual_labels(settings)
    return {
        label: usual[label]
        for label, value in settings.labels.items()
        if usual.get(label, value) != value
    }


def _usual_labels(settings: NodeSettings) -> dict[str, str]:
    return {
        "kubernetes.io/hostname": settings.hostname,
        "kubernetes.io/os": "linux",
        "kubernetes.io/arch": ARCHITECTURE,
        "beta.kubernetes.io/os": "linux",
        "beta.kubernetes.io/arch": ARCHITECTURE,
        "type": "krustlet",
    }


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

    Labels that it does not want, or wants no more, are left as they are: others may need them.
    """
    metadata = {
        "labels": _lacking(wanted.metadata.labels, found.metadata.labels),
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
