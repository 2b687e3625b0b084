"""Whatever happens to a node, and whenever: its pods end up as they should, and nothing is left."""

import os
import re
import resource
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from tests.e2e.conftest import Images
from tests.support.authority import Authority
from tests.support.bench import Bench, a_pod, container_of
from tests.support.chaos import Chaos
from tests.support.cluster import Cluster
from tests.support.command import processes_writing_below
from tests.support.history import History, wrong_turns
from tests.support.krustlet_node import KrustletNode, krustlet_node
from tests.support.kubeconfig import write_kubeconfig
from tests.support.processes import descriptors
from tests.support.until import until, until_not

_ROUNDS: Final = 25
_SEED: Final = 20260101
_NOWHERE: Final = "10.255.255.1:5000/nowhere/image:v1"
_FINALIZER: Final = "example.com/hold"


@pytest.fixture(scope="module")
def mortal(
    cluster: Cluster,
    certs: Path,
    runtime_class: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[KrustletNode]:
    """A node that these tests may do anything to."""
    directory = tmp_path_factory.mktemp("chaos")
    flags = ("--registry-certs-dir", certs, "--max-pods", "400")
    with krustlet_node(cluster, directory / "all", "chaos-node", *flags) as node:
        yield node


@pytest.fixture(autouse=True)
def _runs(request: pytest.FixtureRequest) -> Iterator[None]:
    """Whatever a test did to the node, the next one finds it at work."""
    yield
    if "mortal" in request.fixturenames:
        node: KrustletNode = request.getfixturevalue("mortal")
        if not node.is_running():  # the test has failed
            node.start()


def _a_pod(node: KrustletNode, name: str, image: str, *args: str, **spec: Any) -> dict[str, Any]:
    container = {"args": list(args), **spec.pop("container", {})}
    return a_pod(
        name,
        image,
        container=container,
        nodeName=node.name,
        automountServiceAccountToken=False,
        **spec,
    )


def _delete(bench: Bench, name: str, *how: str) -> None:
    result = bench.kubectl("delete", "pod", name, "--wait=false", *how)
    assert result.code == 0, result.stderr


def _until_gone(bench: Bench, name: str) -> None:
    until(lambda: bench.pod(name) is None)


def _phases(bench: Bench) -> list[str]:
    return [pod["status"].get("phase", "") for pod in bench.pods()]


def _asked(cluster: Cluster, verb: str, subresource: str = "") -> int:
    """How often the API server was asked so about pods."""
    said = cluster.kubectl("get", "--raw", "/metrics").stdout
    labels = f'resource="pods",scope="resource",subresource="{subresource}",verb="{verb}"'
    counts = re.findall(rf"^apiserver_request_total{{.*{labels}.*}} (\d+)", said, re.MULTILINE)
    return sum(map(int, counts))


def _a_while() -> None:
    """Long enough for something to happen that must not."""
    signal.sigtimedwait((), 1.5)


# at random ----------------------------------------------------------------------------------------


def test_whatever_happens_every_pod_ends_up_as_it_should(
    mortal: KrustletNode, bench: Bench, images: Images
) -> None:
    chaos = Chaos(bench, mortal, images, seed=_SEED)
    with History(bench) as history:
        for _ in range(_ROUNDS):
            chaos.some_pods(4)
            chaos.rest(0.4)
            chaos.some_trouble()
            chaos.rest(0.4)
            chaos.some_deletions(3)
        chaos.settle()
        until_not(chaos.leftovers)
    wrong = [*chaos.doubles, *chaos.wrong_logs(), *chaos.wrong_ends(), *wrong_turns(history)]
    assert wrong == [], chaos.done


# deleted at a bad moment --------------------------------------------------------------------------


def _while_its_image_is_pulled(node: KrustletNode, bench: Bench, images: Images) -> None:
    bench.apply(_a_pod(node, "late", _NOWHERE))
    until(lambda: "Pulling" in [event["reason"] for event in bench.events("late")])


def _while_its_volumes_wait(node: KrustletNode, bench: Bench, images: Images) -> None:
    mount = {"name": "config", "mountPath": "/config"}
    volume = {"name": "config", "configMap": {"name": "missing"}}
    pod = _a_pod(
        node, "late", images("hello"), container={"volumeMounts": [mount]}, volumes=[volume]
    )
    bench.apply(pod)
    until(lambda: "FailedMount" in [e["reason"] for e in bench.events("late")])


def _while_it_backs_off(node: KrustletNode, bench: Bench, images: Images) -> None:
    bench.apply(_a_pod(node, "late", images("exit"), "1", restartPolicy="Always"))
    bench.until_waiting("late", "CrashLoopBackOff")


@pytest.mark.parametrize("killed", [False, True], ids=["", "and-the-kubelet-killed"])
@pytest.mark.parametrize(
    "moment", [_while_its_image_is_pulled, _while_its_volumes_wait, _while_it_backs_off]
)
def test_a_pod_that_waits_for_something_can_be_deleted(
    mortal: KrustletNode,
    bench: Bench,
    images: Images,
    moment: Callable[[KrustletNode, Bench, Images], None],
    killed: bool,
) -> None:
    moment(mortal, bench, images)
    if killed:
        mortal.kill()
    _delete(bench, "late")
    if killed:
        mortal.start()
    _until_gone(bench, "late")


def test_a_pod_that_is_deleted_before_it_was_ever_seen_is_never_run(
    mortal: KrustletNode, bench: Bench, images: Images
) -> None:
    mortal.kill()
    bench.apply(_a_pod(mortal, "unseen", images("hello")))
    _delete(bench, "unseen")
    mortal.start()
    _until_gone(bench, "unseen")
    assert f"{bench.namespace}_unseen" not in str(list(mortal.logs.iterdir()))


def test_a_pod_of_the_same_name_is_another_pod(
    mortal: KrustletNode, bench: Bench, images: Images
) -> None:
    pod = _a_pod(mortal, "again", images("sleep"))
    for how in (("--force", "--grace-period=0"), ("--grace-period=1",), ()):
        bench.apply(pod)
        bench.until_phase("again", "Running")
        result = bench.kubectl("delete", "pod", "again", *how)
        assert result.code == 0, result.stderr
    bench.apply(pod)
    before = bench.until_phase("again", "Running")
    until(lambda: len(mortal.containers()) == 1)
    _a_while()
    assert container_of(bench.pod("again")) == container_of(before)


def test_pods_that_are_deleted_as_soon_as_they_are_made_leave_nothing(
    mortal: KrustletNode, bench: Bench, images: Images
) -> None:
    image = images("sleep")
    bench.apply(*[_a_pod(mortal, f"brief-{i}", image) for i in range(100)])
    bench.kubectl("delete", "pods", "--all", "--wait=false")
    until_not(bench.pods)
    until_not(mortal.containers)
    until_not(lambda: list((mortal.data / "pods").iterdir()))
    assert not [path for path in mortal.logs.iterdir() if "brief" in path.name]


# others have a say --------------------------------------------------------------------------------


def test_a_pod_that_a_finalizer_holds_stays_as_it_ended_and_is_let_alone(
    cluster: Cluster, mortal: KrustletNode, bench: Bench, images: Images
) -> None:
    pod = _a_pod(mortal, "held", images("ticks"), "1", "1")
    pod["metadata"]["finalizers"] = [_FINALIZER]
    bench.apply(pod)
    bench.until_phase("held", "Succeeded")
    deletions = _asked(cluster, "DELETE")
    _delete(bench, "held")
    until(lambda: _asked(cluster, "DELETE") == deletions + 2)  # ours, and its
    before = bench.pod("held")["status"]
    mortal.kill()
    mortal.start()
    _a_while()
    assert bench.pod("held")["status"] == before
    assert _asked(cluster, "DELETE") <= deletions + 3
    assert mortal.containers() == []
    patch = '[{"op": "remove", "path": "/metadata/finalizers"}]'
    assert bench.kubectl("patch", "pod", "held", "--type=json", "-p", patch).code == 0
    _until_gone(bench, "held")


def test_what_others_write_into_a_status_is_corrected_where_it_is_not_theirs(
    mortal: KrustletNode, bench: Bench, images: Images
) -> None:
    def write(patch: str) -> None:
        how = ("--subresource=status", "--type=strategic", "-p", patch)
        result = bench.kubectl("patch", "pod", "mine", *how)
        assert result.code == 0, result.stderr

    bench.apply(_a_pod(mortal, "mine", images("sleep")))
    before = bench.until_phase("mine", "Running")["status"]
    write('{"status": {"phase": "Failed", "reason": "Rumour", "podIP": "192.0.2.9"}}')
    until(lambda: bench.pod("mine")["status"] == before)
    write('{"status": {"conditions": [{"type": "example.com/gate", "status": "True"}]}}')
    _a_while()
    kinds = [condition["type"] for condition in bench.pod("mine")["status"]["conditions"]]
    assert "example.com/gate" in kinds


def test_a_deleted_node_comes_back_and_its_pods_run_on(
    cluster: Cluster, mortal: KrustletNode, bench: Bench, images: Images
) -> None:
    bench.apply(_a_pod(mortal, "stays", images("sleep")))
    before = container_of(bench.until_phase("stays", "Running"))
    uid = mortal.object()["metadata"]["uid"]
    assert cluster.kubectl("delete", "node", mortal.name).code == 0

    def is_back() -> bool:
        node = mortal.object()
        return node is not None and node["metadata"]["uid"] != uid and mortal.is_ready()

    until(is_back)
    assert container_of(bench.pod("stays")) == before
    bench.apply(_a_pod(mortal, "hello", images("hello")))
    bench.until_phase("hello", "Succeeded")


# the kubelet comes and goes -----------------------------------------------------------------------


def test_finished_pods_cost_a_restart_nothing(
    cluster: Cluster, mortal: KrustletNode, bench: Bench, images: Images
) -> None:
    pods = [_a_pod(mortal, f"done-{i}", images("exit"), str(i % 2)) for i in range(40)]
    bench.apply(*pods)

    until(lambda: set(_phases(bench)) == {"Succeeded", "Failed"})
    _a_while()
    before, asked = bench.pods(), _asked(cluster, "PATCH", "status")
    mortal.kill()
    mortal.start()
    _a_while()
    assert bench.pods() == before
    assert _asked(cluster, "PATCH", "status") == asked
    assert mortal.containers() == []


def test_who_is_told_to_stop_in_the_middle_of_it_stops_at_once_and_loses_nothing(
    mortal: KrustletNode, bench: Bench, images: Images
) -> None:
    image = images("sleep")
    bench.apply(*[_a_pod(mortal, f"many-{i}", image) for i in range(40)])
    until(mortal.containers)
    assert mortal.stop() == 0
    mortal.start()
    until(lambda: _phases(bench) == ["Running"] * 40)
    assert {container_of(pod)["restartCount"] for pod in bench.pods()} == {0}
    assert len(mortal.containers()) == 40


def test_without_an_api_server_it_waits_says_so_and_keeps_what_runs(
    cluster: Cluster, mortal: KrustletNode, bench: Bench, images: Images
) -> None:
    bench.apply(_a_pod(mortal, "sleep", images("sleep")))
    before = container_of(bench.until_phase("sleep", "Running"))
    containers = mortal.containers()
    mortal.kill()
    cluster.stop_apiserver()
    try:
        said = len(mortal.said())
        mortal.start_only()
        until(lambda: "node.waits_for_api_server" in mortal.said()[said:])
        assert mortal.containers() == containers
        assert mortal.is_running()
    finally:
        cluster.start_apiserver()
    until(lambda: "pods.listed" in mortal.said()[said:])
    assert container_of(bench.pod("sleep")) == before
    assert mortal.containers() == containers


def test_pods_that_are_gone_leave_no_descriptor_and_no_limit_is_a_shells(
    mortal: KrustletNode, bench: Bench, images: Images
) -> None:
    mortal.kill()
    ours = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, ours[1]))
    try:
        mortal.start_only()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, ours)
    image = images("hello")
    open_before: dict[int, int] = {}
    for turn in range(2):
        bench.apply(*[_a_pod(mortal, f"hello-{turn}-{i}", image) for i in range(60)])
        until(lambda: _phases(bench) == ["Succeeded"] * 60)
        bench.kubectl("delete", "pods", "--all", "--wait=false")
        until_not(bench.pods)
        until_not(mortal.containers)
        if turn == 0:
            open_before = _open_files(mortal)
    # Whatever still tidies up has a directory open for a moment.
    until(lambda: _is_no_more_than(_open_files(mortal), open_before))
    soft, hard = resource.prlimit(mortal.pid, resource.RLIMIT_NOFILE)
    assert soft == hard == ours[1]


def _open_files(node: KrustletNode) -> dict[int, int]:
    """How many each of its processes has; those that idle connections are do not count."""
    return {
        pid: sum(not what.startswith("socket:") for what in descriptors(pid).values())
        for pid in [node.pid, *node.keepers()]
    }


def _is_no_more_than(now: dict[int, int], before: dict[int, int]) -> bool:
    return now.keys() == before.keys() and all(now[pid] <= before[pid] for pid in now)


# a start that fails -------------------------------------------------------------------------------


class Attempt:
    """A start of a node in a directory of its own, that is expected to fail."""

    def __init__(self, directory: Path, cluster: Cluster, name: str) -> None:
        self.directory = directory
        self.port = _free_port()
        self.flags: dict[str, str | Path] = {
            "--kubeconfig": cluster.node_kubeconfig(name),
            "--node-name": name,
            "--data-dir": directory / "data",
            "--pod-logs-dir": directory / "logs",
        }

    def fails(self, **changed: str | Path) -> str:
        """What it says when it has failed; nothing of it is left."""
        flags = {**self.flags, **{f"--{key.replace('_', '-')}": v for key, v in changed.items()}}
        flags.setdefault("--port", str(self.port))
        done = subprocess.run(
            [sys.executable, "-m", "krustlet", "node", *(str(w) for f in flags.items() for w in f)],
            capture_output=True,
            text=True,
            timeout=30,
            env={"PATH": os.environ["PATH"], "HOME": str(self.directory)},
            check=False,
        )
        assert done.returncode == 1, done.stderr
        assert "Traceback" not in done.stderr
        assert "hint: " in done.stderr
        assert processes_writing_below(self.directory) == []
        return done.stderr


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def attempt(tmp_path: Path, cluster: Cluster) -> Attempt:
    return Attempt(tmp_path, cluster, "never-node")


def test_what_is_in_use_or_cannot_be_used_is_named(attempt: Attempt, mortal: KrustletNode) -> None:
    assert f"port {mortal.port} of 0.0.0.0 is in use" in attempt.fails(port=str(mortal.port))
    assert "in use by another krustlet" in attempt.fails(data_dir=mortal.data)
    assert "there is no kubeconfig" in attempt.fails(kubeconfig=attempt.directory / "missing")
    in_the_way = attempt.directory / "file"
    in_the_way.write_text("")
    assert "Not a directory" in attempt.fails(data_dir=in_the_way / "data")
    assert "pod logs cannot be kept in /proc/logs" in attempt.fails(pod_logs_dir="/proc/logs")


def test_a_kubeconfig_of_somebody_else_is_told_of(
    attempt: Attempt, cluster: Cluster, tmp_path: Path
) -> None:
    said = attempt.fails(kubeconfig=cluster.node_kubeconfig("another-node"))
    assert "is for 'system:node:another-node'" in said
    assert "this node would be 'system:node:never-node'" in said
    other = Authority.create(tmp_path / "other", "kubernetes")
    elsewhere = write_kubeconfig(
        tmp_path / "elsewhere.kubeconfig",
        server=cluster.server,
        ca=other.certificate,
        user="node",
        credentials="token",
    )
    said = attempt.fails(kubeconfig=elsewhere)
    assert "not the one that the kubeconfig means" in said
    assert f"certificate-authority in {elsewhere}" in said


def test_a_directory_with_a_long_name_and_blanks_will_do(
    cluster: Cluster,
    certs: Path,
    runtime_class: str,
    bench: Bench,
    images: Images,
    tmp_path: Path,
) -> None:
    directory = tmp_path / "a name with blanks" / ("x" * 100) / ("y" * 100)
    with krustlet_node(cluster, directory, "long-node", "--registry-certs-dir", certs) as node:
        bench.apply(_a_pod(node, "sleep", images("sleep")))
        bench.until_phase("sleep", "Running")
        node.kill()
        node.start()
        assert bench.logs("sleep") == "ready\n"
