"""Pods get other resources while they run, by `kubectl patch --subresource resize`."""

import json
from typing import Any, Final

import pytest

from tests.e2e.conftest import Images
from tests.support.bench import Bench, a_pod, container_of
from tests.support.containers import Group, process_of
from tests.support.krustlet_node import KrustletNode
from tests.support.until import until

pytestmark = pytest.mark.root

_MIB: Final = 1 << 20


def _limits(memory: str, cpu: str) -> dict[str, Any]:
    """As Kubernetes completes them: what is not asked for is as much as the limit."""
    return {"limits": {"memory": memory, "cpu": cpu}, "requests": {"memory": memory, "cpu": cpu}}


def _resize(bench: Bench, name: str, resources: dict[str, Any]) -> None:
    patch = {"spec": {"containers": [{"name": "app", "resources": resources}]}}
    result = bench.kubectl(
        "patch", "pod", name, "--subresource", "resize", "--patch", json.dumps(patch)
    )
    assert result.code == 0, result.stderr


def _has(bench: Bench, name: str, resources: dict[str, Any]) -> Any:
    """The container's status once it says that this is what it may use."""
    status = container_of(bench.pod(name))
    return status if status.get("resources") == resources else None


def test_a_running_container_gets_more_memory_and_less_processor_time_without_a_restart(
    node: KrustletNode, bench: Bench, images: Images
) -> None:
    before, after = _limits("64Mi", "500m"), _limits("128Mi", "250m")
    bench.apply(a_pod("grows", images("sleep"), container={"resources": before}))
    pod = bench.until_phase("grows", "Running")
    pid = process_of(node, pod)
    group = Group.of(pid)
    assert (group.memory_limit_bytes, group.cpu_quota_us) == (64 * _MIB, 50_000)
    weight = group.cpu_weight

    _resize(bench, "grows", after)
    status = until(lambda: _has(bench, "grows", after))
    for each in (group, group.above):  # the container's, and the pod's
        assert (each.memory_limit_bytes, each.cpu_quota_us) == (128 * _MIB, 25_000)
    assert group.cpu_weight < weight
    assert status["allocatedResources"] == after["requests"]
    assert status["restartCount"] == 0
    assert status["containerID"] == container_of(pod)["containerID"]
    assert process_of(node, pod) == pid
    until(lambda: "ResizeCompleted" in _reasons(bench, "grows"))


def test_an_init_container_that_runs_is_resized_as_the_node_declares(
    node: KrustletNode, bench: Bench, images: Images
) -> None:
    assert "InPlacePodVerticalScalingInitContainers" in node.object()["status"]["declaredFeatures"]
    before, after = _limits("64Mi", "500m"), _limits("128Mi", "250m")
    first = {"name": "first", "image": images("sleep"), "resources": before}
    bench.apply(a_pod("begins", images("hello"), initContainers=[first]))

    def status() -> Any:
        found = bench.pod("begins")["status"].get("initContainerStatuses", [{}])[0]
        return found if "running" in found.get("state", {}) else None

    until(status)
    patch = {"spec": {"initContainers": [{"name": "first", "resources": after}]}}
    result = bench.kubectl(
        "patch", "pod", "begins", "--subresource", "resize", "--patch", json.dumps(patch)
    )
    assert result.code == 0, result.stderr
    until(lambda: (status() or {}).get("resources") == after)
    assert status()["restartCount"] == 0


def test_a_container_whose_policy_says_so_starts_anew_with_what_it_gets(
    node: KrustletNode, bench: Bench, images: Images
) -> None:
    before, after = _limits("64Mi", "500m"), _limits("128Mi", "500m")
    container = {
        "resources": before,
        "resizePolicy": [{"resourceName": "memory", "restartPolicy": "RestartContainer"}],
    }
    pod = a_pod("anew", images("sleep"), container=container, restartPolicy="Always")
    bench.apply(pod)
    bench.until_phase("anew", "Running")

    _resize(bench, "anew", after)

    def is_anew() -> bool:
        status = _has(bench, "anew", after)
        return bool(status and status["restartCount"] == 1 and "running" in status["state"])

    until(is_anew)
    pid = process_of(node, bench.pod("anew"), restart=1)
    assert Group.of(pid).memory_limit_bytes == 128 * _MIB
    assert bench.phase("anew") == "Running"


def test_less_memory_than_is_in_use_is_refused_and_nothing_is_changed(
    node: KrustletNode, bench: Bench, images: Images
) -> None:
    before, after = _limits("64Mi", "500m"), _limits("64Ki", "500m")
    bench.apply(a_pod("shrinks", images("sleep"), container={"resources": before}))
    pod = bench.until_phase("shrinks", "Running")
    group = Group.of(pid := process_of(node, pod))
    _resize(bench, "shrinks", after)
    until(lambda: "ResizeError" in _reasons(bench, "shrinks"))
    status = container_of(bench.pod("shrinks"))
    assert status["resources"] == before
    assert status["restartCount"] == 0
    assert group.memory_limit_bytes == group.above.memory_limit_bytes == 64 * _MIB
    assert process_of(node, pod) == pid


def _reasons(bench: Bench, name: str) -> set[str]:
    return {event["reason"] for event in bench.events(name)}
