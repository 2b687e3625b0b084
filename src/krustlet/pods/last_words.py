"""What a container leaves behind as the message of its end.

The file at its `terminationMessagePath` if it wrote one, else its log where that is wanted, else
what the runtime says.

Source: kubernetes pkg/kubelet/kuberuntime/kuberuntime_container.go, `getTerminationMessage`;
pkg/kubelet/container/runtime.go for the lengths.
"""

from pathlib import Path
from typing import Final

import msgspec

from krustlet.base import KrustletError
from krustlet.objects import ContainerCommon, Pod, TerminationMessagePolicy
from krustlet.pods.facts import Exited
from krustlet.pods.naming import log_path
from krustlet.pods.ports import Means
from krustlet.pods.state import PodState
from krustlet.process import START_ERROR, LogOptions, read_log

_LOG_BYTES: Final = 2048
_LOG_LINES: Final = 80


class LastWords:
    """Hears them, on one node."""

    def __init__(self, means: Means) -> None:
        self._means = means

    async def hear(self, pod: Pod, state: PodState, fact: Exited) -> Exited:
        """The fact with the message that belongs to it; asked again, the same.

        Args:
            state: what was known before.
        """
        container = next((c for c in pod.spec.all_containers() if c.name == fact.container), None)
        known = state.containers.get(fact.container)
        if container is None or known is None or known.attempt != fact.attempt:
            return fact  # late word of an attempt that is over
        restart = known.restarts if known.is_up else known.restarts_once_started
        message = await self._left(pod, container, restart)
        if not message and wants_log(container, code=fact.code, reason=fact.reason):
            message = await end_of_log(log_path(self._means.logs, pod, container.name, restart))
        return msgspec.structs.replace(fact, message=message) if message else fact

    async def _left(self, pod: Pod, container: ContainerCommon, restart: int) -> str:
        """What the run has written as its last words; empty if nothing."""
        if not self._means.mounts_files or not container.termination_message_path:
            return ""
        volumes = self._means.volumes
        try:
            return await volumes.termination_message(pod.uid, container.name, restart)
        except KrustletError as exc:
            return f"Error on reading termination log: {exc.message}"


def wants_log(container: ContainerCommon, *, code: int, reason: str) -> bool:
    """Whether the end of its log is to stand in for words that it has not left."""
    policy = container.termination_message_policy
    wanted = policy == TerminationMessagePolicy.FALLBACK_TO_LOGS_ON_ERROR
    return wanted and code != 0 and reason != START_ERROR  # that never printed anything


async def end_of_log(path: Path) -> str:
    """The last lines of a log, at most 80 of them and at most 2048 bytes."""
    tail = b""
    try:
        async for piece in read_log(path, LogOptions(tail_lines=_LOG_LINES)):
            tail = (tail + piece)[-_LOG_BYTES:]
    except OSError as exc:
        return f"Error on reading termination message from logs: {exc}"
    return tail.decode(errors="replace")
