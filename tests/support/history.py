"""All that an API server ever said of some pods, and what it must never have said."""

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from itertools import pairwise
from typing import Final

import msgspec

from krustlet.kube import Applied, KubeClient, Listed, Removed, load_kubeconfig, reflect
from krustlet.objects import PODS, ContainerStatus, Pod
from tests.support.bench import Bench

_OVER: Final = ("Succeeded", "Failed")


class Seen(msgspec.Struct, frozen=True):
    """Something that must not have been; empty lists of them are what tests want."""

    pod: str
    what: str


class History:
    """All that the API server said of the pods of a namespace; enter, and it listens."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._lock = threading.Lock()
        self._seen: dict[str, list[Pod]] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self._thread = threading.Thread(target=self._listen, name="history")

    def __enter__(self) -> "History":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._loop is not None and self._task is not None:
            self._loop.call_soon_threadsafe(self._task.cancel)
        self._thread.join()

    def versions(self) -> dict[str, list[Pod]]:
        """Every version of every pod, by uid."""
        with self._lock:
            return {uid: list(versions) for uid, versions in self._seen.items()}

    def _listen(self) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            asyncio.run(self._follow())

    async def _follow(self) -> None:
        self._loop, self._task = asyncio.get_running_loop(), asyncio.current_task()
        async with KubeClient(load_kubeconfig(self._bench.cluster.kubeconfig())) as client:
            async for change in reflect(client, PODS, namespace=self._bench.namespace):
                match change:
                    case Listed(objects=objects):
                        for pod in objects:
                            self._note(pod)
                    case Applied(object=pod):
                        self._note(pod)
                    case Removed():
                        pass

    def _note(self, pod: Pod) -> None:
        with self._lock:
            self._seen.setdefault(pod.uid, []).append(pod)


def wrong_turns(history: History) -> list[Seen]:
    """What may never happen to a pod, from one version of it to the next."""
    found = []
    for versions in history.versions().values():
        for before, after in pairwise(versions):
            found += [Seen(after.name, what) for what in _wrong_turn(before, after)]
    return found


def _wrong_turn(before: Pod, after: Pod) -> Iterator[str]:
    if before.status.phase in _OVER and after.status.phase != before.status.phase:
        yield f"was {before.status.phase} and is {after.status.phase}"
    if before.status.phase == "Running" and after.status.phase == "Pending":
        yield "was Running and is Pending"
    known = {status.name: status for status in _all(before)}
    for now in _all(after):
        if (was := known.get(now.name)) is not None:
            yield from (f"{now.name}: {what}" for what in _wrong_turn_of(was, now))


def _wrong_turn_of(was: ContainerStatus, now: ContainerStatus) -> Iterator[str]:
    if now.restart_count < was.restart_count:
        yield f"restarts went from {was.restart_count} to {now.restart_count}"
    is_other = was.container_id and now.container_id != was.container_id
    if is_other and now.restart_count == was.restart_count:
        yield f"is another container, but was not restarted: {was} {now}"
    if not is_other and was.container_id and now.restart_count != was.restart_count:
        yield f"was counted as restarted, but is the same container: {was} {now}"
    ends = was.state.terminated, now.state.terminated
    if all(ends) and not is_other and ends[0] != ends[1]:
        yield f"ended once more: {ends}"
    if was.state.terminated and now.state.running and not is_other:
        yield "runs again as the same container"


def _all(pod: Pod) -> tuple[ContainerStatus, ...]:
    return (*pod.status.init_container_statuses, *pod.status.container_statuses)
