"""Pods that the scheduler brings: how they live, are seen, and end."""

import json
import time
from itertools import groupby
from typing import Any

import pytest

from tests.e2e.conftest import Images
from tests.support.bench import Bench, a_pod, container_of
from tests.support.cluster import Cluster
from tests.support.krustlet_node import KrustletNode
from tests.support.until import until


@pytest.mark.parametrize(
    "by_class",
    [
        pytest.param(True, id="by-its-runtime-class"),
        pytest.param(False, id="by-tolerations-and-a-node-selector"),
    ],
)
def test_a_scheduled_pod_runs_to_its_end(
    node: KrustletNode, bench: Bench, images: Images, by_class: bool
) -> None:
    bench.apply(a_pod("hello", images("hello"), by_class=by_class))
    pod = bench.until_phase("hello", "Succeeded")
    assert pod["spec"]["nodeName"] == node.name
    assert container_of(pod)["state"]["terminated"]["exitCode"] == 0
    assert bench.logs("hello") == "Hello, world!\n"


def test_every_phase_is_seen_even_of_a_module_that_lives_a_millisecond(
    cluster: Cluster, node: KrustletNode, bench: Bench, images: Images
) -> None:
    path = f"/api/v1/namespaces/{bench.namespace}/pods"
    version = cluster.get(path)["metadata"]["resourceVersion"]
    for i in range(5):
        bench.apply(a_pod(f"hello-{i}", images("hello")))
        bench.until_phase(f"hello-{i}", "Succeeded")
    watched = cluster.kubectl(
        "get", "--raw", f"{path}?watch=1&resourceVersion={version}&timeoutSeconds=1"
    )
    events = [json.loads(line) for line in watched.stdout.splitlines()]
    for i in range(5):
        phases = [
            event["object"]["status"]["phase"]
            for event in events
            if event["object"]["metadata"]["name"] == f"hello-{i}"
        ]
        assert [phase for phase, _ in groupby(phases)] == ["Pending", "Running", "Succeeded"]


def test_a_finished_pod_is_described_like_any_other(
    node: KrustletNode, bench: Bench, images: Images
) -> None:
    bench.apply(a_pod("hello", images("hello")))
    bench.until_phase("hello", "Succeeded")
    until(lambda: {"Pulled", "Created", "Started"} <= _reasons(bench, "hello"))
    text = bench.describe("hello")
    for line in (
        "Status:",
        "Succeeded",
        "Container ID:   krustlet://",
        "Reason:       Completed",
        "Exit Code:    0",
        "ContainersReady             False",
        "PodScheduled",
        "Successfully assigned",
        "Container started",
    ):
        assert line in text, text
    assert f"{node.name}" in text


def _reasons(bench: Bench, name: str) -> set[str]:
    return {event["reason"] for event in bench.events(name)}


def test_logs_are_followed_until_the_end(node: KrustletNode, bench: Bench, images: Images) -> None:
    ticks = {"args": ["20", "50"]}
    bench.apply(a_pod("ticks", images("ticks"), container=ticks))
    bench.until_phase("ticks", "Running", "Succeeded")
    expected = "".join(f"tick {i}\n" for i in range(20))
    assert bench.logs("ticks", "-f") == expected
    bench.until_phase("ticks", "Succeeded")
    assert bench.logs("ticks") == expected
    assert bench.logs("ticks", "--tail=2") == "tick 18\ntick 19\n"
    assert bench.logs("ticks", "--limit-bytes=8") == "tick 0\nt"
    stamped = bench.logs("ticks", "--timestamps", "--tail=1")
    assert stamped.startswith("20")
    assert stamped.endswith(" tick 19\n")
    assert bench.logs("ticks", "--since=1h") == expected


def test_a_running_pod_is_deleted_within_a_second_and_its_process_is_gone(
    node: KrustletNode, bench: Bench, images: Images
) -> None:
    bench.apply(a_pod("sleep", images("sleep")))
    bench.until_phase("sleep", "Running")
    before = set(node.containers())
    assert before
    begun = time.monotonic()
    result = bench.kubectl("delete", "pod", "sleep")
    took_s = time.monotonic() - begun
    assert result.code == 0, result.stderr
    assert bench.pod("sleep") is None
    assert took_s < 25  # of the thirty of its grace; a second where nothing else runs
    assert not before & set(node.containers())


def test_nodes_are_listed_with_a_version(cluster: Cluster, node: KrustletNode) -> None:
    listed = cluster.kubectl("get", "nodes", "-o", "wide").stdout
    line = next(line for line in listed.splitlines() if line.startswith(node.name))
    assert " Ready " in line
    assert "v1.36.3+krustlet." in line
    assert "wasmtime://" in line


def test_an_exit_code_is_told(node: KrustletNode, bench: Bench, images: Images) -> None:
    bench.apply(a_pod("three", images("exit"), container={"args": ["3"]}))
    pod = bench.until_phase("three", "Failed")
    end = container_of(pod)["state"]["terminated"]
    assert (end["reason"], end["exitCode"]) == ("Error", 3)
    assert "Error" in bench.kubectl("get", "pod", "three").stdout


def test_a_trap_is_described_with_its_text(
    node: KrustletNode, bench: Bench, images: Images
) -> None:
    bench.apply(a_pod("trap", images("trap")))
    bench.until_phase("trap", "Failed")
    text = bench.describe("trap")
    assert "unreachable" in text
    assert "boom" in text
    assert "Exit Code:    134" in text


def test_a_container_that_keeps_failing_waits_longer_each_time(
    node: KrustletNode, bench: Bench, images: Images
) -> None:
    failing = {"args": ["1"]}
    bench.apply(a_pod("crash", images("exit"), container=failing, restartPolicy="OnFailure"))
    said = bench.until_waiting("crash", "CrashLoopBackOff")
    pod = bench.pod("crash")
    name = f"crash_{bench.namespace}({pod['metadata']['uid']})"
    assert said["message"] == f"back-off 10s restarting failed container=app pod={name}"
    until(lambda: container_of(bench.pod("crash")).get("restartCount", 0) >= 2)

    def back_off_20() -> bool:
        waiting = container_of(bench.pod("crash"))["state"].get("waiting", {})
        return str(waiting.get("message", "")).startswith("back-off 20s")

    until(back_off_20)
    last: Any = container_of(bench.pod("crash"))["lastState"]["terminated"]
    assert last["exitCode"] == 1
    assert "BackOff" in _reasons(bench, "crash")
    assert bench.kubectl("logs", "crash", "--previous").code == 0
