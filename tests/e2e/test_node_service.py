"""A node as a service: what it tells its service manager, and what it does about signals."""

import itertools
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.support.children import reserved_port
from tests.support.cluster import Cluster
from tests.support.krustlet_node import KrustletNode, Launch, krustlet_node_to_be
from tests.support.processes import is_alive, status
from tests.support.service_manager import ListeningManager, listening
from tests.support.until import until

_WATCHDOG_S: Final = 1.5
_SETTINGS: Final = "nodeStatusUpdateFrequency: 1s\n"


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[ListeningManager]:
    with listening(tmp_path, watchdog_s=_WATCHDOG_S) as manager:
        yield manager


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """The node's configuration file."""
    file = tmp_path / "krustlet.yaml"
    write(file)
    return file


def write(config: Path, *lines: str) -> None:
    header = "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\n"
    config.write_text(header + _SETTINGS + "".join(f"{line}\n" for line in lines))


@pytest.fixture
def service(
    cluster: Cluster, manager: ListeningManager, config: Path, tmp_path: Path
) -> Iterator[KrustletNode]:
    """A node that has yet to be started."""
    launch = Launch(environment=manager.environment)
    flags = ("--config", config)
    with krustlet_node_to_be(
        cluster, tmp_path / "node", "service-node", *flags, launch=launch
    ) as node:
        yield node


def hang_up(node: KrustletNode) -> None:
    os.kill(node.pid, signal.SIGHUP)


def test_it_is_ready_when_the_cluster_says_so_and_its_pods_are_known(
    service: KrustletNode, manager: ListeningManager
) -> None:
    seen: list[tuple[bool, bool]] = []
    manager.on_ready = lambda: seen.append((service.is_ready(), "pods.listed" in service.said()))
    service.start()
    until(lambda: manager.heard("READY"))
    assert seen == [(True, True)]


def test_until_then_it_asks_for_time(
    cluster: Cluster, manager: ListeningManager, tmp_path: Path
) -> None:
    """The API server is away."""
    with reserved_port() as port:
        text = cluster.node_kubeconfig("waiting-node").read_text()
        server = next(line for line in text.splitlines() if "server:" in line)
        kubeconfig = tmp_path / "node.conf"
        kubeconfig.write_text(text.replace(server, f"    server: https://127.0.0.1:{port}"))
        launch = Launch(environment=manager.environment, credentials=("--kubeconfig", kubeconfig))
        with krustlet_node_to_be(cluster, tmp_path / "node", "waiting-node", launch=launch) as node:
            node.start_only()
            until(lambda: "waits_for_api_server" in node.said())
            asked = len(manager.heard("EXTEND_TIMEOUT_USEC"))
            until(lambda: len(manager.heard("EXTEND_TIMEOUT_USEC")) > asked + 2)
            assert "API server" in manager.words()
            assert node.stop() == 0
    assert not manager.heard("READY")
    assert manager.heard("STOPPING")


def test_it_says_that_it_lives_as_often_as_it_must(
    service: KrustletNode, manager: ListeningManager
) -> None:
    service.start()
    until(lambda: len(manager.heard("WATCHDOG")) > 9)
    times = [one.at for one in manager.heard("WATCHDOG")]
    assert max(late - early for early, late in itertools.pairwise(times)) < _WATCHDOG_S


def test_one_that_hangs_says_nothing(service: KrustletNode, manager: ListeningManager) -> None:
    service.start()
    os.kill(service.pid, signal.SIGSTOP)
    time.sleep(_WATCHDOG_S / 3)  # what it had said by then is heard
    said = len(manager.heard("WATCHDOG"))
    time.sleep(_WATCHDOG_S)
    assert len(manager.heard("WATCHDOG")) == said
    os.kill(service.pid, signal.SIGCONT)
    until(lambda: len(manager.heard("WATCHDOG")) > said)


def test_its_children_are_not_taken_for_it(service: KrustletNode) -> None:
    """The supervisor outlives it: one that told the manager something would confuse it."""
    service.start()
    keepers = service.keepers()
    assert keepers
    for pid in keepers:
        environment = Path(f"/proc/{pid}/environ").read_bytes()
        assert b"NOTIFY_SOCKET" not in environment
        assert b"WATCHDOG" not in environment


def test_a_hang_up_has_it_read_its_settings(
    service: KrustletNode, manager: ListeningManager, config: Path
) -> None:
    service.start()
    until(lambda: manager.heard("READY"))
    write(config, "maxPods: 7", "podPidsLimit: 99")
    hang_up(service)
    until(lambda: service.object()["status"]["capacity"]["pods"] == "7")
    assert service.object()["status"]["allocatable"]["pods"] == "7"
    until(lambda: len(manager.heard("READY")) == 2)
    began, ended = manager.heard("RELOADING", "READY")[1:]
    assert "RELOADING" in began.facts
    assert int(began.facts["MONOTONIC_USEC"]) / 1e6 <= began.at
    assert "now in force: max_pods" in ended.facts["STATUS"]
    assert "only after a restart: pod_pids_limit" in ended.facts["STATUS"]
    assert "node.needs_a_restart" in service.said()


def test_a_bad_file_is_complained_of_and_changes_nothing(
    service: KrustletNode, manager: ListeningManager, config: Path
) -> None:
    service.start()
    until(lambda: manager.heard("READY"))
    before = service.object()["status"]["capacity"]["pods"]
    write(config, "maxPods: many")
    hang_up(service)
    until(lambda: "node.not_reloaded" in service.said())
    complaint = next(line for line in service.said().splitlines() if "node.not_reloaded" in line)
    for word in (str(config), "line 4", "maxPods", "many"):
        assert word in complaint
    until(lambda: len(manager.heard("READY")) == 2)  # not left reloading
    write(config, "maxPods: 8")
    hang_up(service)
    until(lambda: service.object()["status"]["capacity"]["pods"] == "8")
    assert before != "8"


def test_a_hang_up_before_it_is_ready_does_not_end_it(
    service: KrustletNode, manager: ListeningManager
) -> None:
    """From the moment that it can hear of any, and often."""
    service.start_only()
    until(lambda: _hears_of(service.pid, signal.SIGHUP))
    while not manager.heard("READY"):
        hang_up(service)
        service.is_ready()  # which fails if it has ended
    until(service.is_ready)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_told_to_end_it_says_so_and_ends_well_however_often_it_is_told(
    service: KrustletNode, manager: ListeningManager, number: signal.Signals
) -> None:
    service.start()
    pid = service.pid

    def has_ended() -> bool:
        os.kill(pid, number)
        return not is_alive(pid)

    until(has_ended)
    assert service.stop() == 0
    assert manager.heard("STOPPING")
    assert "node.stopped" in service.said()
    assert "Traceback" not in service.said()


def _hears_of(pid: int, number: signal.Signals) -> bool:
    return bool(int(status(pid)["SigCgt"], 16) >> (number - 1) & 1)
