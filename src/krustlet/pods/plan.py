"""Compare what is wanted with what was observed, and name what to do next.

Pure, total and idempotent: no clock, no I/O, no log; asked twice about the same state and time, it
answers the same. Each effect is noted as a fact before it is carried out (`decide.py`), so that
the next answer no longer names it.
"""

from collections.abc import Iterator
from typing import Final

from krustlet.base import Instant
from krustlet.objects import Container, PodSpec
from krustlet.pods.effects import (
    Abandon,
    BackOff,
    Effect,
    Finish,
    Mount,
    Resize,
    Start,
    Stop,
    Unmount,
    WakeAt,
)
from krustlet.pods.progress import (
    has_ended_for_good,
    is_done,
    is_over,
    is_sidecar,
    pending_inits,
)
from krustlet.pods.resizing import has_to_restart
from krustlet.pods.state import Allotment, ContainerState, PodState, Run, VolumesAre

BACKOFF_TOLD_AFTER_S: Final = 2.0  # long enough for the error itself to be seen first
CRASH_LOOP: Final = "CrashLoopBackOff"
IMAGE_PULL: Final = "ImagePullBackOff"
_PULL_FAILURES: Final = frozenset(
    {"ErrImagePull", "RegistryUnavailable", "SignatureValidationFailed"}
)


def plan(spec: PodSpec, pod: PodState, now: Instant) -> Iterator[Effect]:
    """What to start, stop or wait for next; nothing when the pod is as wanted."""
    if pod.finished:
        return
    if pod.is_deleted or pod.rejection is not None:
        yield from _end(spec, pod, now)
    elif is_over(spec, pod):
        yield from _clear(pod, now)
    elif is_done(spec, pod):
        yield from _stop_last_sidecar(spec, pod, _grace_is_over_at(spec, pod, now))
    else:
        yield from _run(spec, pod, now)


# running ----------------------------------------------------------------------------------------


def _run(spec: PodSpec, pod: PodState, now: Instant) -> Iterator[Effect]:
    if pod.volumes.are is not VolumesAre.MOUNTED:
        yield from _mount(pod, now)
        return
    pending = pending_inits(spec, pod)
    for init in spec.init_containers:
        state = pod.containers[init.name]
        if is_sidecar(init) or not state.has_succeeded:
            yield from _keep(init, spec, state, now)
        if init in pending:
            return  # the next one waits for it
    for container in spec.containers:
        yield from _keep(container, spec, pod.containers[container.name], now)


def _mount(pod: PodState, now: Instant) -> Iterator[Effect]:
    if pod.volumes.are is VolumesAre.ABSENT:
        yield from _when_due(Mount(), pod.volumes.retry_at, now)


def _keep(
    container: Container, spec: PodSpec, state: ContainerState, now: Instant
) -> Iterator[Effect]:
    """Have it run: now, or when its back-off is over; with the resources that it is to have."""
    if state.run is Run.RUNNING:
        yield from _resize(container, spec, state, now)
    if state.is_live or has_ended_for_good(container, spec, state):
        return
    due = state.retry_at
    if due is None or now >= due:
        yield Start(container.name, state.attempt + 1)
        return
    if back_off_reason(state) is not None:
        assert state.idle_since is not None  # set together with `retry_at`
        tell_at = Instant(state.idle_since + BACKOFF_TOLD_AFTER_S)
        if now >= tell_at:
            yield BackOff(container.name, state.attempt, wait_s=due - state.idle_since)
        elif tell_at < due:
            yield WakeAt(tell_at)
    yield WakeAt(due)


def _resize(
    container: Container, spec: PodSpec, state: ContainerState, now: Instant
) -> Iterator[Effect]:
    wanted = Allotment.wanted(spec, container)
    if state.given is None or wanted in (state.given, state.asked):
        return
    if has_to_restart(container, state.given):
        kill_at = Instant(now + (spec.termination_grace_period_seconds or 0))
        yield Stop(container.name, state.attempt, kill_at, returns=True)
    else:
        yield Resize(container.name, state.attempt, wanted)


def back_off_reason(state: ContainerState) -> str | None:
    """What its waiting is to be called from now on; None where it keeps the name it has."""
    if state.waiting is None:
        return CRASH_LOOP if state.run is Run.ENDED else None
    return IMAGE_PULL if state.waiting.reason in _PULL_FAILURES else None


# ending -----------------------------------------------------------------------------------------


def _end(spec: PodSpec, pod: PodState, now: Instant) -> Iterator[Effect]:
    """Stop the containers, sidecars after the others; then leave nothing behind."""
    kill_at = pod.delete_by if pod.delete_by is not None else now
    sidecars = {c.name for c in spec.init_containers if is_sidecar(c)}
    others = [c for c in pod.containers.values() if c.name not in sidecars and c.is_live]
    if others:
        for container in others:
            yield from _stop(container, kill_at)
    elif pod.is_live:
        yield from _stop_last_sidecar(spec, pod, kill_at)
    else:
        yield from _clear(pod, now)
        if pod.volumes.are is VolumesAre.GONE and pod.is_deleted:
            yield Finish()


def _stop_last_sidecar(spec: PodSpec, pod: PodState, kill_at: Instant) -> Iterator[Effect]:
    """Sidecars stop one by one, in reverse of the order they started in (KEP-753)."""
    for container in reversed(spec.init_containers):
        state = pod.containers[container.name]
        if is_sidecar(container) and state.is_live:
            yield from _stop(state, kill_at)
            return


def _grace_is_over_at(spec: PodSpec, pod: PodState, now: Instant) -> Instant:
    """When the last sidecar of a pod that is done has to be gone, however many there are."""
    sidecars = {c.name for c in spec.init_containers if is_sidecar(c)}
    ends = [c.end.ended_at for c in pod.containers.values() if c.end and c.name not in sidecars]
    return Instant(max(ends, default=now) + (spec.termination_grace_period_seconds or 0))


def _stop(container: ContainerState, kill_at: Instant) -> Iterator[Effect]:
    soonest = kill_at if container.kill_at is None else min(kill_at, container.kill_at)
    match container.run:
        case Run.CREATING:
            yield Abandon(container.name, container.attempt)
        case Run.RUNNING:
            yield Stop(container.name, container.attempt, soonest)
        case Run.STOPPING if soonest != container.kill_at:
            yield Stop(container.name, container.attempt, soonest)
        case _:
            pass  # it is ending, in time


def _clear(pod: PodState, now: Instant) -> Iterator[Effect]:
    if pod.volumes.are is VolumesAre.MOUNTED:
        yield from _when_due(Unmount(), pod.volumes.retry_at, now)
    elif pod.volumes.are is VolumesAre.ABSENT:
        yield Unmount()  # when to try to mount them again is of no account any more


def _when_due(effect: Effect, due: Instant | None, now: Instant) -> Iterator[Effect]:
    yield effect if due is None or now >= due else WakeAt(due)
