"""What a node says of itself when it joins."""

import pytest

from krustlet.node import LabelsRefused
from krustlet.node.identity import (
    labels,
    missing_taints,
    new_node,
    overridden_labels,
    reconciling_patch,
)
from krustlet.objects import NodeStatus, Taint
from krustlet.settings import DEFAULT_TAINTS
from tests.unit.node.fakes import merged, some_settings

WANTED = new_node(some_settings(), NodeStatus())


def test_labels_that_no_api_server_would_take_are_refused_at_once() -> None:
    with pytest.raises(LabelsRefused, match=r"x\.k8s\.io/y"):
        labels(some_settings(labels={"fine": "x", "x.k8s.io/y": "x"}))


def test_labels_that_are_given_win() -> None:
    settings = some_settings(labels={"type": "mine", "kubernetes.io/os": "linux", "rack": "r1"})

    assert labels(settings)["type"] == "mine"
    assert overridden_labels(settings) == {"type": "krustlet"}


def test_a_node_that_is_as_wanted_is_left_alone() -> None:
    assert reconciling_patch(WANTED, WANTED) == {}


def test_what_a_node_must_have_is_set_again_and_the_rest_left_alone() -> None:
    wanted = new_node(
        some_settings(labels={"rack": "r1", "topology.kubernetes.io/zone": "z1"}), NodeStatus()
    )
    found = merged(
        wanted,
        {
            "metadata": {
                "labels": {
                    "rack": "moved",
                    "topology.kubernetes.io/zone": "old",
                    "kubernetes.io/arch": "amd64",
                    "type": None,
                    "by-others": "x",
                },
                "annotations": {
                    "volumes.kubernetes.io/controller-managed-attach-detach": None,
                    "by-others": "x",
                },
            }
        },
    )

    patch = reconciling_patch(wanted, found)

    assert patch == {
        "metadata": {
            "labels": {
                "rack": "r1",
                "topology.kubernetes.io/zone": "z1",
                "kubernetes.io/arch": "wasm32-wasi",
                "type": "krustlet",
            },
            "annotations": {"volumes.kubernetes.io/controller-managed-attach-detach": "true"},
        }
    }
    assert reconciling_patch(wanted, merged(found, patch)) == {}


def test_an_id_of_the_provider_is_set_once() -> None:
    wanted = new_node(some_settings(provider_id="bare://a"), NodeStatus())
    other = new_node(some_settings(provider_id="bare://b"), NodeStatus())

    assert reconciling_patch(wanted, WANTED) == {"spec": {"providerID": "bare://a"}}
    assert reconciling_patch(wanted, other) == {}


def test_missing_taints_are_told_as_kubectl_wants_them() -> None:
    plain = Taint(key="dedicated", effect="NoSchedule")
    later = Taint(key="kubernetes.io/arch", value="wasm32-wasi", effect="NoExecute", time_added="t")

    assert missing_taints((*DEFAULT_TAINTS, plain), (later,)) == [
        "kubernetes.io/arch=wasm32-wasi:NoSchedule",
        "dedicated:NoSchedule",
    ]
