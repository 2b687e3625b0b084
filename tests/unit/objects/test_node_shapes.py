"""The node and its lease, as an API server sends them: what comes goes back whole."""

import json
from typing import Any

import msgspec
import pytest

from krustlet.objects import (
    LEASES,
    NODES,
    ContainerImage,
    Lease,
    LeaseSpec,
    Node,
    NodeAddress,
    NodeStatus,
    ObjectMeta,
)

A_NODE: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Node",
    "metadata": {"name": "n1", "uid": "u1", "labels": {"type": "krustlet"}},
    "spec": {
        "podCIDR": "10.244.0.0/24",
        "podCIDRs": ["10.244.0.0/24"],
        "providerID": "bare://n1",
        "unschedulable": True,
        "taints": [
            {"key": "dedicated", "effect": "NoSchedule"},
            {
                "key": "node.kubernetes.io/unschedulable",
                "value": "x",
                "effect": "NoSchedule",
                "timeAdded": "2026-01-01T00:00:00Z",
            },
        ],
    },
    "status": {
        "capacity": {"cpu": "2", "hugepages-2Mi": "0"},
        "allocatable": {"cpu": "1900m"},
        "phase": "Running",
        "conditions": [
            {
                "type": "Ready",
                "status": "True",
                "lastHeartbeatTime": "2026-01-01T00:00:00Z",
                "lastTransitionTime": "2026-01-01T00:00:00Z",
                "reason": "KubeletReady",
                "message": "kubelet is posting ready status",
            }
        ],
        "addresses": [{"type": "InternalIP", "address": "192.0.2.7"}],
        "daemonEndpoints": {"kubeletEndpoint": {"Port": 10250}},
        "nodeInfo": {
            "machineID": "m",
            "systemUUID": "s",
            "bootID": "b",
            "kernelVersion": "6.12.0",
            "osImage": "Debian",
            "containerRuntimeVersion": "wasmtime://45.0.0",
            "kubeletVersion": "v1.36.3",
            "kubeProxyVersion": "",
            "operatingSystem": "linux",
            "architecture": "wasm-wasi",
            "swap": {"capacity": 1024},
        },
        "images": [{"names": ["hello:v1"], "sizeBytes": 7}],
        "volumesInUse": ["kubernetes.io/csi/x"],
        "volumesAttached": [{"name": "kubernetes.io/csi/x", "devicePath": ""}],
        "config": {"error": "none"},
        "runtimeHandlers": [
            {"name": "", "features": {"recursiveReadOnlyMounts": False, "userNamespaces": True}}
        ],
        "features": {"supplementalGroupsPolicy": True},
        "declaredFeatures": ["UserNamespacesHostNetworkSupport"],
    },
}
A_LEASE: dict[str, Any] = {
    "apiVersion": "coordination.k8s.io/v1",
    "kind": "Lease",
    "metadata": {
        "name": "n1",
        "namespace": "kube-node-lease",
        "ownerReferences": [{"apiVersion": "v1", "kind": "Node", "name": "n1", "uid": "u1"}],
    },
    "spec": {
        "holderIdentity": "n1",
        "leaseDurationSeconds": 40,
        "acquireTime": "2026-01-01T00:00:00.000000Z",
        "renewTime": "2026-01-01T00:00:10.000000Z",
        "leaseTransitions": 1,
        "strategy": "OldestEmulationVersion",
        "preferredHolder": "n2",
    },
}


@pytest.mark.parametrize(("kind", "sent"), [(Node, A_NODE), (Lease, A_LEASE)])
def test_what_the_api_server_sends_goes_back_unchanged(
    kind: type[Node] | type[Lease], sent: dict[str, Any]
) -> None:
    decoded = msgspec.json.decode(json.dumps(sent), type=kind)
    assert json.loads(msgspec.json.encode(decoded)) == sent


def test_an_object_says_what_it_is_even_if_it_says_nothing_else() -> None:
    assert msgspec.to_builtins(Node(metadata=ObjectMeta(name="n1")))["kind"] == "Node"
    assert msgspec.to_builtins(Lease())["apiVersion"] == LEASES.api_version


def test_nodes_belong_to_no_namespace() -> None:
    assert not NODES.namespaced
    assert (NODES.api_version, LEASES.api_version) == ("v1", "coordination.k8s.io/v1")


def test_an_image_without_a_name_is_one_all_the_same() -> None:
    sent = '{"images":[{"names":null,"sizeBytes":3}]}'
    status = msgspec.json.decode(sent, type=NodeStatus)
    assert status.images == (ContainerImage(names=None, size_bytes=3),)


def test_what_kubernetes_always_writes_is_always_written() -> None:
    assert msgspec.to_builtins(NodeAddress(type="", address="")) == {"type": "", "address": ""}
    assert msgspec.to_builtins(LeaseSpec(lease_duration_seconds=0)) == {"leaseDurationSeconds": 0}
