"""A `krustlet node` of a test's cluster: the real command, in a process of its own."""

import contextlib
import os
import random
import shutil
import signal
import socket
import ssl
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from krustlet.kubelet import remove_run
from tests.support.children import Child
from tests.support.cluster import Cluster
from tests.support.command import processes_writing_below
from tests.support.processes import descendants, is_alive
from tests.support.until import PATIENCE_S, until, until_not

_LOCKS: Final = Path("/run/krustlet")  # who is which node on this machine
_STOPPED_S: Final = 30.0


class Launch(msgspec.Struct, frozen=True, kw_only=True):
    """How a node is started, where it is not as usual.

    Attributes:
        machine: words before the command, as `nsenter …`.
        command: of the node itself, without flags.
        credentials: the flags that say who it is; None: with the kubeconfig of its own.
        environment: more of it, or other.
        whole: the command with all its flags, if it is to have no others; it keeps everything
            below its home directory then.
    """

    machine: Sequence[str | Path] = ()
    command: Sequence[str] = (sys.executable, "-m", "krustlet", "node")
    credentials: Sequence[str | Path] | None = None
    environment: Mapping[str, str] = {}
    whole: Sequence[str | Path] | None = None


_AS_USUAL: Final = Launch()


class KrustletNode:
    """A node that may be killed and come back; what it keeps is below `directory`.

    Attributes:
        data: its data directory.
        logs: its pods' logs.
        port: of its API, on all addresses of this machine.
    """

    def __init__(
        self,
        cluster: Cluster,
        directory: Path,
        name: str,
        port: int,
        flags: Sequence[str | Path],
        launch: Launch = _AS_USUAL,
    ) -> None:
        self.cluster = cluster
        self.name = name
        self.port = port
        self.data = directory / (".krustlet" if launch.whole else "data")
        self.logs = directory / "pod-logs"
        self.log = directory / "node.log"
        directory.mkdir(parents=True, exist_ok=True)
        self._child = Child(
            f"krustlet node {name}",
            [*launch.machine, *(launch.whole or self._command(launch, flags))],
            log=self.log,
            environment={**_environment(directory), **launch.environment},
        )

    def _command(self, launch: Launch, flags: Sequence[str | Path]) -> list[str | Path]:
        credentials = launch.credentials
        if credentials is None:
            credentials = ("--kubeconfig", self.cluster.node_kubeconfig(self.name))
        return [
            *launch.command,
            *credentials,
            *("--node-name", self.name),
            *("--port", str(self.port)),
            *("--data-dir", self.data),
            *("--pod-logs-dir", self.logs),
            *flags,
        ]

    @property
    def pid(self) -> int:
        pid = self._child.pid
        assert pid is not None
        return pid

    def start(self) -> None:
        """Start it, and wait until it knows its pods, and the API server calls it ready."""
        known_before = self._times_known()
        self._child.start()
        until(self.is_ready)
        until(lambda: self._times_known() > known_before)

    def start_only(self) -> None:
        """Start it, and wait for nothing."""
        self._child.start()

    def wait(self) -> int:
        """The exit code of one that ends by itself."""
        return self._child.wait(within_s=PATIENCE_S)

    def stop(self) -> int | None:
        """Have it end by itself; its containers go on. Its exit code, if it ran at all."""
        return self._child.stop(grace_s=_STOPPED_S)

    def is_running(self) -> bool:
        """Whether it was started, and not stopped or killed since."""
        return self._child.pid is not None

    def kill(self) -> None:
        """SIGKILL it; its containers go on."""
        pid = self.pid
        os.kill(pid, signal.SIGKILL)
        until_not(lambda: is_alive(pid), within_s=_STOPPED_S)
        self._child.stop(grace_s=_STOPPED_S)

    def is_ready(self) -> bool:
        """Whether the API server has a Node of that name that is ready."""
        self._child.check()
        node = self.cluster.get(f"/api/v1/nodes/{self.name}")
        return node is not None and _condition(node, "Ready") == "True"

    def object(self) -> Any:
        """The Node as the API server has it."""
        return self.cluster.get(f"/api/v1/nodes/{self.name}")

    def keepers(self) -> list[int]:
        """The processes that outlive it: the supervisor, the log pump, containers."""
        return [pid for pid in processes_writing_below(self.data.parent) if pid != self._child.pid]

    def processes(self) -> list[int]:
        """Its supervisor's, and all that came of it, whether they still write there or not."""
        keepers = self.keepers()
        return sorted({*keepers, *(pid for keeper in keepers for pid in descendants(keeper))})

    def containers(self) -> list[int]:
        """The processes of containers: what the supervisor has forked beside the log pump."""
        return sorted(set(self.processes()) - set(self.keepers()))

    def url(self, path: str) -> str:
        """Of its own API, at this machine's loopback address."""
        return f"https://127.0.0.1:{self.port}{path}"

    def _times_known(self) -> int:
        """How often it has begun to look after its pods, as it says itself."""
        return self.said().count("pods.listed") if self.log.exists() else 0

    def said(self) -> str:
        """All it has logged."""
        return self.log.read_text(errors="replace")


@contextlib.contextmanager
def krustlet_node(
    cluster: Cluster, directory: Path, name: str, *flags: str | Path, launch: Launch = _AS_USUAL
) -> Iterator[KrustletNode]:
    """A node that is ready; afterwards nothing is left of it, neither here nor in the cluster."""
    with krustlet_node_to_be(cluster, directory, name, *flags, launch=launch) as node:
        node.start()
        yield node


@contextlib.contextmanager
def krustlet_node_to_be(
    cluster: Cluster, directory: Path, name: str, *flags: str | Path, launch: Launch = _AS_USUAL
) -> Iterator[KrustletNode]:
    """A node that has yet to be started; afterwards nothing is left of it."""
    node = KrustletNode(cluster, directory, name, _free_port(), flags, launch)
    try:
        yield node
    finally:
        _clean_up(node)
        shutil.rmtree(directory, ignore_errors=True)


def _clean_up(node: KrustletNode) -> None:
    """Its pods and the Node go by force, its processes by SIGKILL: a test looks before that."""
    node.stop()
    for pid in node.keepers():
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    until_not(node.keepers, within_s=_STOPPED_S)
    remove_run(node.data)  # its mounts and control groups were to outlive it, too
    for lock in _LOCKS.glob(f"{node.name}@*"):
        with contextlib.suppress(OSError):
            lock.rmdir()
    by_force = ("--force", "--grace-period=0", "--ignore-not-found", "--wait=false")
    of_node = f"spec.nodeName={node.name}"
    node.cluster.kubectl("delete", "pods", "-A", "--field-selector", of_node, *by_force)
    node.cluster.kubectl("delete", "node", node.name, "--ignore-not-found", "--wait=false")


def client_context(ca: Path, *, certificate: tuple[Path, Path] | None = None) -> ssl.SSLContext:
    """To talk to a node's API with; its own certificate is not looked at."""
    context = ssl.create_default_context(cafile=ca)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if certificate is not None:
        context.load_cert_chain(*certificate)
    return context


def _free_port() -> int:
    """Below those that the kernel takes for connections, so that none of these is in the way."""
    while True:
        port = random.randrange(20_000, 30_000)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("", port))
            return port


def _environment(directory: Path) -> dict[str, str]:
    """As poor as a service manager's, so that nothing of whoever runs the tests gets in."""
    kept = {key: os.environ[key] for key in ("PATH", "LANG", "PYTHONPATH") if key in os.environ}
    return {**kept, "HOME": str(directory)}


def _condition(item: Any, kind: str) -> str | None:
    conditions = item.get("status", {}).get("conditions", [])
    return next((c["status"] for c in conditions if c["type"] == kind), None)
