"""The kubelet dies and comes back; the API server does; nothing that ran is disturbed."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.conftest import Images
from tests.support.bench import Bench, a_pod, container_of
from tests.support.cluster import Cluster
from tests.support.krustlet_node import KrustletNode, krustlet_node
from tests.support.until import until


@pytest.fixture(scope="module")
def mortal(
    cluster: Cluster,
    certs: Path,
    runtime_class: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[KrustletNode]:
    """A node that these tests may kill."""
    directory = tmp_path_factory.mktemp("mortal")
    flags = ("--registry-certs-dir", certs)
    with krustlet_node(cluster, directory / "all", "mortal-node", *flags) as node:
        yield node


def _a_pod_of(node: KrustletNode, name: str, image: str, *args: str) -> dict[str, object]:
    return a_pod(name, image, container={"args": list(args)}, nodeName=node.name)


def test_a_running_container_survives_the_kubelet(
    mortal: KrustletNode, bench: Bench, images: Images
) -> None:
    bench.apply(_a_pod_of(mortal, "ticks", images("ticks"), "200", "50"))
    before = container_of(bench.until_phase("ticks", "Running"))
    mortal.kill()
    mortal.start()
    pod = bench.until_phase("ticks", "Running", "Succeeded")
    after = container_of(pod)
    assert after["containerID"] == before["containerID"]
    assert after["restartCount"] == 0
    assert after["state"] == before["state"]
    bench.until_phase("ticks", "Succeeded")
    assert bench.logs("ticks") == "".join(f"tick {i}\n" for i in range(200))


def test_an_end_that_came_while_there_was_no_kubelet_is_told_afterwards(
    mortal: KrustletNode, bench: Bench, images: Images
) -> None:
    bench.apply(_a_pod_of(mortal, "brief", images("ticks"), "20", "50", "7"))
    bench.until_phase("brief", "Running")
    mortal.kill()
    log = next(mortal.logs.glob(f"{bench.namespace}_brief_*/app/0.log"))
    until(lambda: "tick 19" in log.read_text())
    mortal.start()
    pod = bench.until_phase("brief", "Failed")
    end = container_of(pod)["state"]["terminated"]
    assert end["exitCode"] == 7
    assert end["reason"] == "Error"
    assert bench.logs("brief", "--tail=1") == "tick 19\n"


def test_a_back_off_goes_on_where_it_was(
    mortal: KrustletNode, bench: Bench, images: Images
) -> None:
    pod = _a_pod_of(mortal, "crash", images("exit"), "1")
    pod["spec"]["restartPolicy"] = "OnFailure"  # type: ignore[index]
    bench.apply(pod)
    until(lambda: container_of(bench.pod("crash")).get("restartCount", 0) >= 2)
    bench.until_waiting("crash", "CrashLoopBackOff")
    mortal.kill()
    mortal.start()
    status = container_of(bench.pod("crash"))
    assert status["restartCount"] == 2
    until(lambda: container_of(bench.pod("crash"))["restartCount"] == 3)


def test_a_pod_deleted_while_there_was_no_kubelet_goes_when_it_is_back(
    mortal: KrustletNode, bench: Bench, images: Images
) -> None:
    bench.apply(_a_pod_of(mortal, "sleep", images("sleep")))
    bench.until_phase("sleep", "Running")
    uid = bench.pod("sleep")["metadata"]["uid"]
    mortal.kill()
    bench.kubectl("delete", "pod", "sleep", "--force", "--grace-period=0", "--wait=false")
    assert bench.pod("sleep") is None
    mortal.start()
    until(lambda: not (mortal.data / "pods" / uid).exists())
    until(lambda: not mortal.containers())


def test_pods_run_on_without_the_api_server_and_statuses_arrive_after(
    cluster: Cluster, mortal: KrustletNode, bench: Bench, images: Images
) -> None:
    bench.apply(
        _a_pod_of(mortal, "ticks", images("ticks"), "100", "50", "3"),
        _a_pod_of(mortal, "sleep", images("sleep")),
    )
    bench.until_phase("ticks", "Running")
    bench.until_phase("sleep", "Running")
    before = container_of(bench.pod("sleep"))
    cluster.stop_apiserver()
    try:
        log = next(mortal.logs.glob(f"{bench.namespace}_ticks_*/app/0.log"))
        until(lambda: "tick 99" in log.read_text())
        assert mortal.containers()
    finally:
        cluster.start_apiserver()
    pod = bench.until_phase("ticks", "Failed")
    assert container_of(pod)["state"]["terminated"]["exitCode"] == 3
    assert container_of(bench.pod("sleep")) == before
    until(mortal.is_ready)
