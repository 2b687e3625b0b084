"""Run a control plane by hand, in the foreground: `make cluster`."""

import contextlib
import os
import select
import shutil
import signal
import socket
import sys
import tempfile
from pathlib import Path
from types import FrameType
from typing import Final

from krustlet.settings import DEFAULT_PORT
from tests.support.children import ChildError
from tests.support.cluster import Cluster
from tests.support.command import processes_writing_below
from tests.support.controlplane import ControlPlaneError, Programs
from tests.support.guests import default_cache
from tests.support.registry import Registry

ROOT: Final = Path(__file__).parents[2]
RUNTIME_CLASS: Final = ROOT / "deploy" / "runtimeclass.yaml"
HELLO: Final = ROOT / "examples" / "hello.wat"
NODE: Final = "wasm-1"
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
        _end_containers(directory)
        shutil.rmtree(directory, ignore_errors=True)


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

# In a third one, use it:

export KUBECONFIG={cluster.kubeconfig()}
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
# plane and registry, ends what still runs on the node, and removes {directory}."""


def _port() -> str:
    """Another port for the node, if something, such as another node, has the usual one."""
    with socket.socket() as probe:
        try:
            probe.bind(("", DEFAULT_PORT))
        except OSError:
            probe.bind(("", 0))
            return f" --port {probe.getsockname()[1]}"
    return ""


def _end_containers(directory: Path) -> None:
    """End the supervisor of a node below `directory`, which outlives the node."""
    for pid in processes_writing_below(directory / "node"):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)


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
