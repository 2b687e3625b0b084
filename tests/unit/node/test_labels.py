"""Labels that a node may give itself: those that NodeRestriction and the kubelet's flags allow.

Source of the table: kubernetes plugin/pkg/admission/noderestriction/admission_test.go,
`setAllowedCreateLabels` and `setForbiddenCreateLabels`.
"""

import pytest

from krustlet.node import LabelsRefused, check_labels


@pytest.mark.parametrize(
    "label",
    [
        "foo",
        "example.com/foo",
        "kubernetes.io/hostname",
        "failure-domain.beta.kubernetes.io/zone",
        "failure-domain.beta.kubernetes.io/region",
        "topology.kubernetes.io/zone",
        "topology.kubernetes.io/region",
        "beta.kubernetes.io/instance-type",
        "node.kubernetes.io/instance-type",
        "beta.kubernetes.io/os",
        "beta.kubernetes.io/arch",
        "kubernetes.io/os",
        "kubernetes.io/arch",
        "kubelet.kubernetes.io/foo",
        "foo.kubelet.kubernetes.io/foo",
        "node.kubernetes.io/foo",
        "foo.node.kubernetes.io/foo",
        "notkubernetes.io/foo",
        "notk8s.io/foo",
        "kubernetes.io.example.com/foo",
    ],
)
def test_for_nodes(label: str) -> None:
    check_labels({label: "x"})


@pytest.mark.parametrize(
    "label",
    [
        "node-restriction.kubernetes.io/foo",
        "foo.node-restriction.kubernetes.io/foo",
        "other.kubernetes.io/foo",
        "other.k8s.io/foo",
        "kubernetes.io/role",
        "kubernetes.io/instance-type",
        "node-role.kubernetes.io/agent",
        "k8s.io/foo",
        "topology.kubernetes.io/rack",
        "xnode.kubernetes.io/foo",
    ],
)
def test_for_administrators(label: str) -> None:
    with pytest.raises(LabelsRefused, match=label) as refused:
        check_labels(["fine", label])
    assert "fine" not in refused.value.message
    assert "kubectl label" in refused.value.hint
