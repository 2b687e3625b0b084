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

_replace = msgspec.structs.replace


def observe(pod: PodState, fact: Fact) -> PodState:
    """The pod with `fact` known; the very same pod where the fact is old or says nothing new."""
    match fact:
        case ContainerFact():
            return _observe_container(pod, fact)
        case DeletionAsked(by=by):
            return _replace(pod, delete_by=min(by, pod.delete_by or by))
        case Rejected(rejection=rejection):
            return _replace(pod, rejection=pod.rejection or rejection)
        case Finished():
            return _replace(pod, finished=True)
        case Resumed():
            return _resume(pod)
        case _:
            return _observe_volumes(pod, fact)


def _observe_container(pod: PodState, fact: ContainerFact) -> PodState:
    container = pod.containers.get(fact.container)
    if container is None:
        return pod
    if isinstance(fact, Creating):
        after = _creating(container, fact)
    elif fact.attempt != container.attempt:
        return pod  # late word of an attempt that is over
    else:
        after = _observe_attempt(container, fact)
    return pod if after is container else pod.with_container(after)


def _creating(container: ContainerState, fact: Creating) -> ContainerState:
    if container.run not in (Run.WAITING, Run.ENDED) or fact.attempt <= container.attempt:
        return container
    has_run = container.end is not None
    return container.to(
        Run.CREATING,
        attempt=fact.attempt,
        container_id=fact.container_id,
        restarts=container.restarts + (container.run is Run.ENDED and has_run),
        started_at=None,
    )


def _observe_attempt(container: ContainerState, fact: ContainerFact) -> ContainerState:
    match container.run, fact:
        case Run.CREATING, ImageResolved(image_id=image_id):
            return _replace(container, image_id=image_id)
        case Run.CREATING, Started(at=at):
            return container.to(Run.RUNNING, started_at=at, waiting=None)
        case Run.CREATING, CreateFailed():
            return _create_failed(container, fact)
        case Run.CREATING, CreateAbandoned():
            return container.to(Run.WAITING)
        case Run.RUNNING | Run.STOPPING, Stopping(kill_at=kill_at):
            kill_at = min(kill_at, container.kill_at or kill_at)
            return container.to(Run.STOPPING, kill_at=kill_at)
        case Run.CREATING | Run.RUNNING | Run.STOPPING, Exited():
            return _exited(container, fact)
        case Run.WAITING | Run.ENDED, BackedOff(reason=reason, message=message):
            return _replace(container, waiting=Waiting(reason, message))
        case _:
            return container


def _create_failed(container: ContainerState, fact: CreateFailed) -> ContainerState:
    failures = container.failures + 1
    return container.to(
        Run.WAITING,
        waiting=Waiting(fact.reason, fact.message),
        failures=failures,
        failed_at=fact.at,
        # Unlike a restart, the first retry waits too: nothing has run in between.
        retry_at=Instant(fact.at + CREATE_BACKOFF.wait_s(failures + 1)),
    )


def _exited(container: ContainerState, fact: Exited) -> ContainerState:
    if container.run is Run.CREATING:  # its start was never heard of: the kubelet was away
        container = container.to(Run.RUNNING, started_at=fact.at)
    started_at = container.started_at if container.started_at is not None else fact.at
    lasted = fact.at - started_at > RESTART_BACKOFF.forget_after_s
    failures = 1 if lasted else container.failures + 1
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
        failures=failures,
        failed_at=fact.at,
        retry_at=Instant(fact.at + RESTART_BACKOFF.wait_s(failures)),
        kill_at=None,
    )


def _observe_volumes(pod: PodState, fact: Fact) -> PodState:
    volumes = pod.volumes
    match volumes.are, fact:
        case VolumesAre.ABSENT, Mounting():
            after = _replace(volumes, are=VolumesAre.MOUNTING, retry_at=None)
        case VolumesAre.MOUNTING, Mounted():
            after = VolumesState(are=VolumesAre.MOUNTED)
        case VolumesAre.MOUNTING, MountFailed(at=at):
            after = _volumes_failed(volumes, VolumesAre.ABSENT, at)
        case VolumesAre.UNMOUNTING, UnmountFailed(at=at):
            after = _volumes_failed(volumes, VolumesAre.MOUNTED, at)
        case ((VolumesAre.MOUNTED | VolumesAre.ABSENT), Unmounting()):
            after = _replace(volumes, are=VolumesAre.UNMOUNTING, retry_at=None)
        case VolumesAre.UNMOUNTING, Unmounted():
            after = VolumesState(are=VolumesAre.GONE)
        case _:
            return pod
    return _replace(pod, volumes=after)


def _volumes_failed(volumes: VolumesState, are: VolumesAre, at: Instant) -> VolumesState:
    failures = volumes.failures + 1
    retry_at = Instant(at + CREATE_BACKOFF.wait_s(failures + 1))
    return VolumesState(are=are, failures=failures, retry_at=retry_at)


def _resume(pod: PodState) -> PodState:
    """What was in the old kubelet's hands is in nobody's: take it up again from before it."""
    match pod.volumes.are:
        case VolumesAre.MOUNTING:
            return _replace(pod, volumes=_replace(pod.volumes, are=VolumesAre.ABSENT))
        case VolumesAre.UNMOUNTING:
            return _replace(pod, volumes=_replace(pod.volumes, are=VolumesAre.MOUNTED))
        case _:
            return pod
