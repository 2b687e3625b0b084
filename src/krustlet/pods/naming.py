"""What the things of a pod are called on this node. Pure."""

import hashlib
from pathlib import Path

from krustlet.objects import Pod
from krustlet.pods.state import PodState


def container_id_of(pod: PodState, container: str, attempt: int) -> str:
    """The id of one attempt at running a container: 64 hex digits, the same after a restart.

    A pod that comes back after it was gone, or after its checkpoint was lost, gets other ids, as
    those of its first life may still be in use.
    """
    attempt_of_all = f"{pod.uid}/{pod.accepted_at!r}/{container}/{attempt}"
    return hashlib.sha256(attempt_of_all.encode()).hexdigest()


def log_path(logs: Path, pod: Pod, container: str, restart: int) -> Path:
    """Where a container's output goes, as the CRI lays it out below the pod log directory."""
    return logs_of(logs, pod) / container / f"{restart}.log"


def logs_of(logs: Path, pod: Pod) -> Path:
    """Where all logs of the pod are."""
    return logs / f"{pod.namespace}_{pod.name}_{pod.uid}"


def long_name(pod: Pod) -> str:
    """The pod as the kubelet's own messages name it: `name_namespace(uid)`."""
    return f"{pod.name}_{pod.namespace}({pod.uid})"
