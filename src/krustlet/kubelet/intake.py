"""Hand the pods that the API server has for this node on to `pods`, and what becomes of them.

Source: kubernetes pkg/kubelet/kubelet.go, `syncLoopIteration`.
"""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Protocol

import structlog

from krustlet.kube import Applied, Change, Listed, Removed
from krustlet.objects import Pod
from krustlet.pods import Pods

log = structlog.get_logger(__name__)


class Writer(Protocol):
    """Of a `StatusWriter`, what is needed here."""

    def seen(self, pod: Pod) -> None: ...

    def drop(self, uid: str) -> None: ...


class Intake:
    """Follows the pods of this node from their binding to their end."""

    def __init__(self, writer: Writer, *, directory: Path) -> None:
        """Keep what it is given.

        Args:
            directory: where relative image references begin.
        """
        self._writer = writer
        self._directory = directory
        self.listed = asyncio.Event()
        """Set once the pods are known."""
        self._there: set[str] = set()  # what the API server has
        self._gone: set[str] = set()  # of these, what nothing is left of here

    def trouble(self) -> str:
        """Why nobody looks after the pods; empty if somebody does."""
        return "" if self.listed.is_set() else "the pods of this node are not known yet"

    def forget(self, pod: Pod) -> None:
        """Nothing of the pod is left on this node: what comes of it now is late."""
        if pod.uid in self._there:
            self._gone.add(pod.uid)

    async def run(self, pods: Pods, changes: AsyncIterator[Change[Pod]]) -> None:
        """Follow `changes` for ever."""
        async for change in changes:
            match change:
                case Listed(objects=objects, is_complete=is_complete):
                    for pod in objects:
                        self._take(pods, pod)
                    if is_complete:  # else some that seem to be nobody's may be somebody's
                        pods.stop_strangers()
                    self.listed.set()
                    log.info("pods.listed", pods=len(objects))
                case Applied(object=pod):
                    self._take(pods, pod)
                case Removed(object=pod):
                    self._there.discard(pod.uid)
                    self._gone.discard(pod.uid)
                    self._writer.drop(pod.uid)
                    pods.delete(pod.uid, grace_s=_grace_s(pod))

    def _take(self, pods: Pods, pod: Pod) -> None:
        self._there.add(pod.uid)
        if pod.uid in self._gone:
            return
        self._writer.seen(pod)
        if pods.state_of(pod.uid) is None:
            pods.add(pod, directory=self._directory)
        else:
            pods.revise(pod)
        if pod.metadata.deletion_timestamp is not None:
            pods.delete(pod.uid, grace_s=_grace_s(pod))


def _grace_s(pod: Pod) -> float:
    """What its deletion asks for; else, where it was deleted by force, what the pod has itself."""
    grace_s = pod.metadata.deletion_grace_period_seconds
    if grace_s is None:
        grace_s = pod.spec.termination_grace_period_seconds
    return float(grace_s or 0)
