"""What is known of a pod and its containers: values only, the same in memory and on disk."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final, Self

import msgspec

from krustlet.base import Instant
from krustlet.objects import ContainerCommon, Pod, PodPhase, PodSpec, ResourceRequirements

_TERMINAL: Final = (PodPhase.SUCCEEDED, PodPhase.FAILED)


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
    # Back to running: whoever was to stop it is gone, and it has to be asked again.
    Run.STOPPING: frozenset({Run.STOPPING, Run.RUNNING, Run.ENDED}),
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


class Allotment(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a container asks for and may use at most; `whole` is what its pod says of all of them.

    Other than the rest of a running pod's spec, this may change.
    """

    own: ResourceRequirements = ResourceRequirements()
    whole: ResourceRequirements | None = None

    @classmethod
    def wanted(cls, spec: PodSpec, container: ContainerCommon) -> Self:
        """What the spec says now."""
        return cls(container.resources, spec.resources)


class ContainerState(msgspec.Struct, frozen=True, kw_only=True):
    """One container, from before its first run.

    Attributes:
        attempt: numbers the tries to run it, failed ones too; facts of an older one are late.
        container_id: of the latest attempt; empty before the first.
        restarts: how many runs came before the one that is on, or that was last.
        image_id: digest of what the latest attempt runs.
        waiting: told while it waits or has ended; None where the run's own state says enough.
        started_at: of the run that is on, or of the last; None while the next one is created.
        end: the last run that is over.
        previous: the one before that.
        short_runs: runs in a row that did not last; they count towards the restart back-off.
        create_failures: tries to create it that failed, in a row.
        idle_since: when its last run ended, or a try to create it failed; None while it runs.
        retry_at: it is not run again before; set and cleared together with `idle_since`.
        kill_at: when the grace of a container that was asked to end is over.
        returns: it was only asked to end in order to be run again.
        given: what the latest attempt may use; None where a kubelet that did not care began it.
        asked: what the runtime was last asked to let it use; None if that has not changed.
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
    short_runs: int = 0
    create_failures: int = 0
    idle_since: Instant | None = None
    retry_at: Instant | None = None
    kill_at: Instant | None = None
    returns: bool = False
    given: Allotment | None = None
    asked: Allotment | None = None

    @property
    def is_up(self) -> bool:
        """Whether its process is there."""
        return self.run in (Run.RUNNING, Run.STOPPING)

    @property
    def is_live(self) -> bool:
        """Whether its process is there, or may come to be without anybody deciding on it."""
        return self.is_up or self.run is Run.CREATING

    @property
    def has_begun(self) -> bool:
        """Whether it has run at all."""
        return self.end is not None or self.is_up

    @property
    def has_succeeded(self) -> bool:
        """Whether its last run ended well, and nothing came after."""
        return self.run is Run.ENDED and self.end is not None and self.end.code == 0

    @property
    def restarts_once_started(self) -> int:
        """What `restarts` will be once the attempt that is on runs; it names the log file."""
        return self.restarts + (self.end is not None)

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
    """Why this node will never run the pod.

    Attributes:
        reason: of the pod's status and of its event.
        message: a sentence; the status prefixes it with "Pod was rejected: ".
    """

    reason: str
    message: str


class PodState(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that deciding about a pod depends on, besides its spec and the time.

    Attributes:
        accepted_at: when this node first saw it: the status' `startTime`.
        settled_as: the terminal phase that the API server knew of a pod that nothing is known of
            here any more; it is not run a second time.
        delete_by: set once its deletion was asked for: when the last container is killed.
        finished: nothing of it is left on this node.
    """

    uid: str
    accepted_at: Instant
    containers: dict[str, ContainerState]
    volumes: VolumesState = VolumesState()
    rejection: Rejection | None = None
    settled_as: str = ""
    delete_by: Instant | None = None
    finished: bool = False

    @classmethod
    def new(cls, pod: Pod, now: Instant) -> Self:
        """The state of a pod that nothing has happened to on this node."""
        containers = [*pod.spec.init_containers, *pod.spec.containers]
        return cls(
            uid=pod.uid,
            accepted_at=now,
            containers={c.name: ContainerState(name=c.name) for c in containers},
            settled_as=pod.status.phase if pod.status.phase in _TERMINAL else "",
        )

    @property
    def is_deleted(self) -> bool:
        """Whether its deletion was asked for."""
        return self.delete_by is not None

    @property
    def is_live(self) -> bool:
        """Whether any of its containers is."""
        return any(container.is_live for container in self.containers.values())

    def with_container(self, container: ContainerState) -> "PodState":
        """This pod with `container` in place of the one of that name."""
        containers = {**self.containers, container.name: container}
        return msgspec.structs.replace(self, containers=containers)
