"""Things go wrong between a node and its cluster, or on its machine: it stays, and comes back."""

import contextlib
import functools
import os
import socket
import subprocess
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol

import pytest

from tests.support.api_proxy import ApiProxy, Faults
from tests.support.bench import Bench, a_pod, container_of
from tests.support.cluster import NODES, Cluster
from tests.support.command import Command
from tests.support.controlplane import Programs
from tests.support.guests import Guests
from tests.support.joining_machine import Machine
from tests.support.krustlet_node import (
    KrustletNode,
    Launch,
    krustlet_node,
    krustlet_node_to_be,
)
from tests.support.kubeconfig import write_kubeconfig
from tests.support.skewed_clock import SkewedClock
from tests.support.until import until

pytestmark = pytest.mark.root

_HERE: Final = "198.18.7.1"  # of a network that is set aside for tests: RFC 2544
_THERE: Final = "198.18.7.2"
_API_NAME: Final = "api.example"
_GRACE_S: Final = 25.0  # for that long may a node be silent
_FLAGS: Final = {
    "kube-controller-manager": [
        f"--node-monitor-grace-period={_GRACE_S:.0f}s",
        "--node-monitor-period=1s",
    ]
}
_LOCAL: Final = "--allow-local-modules"
_HOUR_S: Final = 3600.0
# To the right time plus so much, and for how long: one that goes back may be taken for silence.
_JUMPS: Final = ((_HOUR_S, 1.0), (0.0, _GRACE_S + 5), (-_HOUR_S, 1.0), (0.0, 1.0))


@pytest.fixture(scope="module")
def cluster(
    programs: Programs, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[Cluster]:
    """One of these tests' own, that soon misses a node."""
    failed_before = request.session.testsfailed
    directory = tmp_path_factory.mktemp("cluster")
    with Cluster.start(
        directory, programs=programs, flags=_FLAGS, also_at=[_HERE, _API_NAME]
    ) as cluster:
        yield cluster
        cluster.keep_logs = request.session.testsfailed > failed_before


class Local(Protocol):
    """Makes a pod of one guest, as it lies on this machine, for a node."""

    def __call__(
        self, node: KrustletNode, name: str, guest: str, *args: str, **container: Any
    ) -> dict[str, Any]: ...


@pytest.fixture(scope="module")
def local(guests: Guests) -> Local:
    def made(
        node: KrustletNode, name: str, guest: str, *args: str, **container: Any
    ) -> dict[str, Any]:
        image = f"file://{guests.path(guest)}"
        container = {"args": list(args), **container}
        return a_pod(name, image, by_class=False, nodeName=node.name, container=container)

    return made


class Spoiled(NamedTuple):
    """A node, and what is between it and the API server."""

    node: KrustletNode
    proxy: ApiProxy


@pytest.fixture(scope="module")
def spoiled(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Spoiled]:
    """A node that these tests share, and leave as they found it."""
    directory = tmp_path_factory.mktemp("spoiled")
    with ApiProxy.start(cluster, "spoiled", directory / "proxy") as proxy:
        launch = _by(_kubeconfig(cluster, "spoiled", proxy.server, directory))
        with krustlet_node(cluster, directory / "all", "spoiled", _LOCAL, launch=launch) as node:
            yield Spoiled(node, proxy)


@pytest.fixture(autouse=True)
def _no_faults_stay(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    if "spoiled" in request.fixturenames:
        spoiled: Spoiled = request.getfixturevalue("spoiled")
        spoiled.proxy.be(Faults())
        until(lambda: spoiled.proxy.is_watched("pods"))
        until(spoiled.node.is_ready)


def _kubeconfig(cluster: Cluster, node: str, server: str, directory: Path) -> Path:
    return write_kubeconfig(
        directory / f"{node}.kubeconfig",
        server=server,
        ca=cluster.ca,
        user=node,
        credentials=cluster.issue(f"system:node:{node}", groups=[NODES]),
    )


def _by(kubeconfig: Path, *machine: str) -> Launch:
    return Launch(machine=machine, credentials=("--kubeconfig", kubeconfig))


def _lease(node: KrustletNode) -> str:
    path = f"/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/{node.name}"
    return str(node.cluster.get(path)["spec"]["renewTime"])


def _goes_by(node: KrustletNode, ahead_s: float) -> bool:
    """Whether its lease was renewed by a clock that is so much ahead."""
    by_s = datetime.fromisoformat(_lease(node)).timestamp() - time.time() - ahead_s
    return abs(by_s) < _HOUR_S / 10


def _stays_ready(node: KrustletNode, for_s: float) -> None:
    ends = time.monotonic() + for_s
    while time.monotonic() < ends:
        assert node.is_ready(), node.object()["status"]["conditions"]
        time.sleep(0.5)


# the API server -------------------------------------------------------------------------------


def test_a_server_that_takes_ten_seconds_for_each_answer_has_its_node_and_its_pods(
    cluster: Cluster, bench: Bench, local: Local, tmp_path: Path
) -> None:
    with ApiProxy.start(cluster, "patient", tmp_path / "proxy") as proxy:
        proxy.be(Faults(delay_s=10))
        launch = _by(_kubeconfig(cluster, "patient", proxy.server, tmp_path))
        with krustlet_node_to_be(
            cluster, tmp_path / "all", "patient", _LOCAL, launch=launch
        ) as node:
            node.start_only()
            until(node.is_ready, within_s=90)
            bench.apply(local(node, "ticks", "ticks", "3", "1"))
            bench.until_phase("ticks", "Succeeded", within_s=90)
            assert node.is_ready()


def test_a_server_that_is_too_busy_is_asked_no_more_often_than_it_wants(
    spoiled: Spoiled, bench: Bench, local: Local
) -> None:
    spoiled.proxy.be(Faults(busy_s=2))
    began = time.monotonic()
    bench.apply(local(spoiled.node, "ticks", "ticks", "3", "1"))
    time.sleep(10)  # what is looked at is how little happens
    ended = time.monotonic()
    spoiled.proxy.be(Faults())
    bench.until_phase("ticks", "Succeeded")
    _stays_ready(spoiled.node, 1)
    asked: dict[str, list[float]] = defaultdict(list)
    for one in spoiled.proxy.asked_for("status", since=began):
        if one.at < ended:
            asked[one.path].append(one.at)
    assert any("pods/ticks" in path for path in asked)
    rests = [next_ - at for times in asked.values() for at, next_ in pairwise(times)]
    assert rests
    assert min(rests) > 1.9, sorted(rests)


def test_without_a_right_to_events_pods_run_as_ever_and_that_is_told_once(
    spoiled: Spoiled, bench: Bench, local: Local
) -> None:
    began = time.monotonic()
    said = len(spoiled.node.said())
    spoiled.proxy.be(Faults(forbidden=frozenset({"events"})))
    for number in range(3):
        bench.apply(local(spoiled.node, f"hello-{number}", "hello"))
        bench.until_phase(f"hello-{number}", "Succeeded")
    assert spoiled.proxy.asked_for("events", since=began)
    told = [line for line in spoiled.node.said()[said:].splitlines() if "warning" in line]
    assert 1 <= len([line for line in told if "event" in line]) <= 2, told
    spoiled.proxy.be(Faults())
    bench.apply(local(spoiled.node, "hello", "hello"))
    bench.until_phase("hello", "Succeeded")
    until(lambda: bench.events("hello"))


def test_without_a_right_to_secrets_only_pods_with_secrets_wait(
    spoiled: Spoiled, bench: Bench, local: Local
) -> None:
    assert bench.kubectl("create", "secret", "generic", "db", "--from-literal=key=s3cret").code == 0
    env = [{"name": "SECRET", "valueFrom": {"secretKeyRef": {"name": "db", "key": "key"}}}]
    spoiled.proxy.be(Faults(forbidden=frozenset({"secrets"})))
    bench.apply(
        local(spoiled.node, "secret", "secret", env=env), local(spoiled.node, "hello", "hello")
    )
    bench.until_phase("hello", "Succeeded")
    waits = bench.until_waiting("secret", "CreateContainerConfigError")
    assert "db" in waits["message"]
    assert "forbidden" in waits["message"]
    spoiled.proxy.be(Faults())
    bench.until_phase("secret", "Running")


def test_watches_that_last_a_second_each_miss_nothing_and_list_nothing_again(
    spoiled: Spoiled, bench: Bench, local: Local
) -> None:
    began = time.monotonic()
    spoiled.proxy.be(Faults(watch_s=1))
    for number in range(8):
        time.sleep(0.5)
        bench.apply(local(spoiled.node, f"ticks-{number}", "ticks", "2", "1"))
        bench.until_phase(f"ticks-{number}", "Succeeded")
        assert bench.kubectl("delete", "pod", f"ticks-{number}").code == 0
    lasted = time.monotonic() - began
    asked = [
        one
        for one in spoiled.proxy.asked_for("pods", since=began)
        if (one.method, one.path) == ("GET", "/api/v1/pods")
    ]
    assert all(one.watches for one in asked)
    assert 3 <= len(asked) <= lasted + 2


@pytest.mark.parametrize("how", ["refused", "silent", "a-stranger"])
def test_a_server_that_is_away_for_a_while_finds_its_node_as_it_was(
    spoiled: Spoiled, bench: Bench, local: Local, how: str
) -> None:
    bench.apply(local(spoiled.node, "ticks", "ticks", "100", "50"))
    bench.until_phase("ticks", "Running")
    said = len(spoiled.node.said())
    if how == "refused":
        spoiled.proxy.refuse()
    elif how == "silent":
        spoiled.proxy.be(Faults(silent=True))
    else:
        spoiled.proxy.show_wrong_certificate()
    before = _lease(spoiled.node)
    log = next(spoiled.node.logs.glob(f"{bench.namespace}_ticks_*/app/0.log"))
    until(lambda: "tick 99" in log.read_text())
    assert bench.phase("ticks") == "Running"  # for all that the server knows
    spoiled.proxy.be(Faults())
    bench.until_phase("ticks", "Succeeded")
    until(lambda: _lease(spoiled.node) > before)
    until(spoiled.node.is_ready)
    assert container_of(bench.pod("ticks"))["restartCount"] == 0
    warnings = Counter(
        line.split('"event"')[-1]
        for line in spoiled.node.said()[said:].splitlines()
        if '"warning"' in line
    )
    assert all(times <= 3 for times in warnings.values()), warnings


# the machine ----------------------------------------------------------------------------------


def test_without_dns_pods_go_on_and_the_node_is_back_when_it_is(
    cluster: Cluster, bench: Bench, local: Local, tmp_path: Path
) -> None:
    with (
        Machine.start(tmp_path / "machine", "nameless", networked=True) as machine,
        machine.linked(here=_HERE, there=_THERE),
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as mute,
        ApiProxy.start(
            cluster, "nameless", tmp_path / "proxy", host=_HERE, names=[_API_NAME]
        ) as proxy,
    ):
        mute.bind((_HERE, 53))  # who asks there waits
        machine.call(_API_NAME, _HERE)
        server = proxy.server.replace(_HERE, _API_NAME)
        launch = _by(_kubeconfig(cluster, "nameless", server, tmp_path), *machine.enter)
        with krustlet_node(cluster, tmp_path / "all", "nameless", _LOCAL, launch=launch) as node:
            bench.apply(local(node, "ticks", "ticks", "200", "50"))
            bench.until_phase("ticks", "Running")
            machine.forget(_API_NAME)
            proxy.refuse()  # it takes a name to come back
            log = next(node.logs.glob(f"{bench.namespace}_ticks_*/app/0.log"))
            until(lambda: "tick 199" in log.read_text())
            before = _lease(node)
            proxy.be(Faults())
            until(lambda: "name resolution" in node.said())
            here = Command(tmp_path)("ps", "-A", "--data-dir", node.data)
            assert "ticks" in here.stdout, here.stderr
            assert _lease(node) == before
            machine.call(_API_NAME, _HERE)
            until(lambda: _lease(node) > before)
            bench.until_phase("ticks", "Succeeded")
            until(node.is_ready)


def test_a_full_disk_is_told_and_is_no_end(
    cluster: Cluster, bench: Bench, local: Local, tmp_path: Path
) -> None:
    with (
        _small_disk(tmp_path / "disk", size_mib=64) as disk,
        krustlet_node(cluster, disk / "all", "full", _LOCAL) as node,
    ):
        bench.apply(local(node, "before", "sleep"))
        bench.until_phase("before", "Running")
        ballast = disk / "ballast"
        _fill(ballast)
        until(lambda: _condition(node, "DiskPressure") == "True")
        assert node.is_ready()
        bench.apply(local(node, "full", "ticks", "2", "1"))
        ballast.unlink()
        until(node.is_ready)
        bench.apply(local(node, "after", "ticks", "2", "1"))
        bench.until_phase("after", "Succeeded")
        assert bench.phase("before") == "Running"
        assert container_of(bench.pod("before"))["restartCount"] == 0


def test_the_time_of_day_may_jump_by_an_hour_and_back(
    cluster: Cluster, bench: Bench, local: Local, tmp_path: Path
) -> None:
    clock = SkewedClock(tmp_path / "clock")
    with Machine.start(tmp_path / "machine", "jumpy") as machine:
        machine.go_by(clock)
        launch = Launch(machine=machine.enter)
        flags = (_LOCAL, "--node-lease-duration-seconds", "8")  # so that it is soon seen
        with krustlet_node(cluster, tmp_path / "all", "jumpy", *flags, launch=launch) as node:
            bench.apply(local(node, "sleep", "sleep"))
            bench.until_phase("sleep", "Running")
            for number, (by_s, for_s) in enumerate(_JUMPS):
                clock.be_ahead(by_s)
                until(functools.partial(_goes_by, node, by_s))
                _stays_ready(node, for_s)
                bench.apply(local(node, f"ticks-{number}", "ticks", "3", "1"))
                bench.until_phase(f"ticks-{number}", "Succeeded")
                assert bench.kubectl("delete", "pod", f"ticks-{number}").code == 0
            assert bench.phase("sleep") == "Running"
            assert container_of(bench.pod("sleep"))["restartCount"] == 0


# others ---------------------------------------------------------------------------------------


def test_a_data_directory_has_one_kubelet(spoiled: Spoiled) -> None:
    own = spoiled.node.cluster.node_kubeconfig("other")
    second = _second(own, data=spoiled.node.data, name="other")
    assert second.returncode == 1
    assert f"{spoiled.node.data} is in use by another krustlet" in second.stderr
    assert spoiled.node.is_ready()


def test_a_node_name_has_one_kubelet_on_a_machine(spoiled: Spoiled, tmp_path: Path) -> None:
    own = _kubeconfig(spoiled.node.cluster, "spoiled", spoiled.proxy.server, tmp_path)
    second = _second(own, data=tmp_path / "data", name="spoiled")
    assert second.returncode == 1
    assert "another krustlet on this machine is node spoiled already" in second.stderr
    assert spoiled.node.is_ready()


def test_a_node_name_has_one_machine_until_that_has_been_silent(
    cluster: Cluster, tmp_path: Path
) -> None:
    with Machine.start(tmp_path / "machine", "rival") as machine:
        launch = Launch(machine=machine.enter)
        with (
            krustlet_node(cluster, tmp_path / "first", "twins") as first,
            krustlet_node_to_be(cluster, tmp_path / "second", "twins", launch=launch) as second,
        ):
            id_ = _machine_id(first)
            own = cluster.node_kubeconfig("twins")
            refused = _second(own, data=second.data, name="twins", machine=machine)
            assert refused.returncode == 1
            assert "twins" in refused.stderr
            assert id_ in refused.stderr
            assert "--node-name" in refused.stderr
            assert _machine_id(first) == id_
            first.stop()
            _let_lease_grow_old(first)
            second.start()
            until(lambda: _machine_id(second) == machine.id)


def _second(
    kubeconfig: Path, *, data: Path, name: str, machine: Machine | None = None
) -> "subprocess.CompletedProcess[str]":
    """A node that is expected to end by itself."""
    return subprocess.run(
        [
            *(machine.enter if machine else ()),
            *Launch().command,
            *("--kubeconfig", kubeconfig, "--node-name", name, "--port", "1"),
            *("--data-dir", data, "--pod-logs-dir", data.parent / "logs"),
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def _let_lease_grow_old(node: KrustletNode) -> None:
    """As if it had been stopped a minute ago."""
    then = time.strftime("%Y-%m-%dT%H:%M:%S.000000Z", time.gmtime(time.time() - 60))
    done = node.cluster.kubectl(
        "patch", "lease", node.name, "-n", "kube-node-lease", "--type=merge",
        "-p", f'{{"spec":{{"renewTime":"{then}"}}}}',
    )  # fmt: skip
    assert done.code == 0, done.stderr


def _machine_id(node: KrustletNode) -> str:
    return str(node.object()["status"]["nodeInfo"]["machineID"])


def _condition(node: KrustletNode, kind: str) -> str:
    conditions = node.object()["status"]["conditions"]
    return next(str(one["status"]) for one in conditions if one["type"] == kind)


@contextlib.contextmanager
def _small_disk(at: Path, *, size_mib: int) -> Iterator[Path]:
    at.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size_mib}m", "none", at], check=True)
    try:
        yield at
    finally:
        subprocess.run(["umount", "--lazy", at], check=True)


def _fill(path: Path) -> None:
    with path.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(os.urandom(4096) * 16)
