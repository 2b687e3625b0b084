"""Take away the logs of pods that are gone, and of runs that nobody can ask for any more.

Leaves the writing of them to the runtime.

Source: kubernetes pkg/kubelet/kuberuntime/kuberuntime_gc.go, which keeps the logs of the last run
and of the one before.
"""

import shutil
from pathlib import Path
from typing import Final

import structlog

from krustlet.objects import Pod
from krustlet.pods.naming import log_path, logs_of
from krustlet.process import remove_log

_KEPT_RUNS: Final = 2  # the latest, and the one before it: `kubectl logs --previous`

log = structlog.get_logger(__name__)


def remove_logs(logs: Path, pod: Pod) -> None:
    """Nothing is left of the pod's logs; what cannot be removed is told, and no reason to stay.

    Args:
        pod: of one without a namespace only the uid counts.
    """
    if pod.namespace:
        directories = [logs_of(logs, pod)]
    else:
        directories = [path for path in logs.glob("*_*_*") if path.name.endswith(f"_{pod.uid}")]
    for directory in directories:
        try:
            shutil.rmtree(directory)
        except FileNotFoundError:
            continue  # it never ran
        except OSError as exc:
            log.warning("pod.logs_left", path=str(directory), error=str(exc))


def remove_old_log(logs: Path, pod: Pod, container: str, *, restarts: int) -> None:
    """Of a container that was restarted so often, what was printed before the last two runs."""
    if restarts < _KEPT_RUNS:
        return
    old = log_path(logs, pod, container, restarts - _KEPT_RUNS)
    try:
        remove_log(old)
    except OSError as exc:
        log.warning("pod.logs_left", path=str(old), error=str(exc))
