"""What a new kubelet has to learn of the containers that an old one left. Pure."""

from collections.abc import Collection, Iterator, Mapping
from typing import Final

from krustlet.base import Instant
from krustlet.pods.facts import CreateAbandoned, Exited, Fact, Started
from krustlet.pods.state import PodState, Run

UNKNOWN: Final = "ContainerStatusUnknown"
UNKNOWN_CODE: Final = 137
UNKNOWN_MESSAGE: Final = "The container could not be located when the pod was terminated"


def catch_up(
    state: PodState, *, running: Mapping[str, Instant], heard_of: Collection[str]
) -> Iterator[Fact]:
    """What became of each container while there was no kubelet.

    Args:
        state: the checkpoint.
        running: when each container that still exists was started, by id.
        heard_of: the containers that the runtime has told an end of; they need no guess.
    """
    for name, container in state.containers.items():
        started_at = running.get(container.container_id)
        attempt = container.attempt
        is_lost = started_at is None and container.container_id not in heard_of
        match container.run:
            case Run.CREATING if started_at is not None:
                yield Started(container=name, attempt=attempt, at=started_at)
            case Run.CREATING if is_lost:
                yield CreateAbandoned(container=name, attempt=attempt)
            case Run.RUNNING | Run.STOPPING if is_lost:
                yield Exited(
                    container=name,
                    attempt=attempt,
                    code=UNKNOWN_CODE,
                    reason=UNKNOWN,
                    message=UNKNOWN_MESSAGE,
                    at=container.started_at or state.accepted_at,
                )
            case _:
                pass
