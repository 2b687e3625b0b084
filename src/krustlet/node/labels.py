"""Which labels a node may give itself. Pure.

Source: kubernetes cmd/kubelet/app/options/options.go, `ValidateKubeletFlags`;
plugin/pkg/admission/noderestriction/admission.go, `getForbiddenLabels`.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from krustlet.node.errors import LabelsRefused

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


def check_labels(given: Iterable[str]) -> None:
    """A node may give itself these labels.

    Raises:
        LabelsRefused: some are not for a node to give.
    """
    if refused := sorted(label for label in given if not _is_own(label)):
        raise LabelsRefused(
            f"a node may not label itself with {', '.join(refused)}",
            hint="within kubernetes.io and k8s.io only what starts with kubelet.kubernetes.io/"
            " or node.kubernetes.io/ is a node's own; let an administrator use kubectl label",
        )


def _is_own(label: str) -> bool:
    namespace, slash, _ = label.partition("/")
    if not slash or label in _OWN_LABELS:
        return True
    return _is_within(namespace, _OWN_NAMESPACES) or not _is_within(namespace, _RESERVED_NAMESPACES)


def _is_within(namespace: str, others: Sequence[str]) -> bool:
    return any(namespace == other or namespace.endswith(f".{other}") for other in others)
