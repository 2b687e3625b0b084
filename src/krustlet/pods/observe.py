"""Record a fact. Pure: no clock, no I/O, no log.

Every fact about a container carries its attempt; one about an older attempt, or one that the
container's state has left behind, changes nothing. So facts may come late, twice, or after a
restart of the kubelet, in any order that the runtime can produce.
"""

from typing import Final

import msgspec

from krustlet.base import Backoff, Instant
from krustlet.pods.facts import (
    BackedOff,
    ContainerFact,
    CreateAbandoned,
    CreateFailed,
    Creating,
    DeletionAsked,
    Exited,
    Fact,
    Finished,
    ImageResolved,
    Mounted,
    MountFailed,
    Mounting,
    Rejected,
    Resized,
    Resizing,
    Resumed,
    Started,
    Stopping,
    Unmounted,
    UnmountFailed,
    Unmounting,
)
from krustlet.pods.state import (
    ContainerState,
    End,
    PodState,
    Run,
    VolumesAre,
    VolumesState,
    Waiting,
)

RESTART_BACKOFF: Final = Backoff(initial_s=10, max_s=300)
CREATE_BACKOFF: Final = Backoff(initial_s=10, max_s=300)
# What it lacks, such as a Secret, may be made by anybody at any moment, and looking is cheap: the
# kubelet's own pause between two syncs of a pod that failed.
CONFIG_BACKOFF: Final = Backoff(initial_s=10, max_s=10)
# Source: kubernetes pkg/util/goroutinemap/exponentialbackoff, which its volume manager goes by.
MOUNT_BACKOFF: Final = Backoff(initial_s=0.5, max_s=122)

_CONFIG_ERROR: Final = "CreateContainerConfigError"

_replace = msgspec.structs.replace


def observe(pod: PodState, fact: Fact) -> PodState:
    """The pod with `fact` known; the very same pod where the fact is old or says nothing new."""
    after = _observe(pod, fact)
    return pod if after == pod else after


def _observe(pod: PodState, fact: Fact) -> PodState:
    match fact:
        case ContainerFact():
            return _observe_container(pod, fact)
        case DeletionAsked(by=by):
            return _replace(pod, delete_by=_earlier(by, pod.delete_by))
        case Rejected(rejection=rejection):
            return _replace(pod, rejection=pod.rejection or rejection)
        case Finished():
            return _replace(pod, finished=True)
        case Resumed():
            return _resume(pod)
        case _:
            return _observe_volumes(pod, fact)


def _earlier(one: Instant, other: Instant | None) -> Instant:
    return one if other is None else min(one, other)


# containers -------------------------------------------------------------------------------------


def _observe_container(pod: PodState, fact: ContainerFact) -> PodState:
    container = pod.containers.get(fact.container)
    if container is None:
        return pod
    if isinstance(fact, Creating):
        return pod.with_container(_creating(container, fact))
    if fact.attempt != container.attempt:
        return pod  # late word of an attempt that is over
    return pod.with_container(_observe_attempt(container, fact))


def _creating(container: ContainerState, fact: Creating) -> ContainerState:
    if container.is_live or fact.attempt <= container.attempt:
        return container
    return container.to(
        Run.CREATING,
        attempt=fact.attempt,
        container_id=fact.container_id,
        started_at=None,
        returns=False,
        given=fact.allotment,
        asked=None,
    )


def _observe_attempt(container: ContainerState, fact: ContainerFact) -> ContainerState:
    match container.run, fact:
        case Run.CREATING, ImageResolved(image_id=image_id):
            return _replace(container, image_id=image_id)
        case Run.CREATING, Started(at=at):
            return _started(container, at)
        case Run.CREATING, CreateFailed():
            return _create_failed(container, fact)
        case Run.CREATING, CreateAbandoned():
            return container.to(Run.WAITING)
        case Run.RUNNING | Run.STOPPING, Stopping(kill_at=kill_at, returns=returns):
            kill_at = _earlier(kill_at, container.kill_at)
            returns = returns or container.returns
            return container.to(Run.STOPPING, kill_at=kill_at, returns=returns)
        case Run.RUNNING | Run.STOPPING, Resizing(allotment=allotment):
            return _replace(container, asked=allotment)
        case Run.RUNNING | Run.STOPPING, Resized(allotment=allotment):
            return _replace(container, given=allotment)
        case Run.CREATING, Exited(at=at):  # its start was never heard of: the kubelet was away
            return _exited(_started(container, at), fact)
        case Run.RUNNING | Run.STOPPING, Exited():
            return _exited(container, fact)
        case Run.WAITING | Run.ENDED, BackedOff(reason=reason, message=message):
            return _replace(container, waiting=Waiting(reason, message))
        case _:
            return container


def _started(container: ContainerState, at: Instant) -> ContainerState:
    return container.to(
        Run.RUNNING,
        restarts=container.restarts_once_started,
        started_at=at,
        waiting=None,
        create_failures=0,
        idle_since=None,
        retry_at=None,
    )


def _create_failed(container: ContainerState, fact: CreateFailed) -> ContainerState:
    failures = container.create_failures + 1
    backoff = CONFIG_BACKOFF if fact.reason == _CONFIG_ERROR else CREATE_BACKOFF
    return container.to(
        Run.WAITING,
        waiting=Waiting(fact.reason, fact.message),
        create_failures=failures,
        idle_since=fact.at,
        retry_at=_retry_at(backoff, failures, fact.at),
    )


def _exited(container: ContainerState, fact: Exited) -> ContainerState:
    started_at = container.started_at if container.started_at is not None else fact.at
    short_runs = container.short_runs
    if not container.returns:  # it has not ended by itself
        has_lasted = fact.at - started_at > RESTART_BACKOFF.forget_after_s
        short_runs = 1 if has_lasted else short_runs + 1
    wait_s = 0.0 if container.returns else RESTART_BACKOFF.wait_s(short_runs)
    return container.to(
        Run.ENDED,
        end=End(
            container_id=container.container_id,
            started_at=started_at,
            ended_at=fact.at,
            code=fact.code,
            reason=fact.reason,
            message=fact.message,
        ),
        previous=container.end,
        waiting=None,
        short_runs=short_runs,
        idle_since=fact.at,
        retry_at=Instant(fact.at + wait_s),
        kill_at=None,
    )


def _retry_at(backoff: Backoff, failures: int, failed_at: Instant) -> Instant:
    """Unlike a restart, the first retry waits too: nothing has run in between."""
    return Instant(failed_at + backoff.wait_s(failures + 1))


# volumes ----------------------------------------------------------------------------------------


def _observe_volumes(pod: PodState, fact: Fact) -> PodState:
    volumes = pod.volumes
    match volumes.are, fact:
        case VolumesAre.ABSENT, Mounting():
            after = _replace(volumes, are=VolumesAre.MOUNTING, retry_at=None)
        case VolumesAre.MOUNTING, Mounted():
            after = VolumesState(are=VolumesAre.MOUNTED)
        case VolumesAre.MOUNTING, MountFailed(at=at):
            after = _volumes_failed(volumes, VolumesAre.ABSENT, at)
        case ((VolumesAre.MOUNTED | VolumesAre.ABSENT), Unmounting()):
            after = _replace(volumes, are=VolumesAre.UNMOUNTING, retry_at=None)
        case VolumesAre.UNMOUNTING, UnmountFailed(at=at):
            after = _volumes_failed(volumes, VolumesAre.MOUNTED, at)
        case VolumesAre.UNMOUNTING, Unmounted():
            after = VolumesState(are=VolumesAre.GONE)
        case _:
            return pod
    return _replace(pod, volumes=after)


def _volumes_failed(volumes: VolumesState, are: VolumesAre, at: Instant) -> VolumesState:
    failures = volumes.failures + 1
    return VolumesState(are=are, failures=failures, retry_at=_retry_at(MOUNT_BACKOFF, failures, at))


# a new kubelet ----------------------------------------------------------------------------------


def _resume(pod: PodState) -> PodState:
    """What was in the old kubelet's hands is in nobody's: take it up again from before it."""
    volumes = pod.volumes
    if volumes.are is not VolumesAre.GONE:
        volumes = _replace(volumes, are=VolumesAre.ABSENT)
    containers = {name: _ask_again(container) for name, container in pod.containers.items()}
    return _replace(pod, volumes=volumes, containers=containers)


def _ask_again(container: ContainerState) -> ContainerState:
    """It may have died between writing down what it will do to a container, and doing it."""
    container = _replace(container, asked=None)
    if container.run is Run.STOPPING:
        return container.to(Run.RUNNING, returns=False)
    return container
