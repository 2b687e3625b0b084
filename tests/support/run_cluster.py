"""Run a control plane by hand, in the foreground: `make cluster`."""

import contextlib
import itertools
import os
import select
import shutil
import signal
import socket
import sys
import tempfile
import time
from pathlib import Path
from types import FrameType
from typing import Final

from krustlet.kubelet import remove_run
from krustlet.settings import DEFAULT_PORT
from tests.support.children import ChildError
from tests.support.cluster import Cluster
from tests.support.command import processes_writing_below
from tests.support.controlplane import ControlPlaneError, Programs
from tests.support.guests import default_cache
from tests.support.processes import GONE, processes_of
from tests.support.registry import Registry

ROOT: Final = Path(__file__).parents[2]
RUNTIME_CLASS: Final = ROOT / "deploy" / "runtimeclass.yaml"
HELLO: Final = ROOT / "examples" / "hello.wat"
NODE: Final = "wasm-1"
_GRACE_S: Final = 5.0
_PAUSE_S: Final = 0.05
POD: Final = """
apiVersion: v1
kind: Pod
metadata: {{name: hello}}
spec:
  runtimeClassName: krustlet
  restartPolicy: Never
  containers: [{{name: hello, image: "{image}"}}]
"""


def main() -> None:
    """Run one until somebody ends it, or one of its programs ends by itself."""
    for sign in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(sign, _interrupt)
    directory = Path(tempfile.mkdtemp(prefix="krustlet-cluster-"))
    try:
        programs = Programs(default_cache())
        with (
            Cluster.start(directory / "cluster", programs=programs) as cluster,
            Registry.start(directory / "registry", programs=programs) as registry,
        ):
            _say(_how_to(cluster, registry, directory, programs.path("kubectl").parent))
            _until_one_ends(cluster.pids())
    except KeyboardInterrupt:
        _say("\nStopped.")
    finally:
        clean_up(directory)


def _how_to(cluster: Cluster, registry: Registry, directory: Path, programs: Path) -> str:
    """What to type to have a node, and a pod on it; to be pasted as it is, so nothing is indented.

    Args:
        programs: where there is a `kubectl`, for who has none.
    """
    applied = cluster.kubectl("apply", "-f", RUNTIME_CLASS)
    assert applied.code == 0, applied.stderr
    certs = directory / "certs"
    (certs / registry.address).mkdir(parents=True)
    shutil.copy(registry.ca, certs / registry.address / "ca.crt")
    krustlet = Path(sys.executable).with_name("krustlet")
    version = cluster.get("/version")["gitVersion"]
    return f"""\
A Kubernetes {version} control plane runs at {cluster.server}, without nodes,
and a registry at {registry.address}.

# In a second terminal, make this machine a node of it:

{krustlet} node --node-name {NODE}{_port()} \\
  --kubeconfig {cluster.node_kubeconfig(NODE)} \\
  --registry-certs-dir {certs} \\
  --data-dir {directory}/node --pod-logs-dir {directory}/pod-logs

# Or have it join with a token: `join --bootstrap-file {directory}/bootstrap.conf` there in
# place of `node` and --kubeconfig, once this runs in the third one, with the variables below:
#   {krustlet} bootstrap --output {directory}/bootstrap.conf --wait {NODE}

# In a third one, use it:

export KUBECONFIG={cluster.kubeconfig()}
export KRUSTLET_DATA_DIR={directory}/node
export PATH="$PATH:{programs}"
kubectl wait --for=create node/{NODE} --timeout=60s
kubectl wait --for=condition=Ready node/{NODE} --timeout=60s
kubectl get nodes -o wide
{krustlet} push --registry-certs-dir {certs} \\
  {HELLO} {registry.address}/hello:v1
kubectl apply -f - <<EOF
{POD.format(image=f"{registry.address}/hello:v1").strip()}
EOF
kubectl wait --for=jsonpath='{{.status.phase}}'=Succeeded pod/hello --timeout=60s
kubectl logs hello

# Ctrl-C in the second terminal ends the node; what runs on it goes on. Ctrl-C here stops control
# plane and registry, ends the node and what still runs on it, and removes {directory}."""


def _port() -> str:
    """Another port for the node, if something, such as another node, has the usual one."""
    with socket.socket() as probe:
        try:
            probe.bind(("", DEFAULT_PORT))
        except OSError:
            probe.bind(("", 0))
            return f" --port {probe.getsockname()[1]}"
    return ""


def clean_up(directory: Path) -> None:
    """Nothing is left of `directory`, nor of a node that keeps its data there: neither the node,
    nor its supervisor and containers, which outlive it, nor their mounts and control groups."""
    node = directory / "node"
    for sign in (signal.SIGTERM, signal.SIGKILL):
        for pid in _processes_of(node):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, sign)
        if _are_gone(node):
            break
    remove_run(node)
    shutil.rmtree(directory, ignore_errors=True)


def _processes_of(node: Path) -> set[int]:
    """The node and its supervisor, whose command lines tell so, and what writes there besides; not
    somebody's editor that has a file of it open."""
    found = set(processes_writing_below(node))
    for pid in processes_of(node):
        with contextlib.suppress(*GONE):
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            if any(pair in _owners(node) for pair in itertools.pairwise(words)):
                found.add(pid)
    return found


def _owners(node: Path) -> set[tuple[bytes, bytes]]:
    """Pairs of words that say whose a process is."""
    whole = os.fsencode(node)
    return {(b"--data-dir", whole), (b"--directory", whole + b"/supervisor")}


def _are_gone(node: Path) -> bool:
    deadline = time.monotonic() + _GRACE_S
    while found := _processes_of(node):
        if time.monotonic() > deadline:
            return False
        time.sleep(_PAUSE_S)
    return not found


def _until_one_ends(pids: list[int]) -> None:
    ends = [os.pidfd_open(pid) for pid in pids]
    try:
        select.select(ends, [], [])
    finally:
        for end in ends:
            os.close(end)


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _say(words: str) -> None:
    sys.stdout.write(words + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    try:
        main()
    except (ChildError, ControlPlaneError) as error:
        sys.exit(str(error))
