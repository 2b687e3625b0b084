"""Who a container belongs to: the way of the runtime's events to the pods' workers.

Events may come for containers that nobody has claimed yet, as the runtime tells what happened
while there was no kubelet before the pods are known. They are kept until `settle`, after which
whatever has no owner is a stranger, and ended.
"""

from collections.abc import Callable, Collection, Mapping
from typing import Final, NamedTuple

import structlog

from krustlet.base import Instant
from krustlet.pods.facts import Exited, Fact, Started
from krustlet.provider import ContainerEnded, ContainerStarted, Runtime, RuntimeEvent

_STRANGERS_GRACE_S: Final = 0.0  # whoever may have wanted them to end well is gone

log = structlog.get_logger(__name__)


class Claim(NamedTuple):
    """What a container is to a pod.

    Attributes:
        tell: takes the facts about it.
    """

    uid: str
    container: str
    attempt: int
    tell: Callable[[Fact], None]


class Routes:
    """Knows the current container id of every container of every pod."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._claims: dict[str, Claim] = {}
        self._current: dict[tuple[str, str], str] = {}  # pod, container → id
        self._unclaimed: dict[str, list[RuntimeEvent]] = {}
        self._found: dict[str, Instant] = {}
        self._is_settled = False

    async def open(self) -> None:
        """Connect to the runtime and learn what it runs."""
        found = await self._runtime.open(self._hear)
        self._found = {container_id: Instant(started.at) for container_id, started in found.items()}

    @property
    def found(self) -> Mapping[str, Instant]:
        """When each container that ran at the opening, and is not claimed, was started; by id."""
        return self._found

    @property
    def heard_of(self) -> Collection[str]:
        """The ids that there are unclaimed events of."""
        return self._unclaimed.keys()

    def claim(self, container_id: str, claim: Claim) -> None:
        """From now on its events go there, those that came early at once.

        Earlier attempts at the same container are given up: should one turn up after all, it is
        a stranger.
        """
        earlier = self._current.get((claim.uid, claim.container), "")
        self._claims.pop(earlier, None)
        self._current[claim.uid, claim.container] = container_id
        self._claims[container_id] = claim
        self._found.pop(container_id, None)
        for event in self._unclaimed.pop(container_id, ()):
            self._hear(event)

    def release(self, uid: str) -> None:
        """Nothing of the pod is left."""
        for key in [key for key in self._current if key[0] == uid]:
            self._claims.pop(self._current.pop(key), None)

    def settle(self) -> None:
        """All pods are known: end what runs for nobody, now and later."""
        self._is_settled = True
        early, self._unclaimed = self._unclaimed, {}
        ended = {container_id for container_id, events in early.items() if _has_end(events)}
        for container_id in sorted((self._found.keys() | early.keys()) - ended):
            self._stop_stranger(container_id)
        for container_id in sorted(ended):
            self._runtime.forget(container_id)
        self._found.clear()

    def _hear(self, event: RuntimeEvent) -> None:
        claim = self._claims.get(event.id)
        if claim is not None:
            if isinstance(event, ContainerEnded):
                del self._claims[event.id]
            claim.tell(_as_fact(event, claim))
        elif not self._is_settled:
            self._unclaimed.setdefault(event.id, []).append(event)
        elif isinstance(event, ContainerEnded):
            self._runtime.forget(event.id)
        else:
            self._stop_stranger(event.id)

    def _stop_stranger(self, container_id: str) -> None:
        log.warning("container.unowned", container=container_id)
        self._runtime.stop(container_id, grace_s=_STRANGERS_GRACE_S)


def _has_end(events: Collection[RuntimeEvent]) -> bool:
    return any(isinstance(event, ContainerEnded) for event in events)


def _as_fact(event: RuntimeEvent, claim: Claim) -> Fact:
    match event:
        case ContainerStarted(at=at):
            return Started(container=claim.container, attempt=claim.attempt, at=Instant(at))
        case ContainerEnded():
            return Exited(
                container=claim.container,
                attempt=claim.attempt,
                code=event.code,
                reason=event.reason,
                message=event.message,
                at=Instant(event.at),
            )
