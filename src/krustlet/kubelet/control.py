"""What people of a node may do with its pods: most is done here, deleting is for the API server."""

import math
from collections.abc import Sequence

from krustlet.kube import KubeClient, NotFound
from krustlet.objects import PODS, Pod
from krustlet.pods import Pods
from krustlet.provider import Session


class NodeControl:
    """The `PodsControl` of a cluster's node."""

    def __init__(self, pods: Pods, api: KubeClient) -> None:
        self._visits = pods.visits
        self._api = api

    async def execute(
        self, pod: Pod, container: str, command: Sequence[str], *, stdin: bool, tty: bool
    ) -> Session:
        """See `pods.Visits.execute`."""
        return await self._visits.execute(pod, container, command, stdin=stdin, tty=tty)

    async def attach(self, pod: Pod, container: str, *, stdin: bool) -> Session:
        """See `pods.Visits.attach`."""
        return await self._visits.attach(pod, container, stdin=stdin)

    def stop(self, uid: str, container: str | None, *, grace_s: float) -> None:
        """See `pods.Visits.stop`."""
        self._visits.stop(uid, container, grace_s=grace_s)

    async def remove(self, pod: Pod, *, grace_s: float) -> None:
        """Have the API server delete it, as `kubectl delete` does; it comes back as a deletion.

        Raises:
            KubeError: it will not, or cannot be asked.
        """
        try:
            await self._api.delete(
                PODS,
                pod.name,
                namespace=pod.namespace,
                grace_period_s=math.ceil(grace_s),
                uid=pod.uid,
            )
        except NotFound:
            return  # and word of that is on its way
