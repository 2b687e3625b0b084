"""What is known of a pod and its containers: values only, the same in memory and on disk."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

import msgspec

from krustlet.base import Instant


class Run(StrEnum):
    """Where one container is in its life. Ended ones may be created again."""

    WAITING = "waiting"
    CREATING = "creating"
    RUNNING = "running"
    STOPPING = "stopping"
    ENDED = "ended"


EDGES: Final[Mapping[Run, frozenset[Run]]] = {
    Run.WAITING: frozenset({Run.CREATING}),
    Run.CREATING: frozenset({Run.RUNNING, Run.WAITING}),
    Run.RUNNING: frozenset({Run.STOPPING, Run.ENDED}),
    Run.STOPPING: frozenset({Run.STOPPING, Run.ENDED}),
    Run.ENDED: frozenset({Run.CREATING}),
}


class End(msgspec.Struct, frozen=True, kw_only=True):
    """How one run of a container ended; what a terminated container status tells."""

    container_id: str
    started_at: Instant
    ended_at: Instant
    code: int
    reason: str
    message: str = ""


class Waiting(msgspec.Struct, frozen=True):
    """Why a container does not run just now, in the words of the API."""

    reason: str
    message: str = ""


class ContainerState(msgspec.Struct, frozen=True, kw_only=True):
    """One container, from before its first run.

    Attributes:
        attempt: numbers the tries to run it, failed ones too; facts of an older one are late.
        container_id: of the run that is on or was last; empty before the first.
        restarts: how many runs came before this one.
        image_id: digest of what it runs.
        waiting: told while it waits or has ended; None where the run's own state says enough.
        end: the last run that is over.
        previous: the one before that.
        failures: runs or tries in a row that count towards the back-off.
        failed_at: when its last run ended, or a try to create it failed.
        retry_at: it is not run again before; set together with `failed_at`.
        kill_at: when the grace of a stopping container is over.
    """

    name: str
    run: Run = Run.WAITING
    attempt: int = 0
    container_id: str = ""
    restarts: int = 0
    image_id: str = ""
    waiting: Waiting | None = None
    started_at: Instant | None = None
    end: End | None = None
    previous: End | None = None
    failures: int = 0
    failed_at: Instant | None = None
    retry_at: Instant | None = None
    kill_at: Instant | None = None

    def to(self, run: Run, **changes: object) -> "ContainerState":
        """This container, gone on to `run`.

        Raises:
            ValueError: no edge leads there; a bug in `observe`.
        """
        if run not in EDGES[self.run]:
            raise ValueError(f"container {self.name}: {self.run} does not become {run}")
        return msgspec.structs.replace(self, run=run, **changes)


class VolumesAre(StrEnum):
    """Where the pod's volumes are."""

    ABSENT = "absent"
    MOUNTING = "mounting"
    MOUNTED = "mounted"
    UNMOUNTING = "unmounting"
    GONE = "gone"


class VolumesState(msgspec.Struct, frozen=True, kw_only=True):
    """All volumes of a pod, taken together.

    Attributes:
        failures: tries in a row that failed.
        retry_at: when to try again after one.
    """

    are: VolumesAre = VolumesAre.ABSENT
    failures: int = 0
    retry_at: Instant | None = None


class Rejection(msgspec.Struct, frozen=True):
    """Why this node will never run the pod."""

    reason: str
    message: str


class PodState(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that deciding about a pod depends on, besides its spec and the time.

    Attributes:
        accepted_at: when this node first saw it: the status' `startTime`.
        delete_by: set once its deletion was asked for: when the last container is killed.
        finished: nothing of it is left on this node.
    """

    uid: str
    accepted_at: Instant
    containers: dict[str, ContainerState]
    volumes: VolumesState = VolumesState()
    rejection: Rejection | None = None
    delete_by: Instant | None = None
    finished: bool = False

    def with_container(self, container: ContainerState) -> "PodState":
        """This pod with `container` in place of the one of that name."""
        containers = {**self.containers, container.name: container}
        return msgspec.structs.replace(self, containers=containers)
