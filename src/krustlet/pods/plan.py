"""Compare what is wanted with what was observed, and name what to do next.

Pure, total and idempotent: no clock, no I/O, no log; asked twice about the same state and time, it
answers the same. The worker notes each effect as a fact before it carries it out, so that the next
answer no longer names it.
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
    Start,
    Stop,
    Unmount,
    WakeAt,
)
from krustlet.pods.state import ContainerState, PodState, Run, VolumesAre

BACKOFF_TOLD_AFTER_S: Final = 2.0  # long enough for the error itself to be seen first
_LIVE: Final = (Run.CREATING, Run.RUNNING, Run.STOPPING)


def plan(spec: PodSpec, pod: PodState, now: Instant) -> Iterator[Effect]:
    """What to start, stop or wait for next; nothing when the pod is as wanted."""
    if pod.finished:
        return
    if pod.delete_by is not None or pod.rejection is not None:
        yield from _end(spec, pod, now)
    elif is_over(spec, pod):
        yield from _clear(pod, now)
    else:
        yield from _run(spec, pod, now)


def is_over(spec: PodSpec, pod: PodState) -> bool:
    """Whether no container of the pod will ever run again, and none does."""
    if pod.rejection is not None:
        return True
    if any(c.run in _LIVE for c in pod.containers.values()):
        return False
    if has_failed_init(spec, pod):
        return True
    return _apps_are_done(spec, pod)


def has_failed_init(spec: PodSpec, pod: PodState) -> bool:
    """Whether an init container failed for good, so that the pod never begins."""
    return any(
        state.run is Run.ENDED and not has_succeeded(state) and not may_restart(init, spec, state)
        for init in spec.init_containers
        if (state := pod.containers[init.name])
    )


def is_sidecar(container: Container) -> bool:
    """Whether it is an init container that runs along for the pod's whole life."""
    return container.restart_policy == "Always"


def may_restart(container: Container, spec: PodSpec, state: ContainerState) -> bool:
    """Whether the policy wants it run again after the end it came to."""
    if container in (spec.init_containers):
        if is_sidecar(container):
            return True
        return spec.restart_policy != "Never" and not has_succeeded(state)
    match spec.restart_policy:
        case "Never":
            return False
        case "OnFailure":
            return not has_succeeded(state)
        case _:
            return True


def has_succeeded(state: ContainerState) -> bool:
    """Whether its last run ended well."""
    return state.run is Run.ENDED and state.end is not None and state.end.code == 0


def is_initialised(spec: PodSpec, pod: PodState) -> bool:
    """Whether the app containers may run: all init containers are through, sidecars started."""
    return all(
        has_begun(pod.containers[c.name])
        if is_sidecar(c)
        else has_succeeded(pod.containers[c.name])
        for c in spec.init_containers
    )


def has_begun(state: ContainerState) -> bool:
    """Whether it has run at all."""
    return state.end is not None or state.run in (Run.RUNNING, Run.STOPPING)


# running ----------------------------------------------------------------------------------------


def _run(spec: PodSpec, pod: PodState, now: Instant) -> Iterator[Effect]:
    if pod.volumes.are is not VolumesAre.MOUNTED:
        yield from _mount(pod, now)
        return
    if _apps_are_done(spec, pod):
        kill_at = Instant(now + (spec.termination_grace_period_seconds or 0))
        yield from _stop_last_sidecar(spec, pod, kill_at)
        return
    for init in spec.init_containers:
        state = pod.containers[init.name]
        if not has_succeeded(state) or is_sidecar(init):
            yield from _keep(init, spec, state, now)
        if not (has_begun(state) if is_sidecar(init) else has_succeeded(state)):
            return  # the next one waits for it
    for container in spec.containers:
        yield from _keep(container, spec, pod.containers[container.name], now)


def _mount(pod: PodState, now: Instant) -> Iterator[Effect]:
    if pod.volumes.are is not VolumesAre.ABSENT:
        return  # under way
    yield from _when_due(Mount(), pod.volumes.retry_at, now)


def _keep(
    container: Container, spec: PodSpec, state: ContainerState, now: Instant
) -> Iterator[Effect]:
    """Have it run: now, or when its back-off is over."""
    may_start = state.run is Run.WAITING or (
        state.run is Run.ENDED and may_restart(container, spec, state)
    )
    if not may_start:
        return
    due = state.retry_at
    if due is None or now >= due:
        yield Start(container.name, state.attempt + 1)
        return
    if back_off_reason(state) is not None:
        assert state.failed_at is not None  # set together with `retry_at`
        tell_at = Instant(state.failed_at + BACKOFF_TOLD_AFTER_S)
        if now >= tell_at:
            yield BackOff(container.name, state.attempt, wait_s=due - state.failed_at)
        elif tell_at < due:
            yield WakeAt(tell_at)
    yield WakeAt(due)


def back_off_reason(state: ContainerState) -> str | None:
    """What its waiting is to be called from now on; None where it is called that already."""
    if state.run is Run.ENDED:
        return "CrashLoopBackOff" if state.waiting is None else None
    if state.waiting is not None and state.waiting.reason == "ErrImagePull":
        return "ImagePullBackOff"
    return None


def _apps_are_done(spec: PodSpec, pod: PodState) -> bool:
    return all(
        state.run is Run.ENDED and not may_restart(container, spec, state)
        for container in spec.containers
        if (state := pod.containers[container.name])
    )


# ending -----------------------------------------------------------------------------------------


def _end(spec: PodSpec, pod: PodState, now: Instant) -> Iterator[Effect]:
    """Stop the containers, sidecars after the others; then leave nothing behind."""
    kill_at = pod.delete_by if pod.delete_by is not None else now
    sidecars = {c.name for c in spec.init_containers if is_sidecar(c)}
    others = [c for c in pod.containers.values() if c.name not in sidecars and c.run in _LIVE]
    for container in others:
        yield from _stop(container, kill_at)
    if others:
        return
    if any(pod.containers[name].run in _LIVE for name in sidecars):
        yield from _stop_last_sidecar(spec, pod, kill_at)
        return
    yield from _clear(pod, now)
    if pod.volumes.are is VolumesAre.GONE and pod.delete_by is not None:
        yield Finish()


def _stop_last_sidecar(spec: PodSpec, pod: PodState, kill_at: Instant) -> Iterator[Effect]:
    """Sidecars stop one by one, in reverse of the order they started in (KEP-753)."""
    for container in reversed(spec.init_containers):
        state = pod.containers[container.name]
        if is_sidecar(container) and state.run in _LIVE:
            yield from _stop(state, kill_at)
            return


def _stop(container: ContainerState, kill_at: Instant) -> Iterator[Effect]:
    match container.run:
        case Run.CREATING:
            yield Abandon(container.name, container.attempt)
        case Run.RUNNING:
            yield Stop(container.name, container.attempt, kill_at)
        case Run.STOPPING if container.kill_at is None or kill_at < container.kill_at:
            yield Stop(container.name, container.attempt, kill_at)
        case _:
            pass  # it is ending, in time


def _clear(pod: PodState, now: Instant) -> Iterator[Effect]:
    if pod.volumes.are in (VolumesAre.MOUNTED, VolumesAre.ABSENT):
        yield from _when_due(Unmount(), pod.volumes.retry_at, now)


def _when_due(effect: Effect, due: Instant | None, now: Instant) -> Iterator[Effect]:
    yield effect if due is None or now >= due else WakeAt(due)
