"""Run a control plane by hand, in the foreground: `make cluster`."""

import os
import select
import signal
import sys
import tempfile
from pathlib import Path
from types import FrameType

from tests.support.children import ChildError
from tests.support.cluster import Cluster
from tests.support.controlplane import ControlPlaneError


def main() -> None:
    """Run one until somebody ends it, or one of its programs ends by itself."""
    for sign in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(sign, _interrupt)
    directory = Path(tempfile.mkdtemp(prefix="krustlet-cluster-"))
    try:
        with Cluster.start(directory) as cluster:
            _say(
                f"A Kubernetes {cluster.get('/version')['gitVersion']} control plane runs"
                f" at {cluster.server}, without nodes.\n\n"
                f"  export KUBECONFIG={cluster.kubeconfig()}\n"
                f"  kubectl get namespaces\n\n"
                f"Ctrl-C stops it and removes {directory}."
            )
            _until_one_ends(cluster.pids())
    except KeyboardInterrupt:
        _say("\nStopped.")


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
