"""Run a control plane by hand, in the foreground: `make cluster`."""

import os
import select
import shutil
import signal
import sys
import tempfile
import textwrap
from pathlib import Path
from types import FrameType
from typing import Final

from tests.support.children import ChildError
from tests.support.cluster import Cluster
from tests.support.controlplane import ControlPlaneError
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
        with (
            Cluster.start(directory / "cluster") as cluster,
            Registry.start(directory / "registry") as registry,
        ):
            _say(_how_to(cluster, registry, directory))
            _until_one_ends(cluster.pids())
    except KeyboardInterrupt:
        _say("\nStopped.")
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _how_to(cluster: Cluster, registry: Registry, directory: Path) -> str:
    """What to type to have a node, and a pod on it."""
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

In a second terminal, make this machine a node of it:

  {krustlet} node --node-name {NODE} \\
    --kubeconfig {cluster.node_kubeconfig(NODE)} \\
    --registry-certs-dir {certs} \\
    --data-dir {directory}/node --pod-logs-dir {directory}/pod-logs

In a third one, use it:

  export KUBECONFIG={cluster.kubeconfig()}
  kubectl get nodes -o wide
  {krustlet} push --registry-certs-dir {certs} \\
    {HELLO} {registry.address}/hello:v1
  kubectl apply -f - <<EOF
{_indented(POD.format(image=f"{registry.address}/hello:v1"))}
  EOF
  kubectl get pod hello -w
  kubectl logs hello

Ctrl-C here stops both and removes {directory}; end the node before."""


def _indented(text: str) -> str:
    return textwrap.indent(text.strip(), "  ")


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
