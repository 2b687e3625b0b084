"""People in containers: what they run there, whom they attach to, and whom they ask to end.

Leaves the containers themselves, and whether they are started again, to the workers.
"""

import secrets
from collections.abc import Callable, Sequence

import msgspec

from krustlet.base import KrustletError
from krustlet.objects import Pod
from krustlet.pods.naming import long_name
from krustlet.pods.worker import PodWorker
from krustlet.provider import Executes, Runtime, Session


class VisitRefused(KrustletError):
    """Nobody can go into this container, or into none of this node."""

    reason = "BadRequest"


class Visits:
    """Finds the container somebody means, and lets them in."""

    def __init__(self, runtime: Runtime, worker_of: Callable[[str], PodWorker | None]) -> None:
        """Keep what it is given.

        Args:
            worker_of: who works for the pod of a uid.
        """
        self._runtime = runtime
        self._worker_of = worker_of

    async def execute(
        self, pod: Pod, container: str, command: Sequence[str], *, stdin: bool, tty: bool
    ) -> Session:
        """Run one more instance of a container's image beside it.

        Args:
            command: its whole argv.

        Raises:
            VisitRefused: it does not run, or this runtime lets nobody in.
            KrustletError: it could not be started.
        """
        worker, container_id = self._running(pod, container)
        if not isinstance(self._runtime, Executes):
            raise _not_here()
        request = await worker.request_of(container)
        visit = msgspec.structs.replace(
            request, id=f"{container_id}-{secrets.token_hex(4)}", argv=list(command)
        )
        return await self._runtime.execute(visit, within=container_id, stdin=stdin, tty=tty)

    async def attach(self, pod: Pod, container: str, *, stdin: bool) -> Session:
        """The streams of a container that runs, from now on.

        Raises:
            VisitRefused: it does not run, or this runtime lets nobody in.
            KrustletError: the runtime cannot.
        """
        _, container_id = self._running(pod, container)
        if not isinstance(self._runtime, Executes):
            raise _not_here()
        return await self._runtime.attach(container_id, stdin=stdin)

    def stop(self, uid: str, container: str | None, *, grace_s: float) -> None:
        """Ask a container to end, or all of a pod's; its policy says whether it comes again."""
        if (worker := self._worker_of(uid)) is None:
            return
        for name, state in worker.state.containers.items():
            if state.is_up and container in (None, name):
                self._runtime.stop(state.container_id, grace_s=grace_s)

    def _running(self, pod: Pod, container: str) -> tuple[PodWorker, str]:
        worker = self._worker_of(pod.uid)
        state = None if worker is None else worker.state.containers.get(container)
        if worker is None or state is None or not state.is_up:
            raise VisitRefused(
                f'container "{container}" of pod "{long_name(pod)}" is not running',
                hint="see `krustlet ps`, and `krustlet logs` for why",
            )
        return worker, state.container_id


def _not_here() -> VisitRefused:
    return VisitRefused("the provider of this node lets nobody into containers")
