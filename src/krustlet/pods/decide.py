"""Take facts in and say what follows: states to write down and to tell, effects to carry out.

Pure. An effect is noted as a fact in the same breath, so that it is on disk before anything of it
happens, and so that the next plan does not name it again.
"""

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from krustlet.base import Instant
from krustlet.objects import Pod
from krustlet.pods import effects as do
from krustlet.pods import facts as saw
from krustlet.pods.effects import Effect
from krustlet.pods.facts import Fact
from krustlet.pods.naming import container_id_of, long_name
from krustlet.pods.observe import observe
from krustlet.pods.plan import CRASH_LOOP, IMAGE_PULL, back_off_reason, plan
from krustlet.pods.state import Allotment, PodState

# They change nothing that is told of a pod, and so need not be told one by one.
_UNSEEN: Final = (
    saw.ImageResolved,
    saw.Creating,
    saw.Stopping,
    saw.Resizing,
    saw.Mounting,
    saw.Unmounting,
    saw.Unmounted,
    saw.Resumed,
    saw.Finished,
)


class Decision(NamedTuple):
    """What follows from some facts.

    Attributes:
        states: those to tell of, one after the other; the first is what was known before.
        effects: what to do now.
    """

    states: list[PodState]
    effects: list[Effect]

    @property
    def state(self) -> PodState:
        """What is known now."""
        return self.states[-1]


def decide(pod: Pod, state: PodState, facts: Iterable[Fact], now: Instant) -> Decision:
    """Observe `facts` in their order, plan, and note what the plan sets going."""
    course = _Course(state)
    course.note(facts)
    effects = list(plan(pod.spec, course.states[-1], now))
    course.note(_announcements(pod, course.states[-1], effects))
    return Decision(course.states, effects)


class _Course:
    """The states passed through, without those that nobody could tell from the next."""

    def __init__(self, state: PodState) -> None:
        self.states = [state]
        self._last_is_seen = True  # was told of before

    def note(self, facts: Iterable[Fact]) -> None:
        for fact in facts:
            after = observe(self.states[-1], fact)
            if after is not self.states[-1]:
                self._go_on(after, is_seen=not isinstance(fact, _UNSEEN))

    def _go_on(self, after: PodState, *, is_seen: bool) -> None:
        is_first = len(self.states) == 1
        if is_first or (is_seen and self._last_is_seen):
            self.states.append(after)
            self._last_is_seen = is_seen
        else:
            self.states[-1] = after
            self._last_is_seen = self._last_is_seen or is_seen


def _announcements(pod: Pod, state: PodState, effects: Iterable[Effect]) -> Iterator[Fact]:
    for effect in effects:
        if (fact := announcement(pod, state, effect)) is not None:
            yield fact


def announcement(pod: Pod, state: PodState, effect: Effect) -> Fact | None:
    """The fact that `effect` is under way; None where asking for it again does no harm."""
    match effect:
        case do.Start(container=name, attempt=attempt):
            wanted = next(c for c in pod.spec.all_containers() if c.name == name)
            return saw.Creating(
                container=name,
                attempt=attempt,
                container_id=container_id_of(state, name, attempt),
                allotment=Allotment.wanted(pod.spec, wanted),
            )
        case do.Stop(container=name, attempt=attempt, kill_at=kill_at, returns=returns):
            return saw.Stopping(container=name, attempt=attempt, kill_at=kill_at, returns=returns)
        case do.Resize(container=name, attempt=attempt, allotment=allotment):
            return saw.Resizing(container=name, attempt=attempt, allotment=allotment)
        case do.BackOff():
            return _backed_off(pod, state, effect)
        case do.Mount():
            return saw.Mounting()
        case do.Unmount():
            return saw.Unmounting()
        case do.Finish():
            return saw.Finished()
        case _:
            return None


def _backed_off(pod: Pod, state: PodState, effect: do.BackOff) -> saw.BackedOff:
    container = state.containers[effect.container]
    reason = back_off_reason(container) or CRASH_LOOP
    if reason == IMAGE_PULL and container.waiting is not None:
        was = container.waiting
        message = f"{back_off_pulling(pod, effect.container)}: {was.reason}: {was.message}"
    else:
        wait = _go_duration(effect.wait_s)
        message = (
            f"back-off {wait} restarting failed container={effect.container} pod={long_name(pod)}"
        )
    return saw.BackedOff(
        container=effect.container, attempt=effect.attempt, reason=reason, message=message
    )


def back_off_pulling(pod: Pod, container: str) -> str:
    """That no image is pulled for a while; without the why, which an event has told before."""
    image = next(c.image for c in pod.spec.all_containers() if c.name == container)
    return f'Back-off pulling image "{image}"'


def _go_duration(seconds: float) -> str:
    """`1m20s`: as Go writes a duration, of which the kubelet's message is made."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"
