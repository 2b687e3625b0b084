"""A request goes to the object that was meant, and to no other."""

from typing import Any

import msgspec
import pytest

from krustlet.kube.calls import body_of, collection_path, object_path
from krustlet.objects import PODS, Pod, Resource

LEASES: Resource[Any] = Resource(
    group="coordination.k8s.io", plural="leases", kind="Lease", type=dict
)
NODES: Resource[Any] = Resource(plural="nodes", kind="Node", type=dict, namespaced=False)


def test_paths_are_those_of_the_api() -> None:
    assert collection_path(PODS, "") == "/api/v1/pods"
    assert collection_path(PODS, "blue") == "/api/v1/namespaces/blue/pods"
    assert object_path(NODES, "", "n", "status") == "/api/v1/nodes/n/status"
    assert (
        object_path(LEASES, "kube-node-lease", "n")
        == "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/n"
    )


def test_a_query_says_what_it_says() -> None:
    path = collection_path(PODS, "", {"fieldSelector": "spec.nodeName=a&b"})
    assert path == "/api/v1/pods?fieldSelector=spec.nodeName%3Da%26b"


@pytest.mark.parametrize("name", ["", ".", ".."])
def test_what_is_no_name_leads_nowhere(name: str) -> None:
    with pytest.raises(ValueError, match="names nothing"):
        object_path(PODS, "default", name)


@pytest.mark.parametrize(
    ("name", "part"), [("a/b", "a%2Fb"), ("a?b", "a%3Fb"), ("system:node:a", "system:node:a")]
)
def test_a_name_is_one_part_of_the_path(name: str, part: str) -> None:
    assert object_path(NODES, "", name) == f"/api/v1/nodes/{part}"


def test_a_namespace_is_given_where_there_is_one_and_only_there() -> None:
    with pytest.raises(ValueError, match="which"):
        object_path(PODS, "", "web")
    with pytest.raises(ValueError, match="no namespace"):
        object_path(NODES, "default", "n")


def test_a_body_says_what_it_is() -> None:
    mapping = msgspec.json.decode(body_of(LEASES, {"metadata": {"name": "n"}}))
    shape = msgspec.json.decode(body_of(PODS, Pod()))

    assert (mapping["apiVersion"], mapping["kind"]) == ("coordination.k8s.io/v1", "Lease")
    assert (shape["apiVersion"], shape["kind"]) == ("v1", "Pod")
