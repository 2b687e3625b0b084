"""What holds for every pod, whatever happens to it and in whatever order."""

from collections import defaultdict
from collections.abc import Callable, Iterator
from functools import partial
from itertools import pairwise

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from krustlet.base import Instant
from krustlet.objects import (
    Container,
    ContainerResizePolicy,
    ContainerState,
    ContainerStateTerminated,
    Pod,
    PodStatus,
    Quantity,
    ResourceRequirements,
)
from krustlet.pods import effects as do
from krustlet.pods import facts as saw
from krustlet.pods.decide import announcement
from krustlet.pods.observe import observe
from krustlet.pods.plan import plan
from krustlet.pods.progress import is_sidecar
from krustlet.pods.projection import HostAddress, project
from krustlet.pods.state import Allotment, PodState, Rejection, Run
from krustlet.pods.takeover import catch_up
from tests.support.pods import Story, a_container, a_pod, a_sidecar, an_exit
from tests.support.virtual_time import EPOCH

TERMINAL = ("Succeeded", "Failed")

unhurried = settings(  # a busy machine may be slow, not wrong
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow]
)

policies = st.sampled_from(["Always", "OnFailure", "Never"])
codes = st.sampled_from([0, 1, 137])
reasons = st.sampled_from(["ErrImagePull", "CreateContainerConfigError", "RunContainerError"])
instants = st.floats(0, 2000).map(lambda seconds: Instant(EPOCH + seconds))


_restarting = (ContainerResizePolicy(resource_name="cpu", restart_policy="RestartContainer"),)


def an_allotment(cpu: str) -> Allotment:
    return Allotment(ResourceRequirements(requests={"cpu": Quantity(cpu)}))


allotments = st.sampled_from([Allotment(), an_allotment("100m"), an_allotment("200m")])


@st.composite
def pods(draw: st.DrawFn) -> Pod:
    apps = [
        a_container(
            f"app{i}",
            restart_policy=draw(st.none() | policies),
            resources=draw(allotments).own,
            resize_policy=draw(st.sampled_from([(), _restarting])),
        )
        for i in range(draw(st.integers(1, 3)))
    ]
    inits = [
        draw(st.sampled_from([a_sidecar, a_container]))(f"init{i}")
        for i in range(draw(st.integers(0, 2)))
    ]
    return a_pod(*apps, init=tuple(inits), policy=draw(policies))


# Few, so that histories often go on where they were.
_names = st.sampled_from(["app0", "app0", "app0", "app1", "init0", "stranger"])
_attempts = st.sampled_from([1, 1, 1, 2, 2, 3, 0])
_words = st.sampled_from(["", "word"])
_of_container = partial(st.builds, container=_names, attempt=_attempts)

container_facts: st.SearchStrategy[saw.ContainerFact] = st.one_of(
    _of_container(saw.Creating, container_id=_words, allotment=st.none() | allotments),
    _of_container(saw.Started, at=instants),
    _of_container(saw.ImageResolved, image_id=_words),
    _of_container(saw.CreateFailed, reason=reasons, message=_words, at=instants),
    _of_container(saw.CreateAbandoned),
    _of_container(saw.BackedOff, reason=_words, message=_words),
    _of_container(saw.Stopping, kill_at=instants, returns=st.booleans()),
    _of_container(saw.Resizing, allotment=allotments),
    _of_container(saw.Resized, allotment=allotments),
    _of_container(saw.ResizeFailed),
    _of_container(saw.Exited, code=codes, reason=_words, message=_words, at=instants),
)
"""Anything about a container: of wrong attempts, of strangers, out of any order."""

facts: st.SearchStrategy[saw.Fact] = st.one_of(
    container_facts,
    st.builds(saw.MountFailed, at=instants),
    st.builds(saw.UnmountFailed, at=instants),
    st.sampled_from(
        [saw.Mounting(), saw.Mounted(), saw.Unmounting(), saw.Unmounted(), saw.Resumed()]
    ),
    st.builds(saw.DeletionAsked, by=instants),
    st.just(saw.Rejected(Rejection("OutOfpods", "too many"))),
    st.just(saw.Finished()),
)


@st.composite
def histories(draw: st.DrawFn) -> tuple[Pod, list[PodState]]:
    """A pod and the states that a history without sense or order has taken it through."""
    pod = draw(pods())
    states = [PodState.new(pod, EPOCH)]
    for fact in draw(st.lists(facts, min_size=15, max_size=60)):
        states.append(observe(states[-1], fact))
    return pod, states


# any history ------------------------------------------------------------------------------------


@unhurried
@given(histories(), instants)
def test_every_state_has_a_plan_and_a_status(
    history: tuple[Pod, list[PodState]], now: Instant
) -> None:
    pod, states = history
    before: PodStatus | None = None
    for state in states:
        first, second = list(plan(pod.spec, state, now)), list(plan(pod.spec, state, now))
        assert first == second
        before = project(pod, state, HostAddress(), before=before)


@unhurried
@given(histories(), instants)
def test_what_is_announced_is_not_named_again(
    history: tuple[Pod, list[PodState]], now: Instant
) -> None:
    pod, states = history
    state = states[-1]
    effects = list(plan(pod.spec, state, now))
    announced = [effect for effect in effects if announcement(pod, state, effect) is not None]
    for effect in announced:
        fact = announcement(pod, state, effect)
        assert fact is not None
        state = observe(state, fact)
    assert not [effect for effect in plan(pod.spec, state, now) if effect in announced]


@unhurried
@given(histories(), container_facts)
def test_word_of_another_attempt_changes_nothing(
    history: tuple[Pod, list[PodState]], fact: saw.ContainerFact
) -> None:
    _, states = history
    container = states[-1].containers.get(fact.container)
    known = container.attempt if container is not None else 0
    begins_another = isinstance(fact, saw.Creating) and fact.attempt > known
    if container is None or (fact.attempt != known and not begins_another):
        assert observe(states[-1], fact) is states[-1]


@unhurried
@given(histories(), facts)
def test_the_same_word_again_changes_nothing(
    history: tuple[Pod, list[PodState]], fact: saw.Fact
) -> None:
    _, states = history
    once = observe(states[-1], fact)
    assert observe(once, fact) is once


@unhurried
@given(histories())
def test_no_deadline_is_ever_put_off(history: tuple[Pod, list[PodState]]) -> None:
    _, states = history
    for before, after in pairwise(states):
        if before.delete_by is not None:
            assert after.delete_by is not None
            assert after.delete_by <= before.delete_by
        for name, container in after.containers.items():
            earlier = before.containers[name].kill_at
            if container.is_up and earlier is not None:
                assert container.kill_at is not None
                assert container.kill_at <= earlier


@unhurried
@given(histories(), instants, instants)
def test_a_deleted_pod_starts_nothing(
    history: tuple[Pod, list[PodState]], by: Instant, now: Instant
) -> None:
    pod, states = history
    deleted = observe(states[-1], saw.DeletionAsked(by))
    assert not [e for e in plan(pod.spec, deleted, now) if isinstance(e, do.Start | do.Mount)]


@unhurried
@given(histories(), instants)
def test_a_rejected_pod_starts_nothing(history: tuple[Pod, list[PodState]], now: Instant) -> None:
    pod, states = history
    rejected = observe(states[-1], saw.Rejected(Rejection("OutOfpods", "too many")))
    assert not [e for e in plan(pod.spec, rejected, now) if isinstance(e, do.Start | do.Mount)]
    assert project(pod, rejected, HostAddress()).phase == "Failed"


# a world that answers ---------------------------------------------------------------------------


class World(Story):
    """Carries effects out in any order, with any outcome, late or twice; and checks each step."""

    def __init__(self, pod: Pod) -> None:
        self.mounting = self.unmounting = False
        self.creating: dict[tuple[str, int], bool] = {}  # whether it is to be abandoned
        self.running: dict[tuple[str, int], str] = {}  # their ids
        self.resizing: list[do.Resize] = []
        self.started_ids: list[str] = []
        self.ends: dict[str, int] = {}  # id → code
        self.told: list[saw.Fact] = []
        self.is_finished = False
        super().__init__(pod)

    def tell(self, *facts: saw.Fact) -> list[do.Effect]:
        self.told += facts
        effects = super().tell(*facts)
        self._check(effects)
        for effect in effects:
            self._carry_out(effect)
        return effects

    def _check(self, effects: list[do.Effect]) -> None:
        again = list(plan(self.pod.spec, self.state, self.now))
        for effect in effects:
            if announcement(self.pod, self.state, effect) is not None:
                assert effect not in again, "an effect under way was named again"
        for effect in effects:
            if isinstance(effect, do.Start):
                assert not self.state.is_deleted
                self._check_start(effect.container)

    def _check_start(self, name: str) -> None:
        assert all(name != running for running, _ in (*self.creating, *self.running))
        inits = [c for c in self.pod.spec.init_containers if not is_sidecar(c)]
        containers = [*self.pod.spec.init_containers, *self.pod.spec.containers]
        place = [c.name for c in containers].index(name)
        is_app = place >= len(self.pod.spec.init_containers)
        earlier = inits if is_app else [c for c in containers[:place] if c in inits]
        assert all(self.container(c.name).has_succeeded for c in earlier)

    def _carry_out(self, effect: do.Effect) -> None:
        match effect:
            case do.Mount():
                self.mounting = True
            case do.Unmount():
                assert not self.running, "volumes are taken from a running container"
                self.unmounting = True
            case do.Start(container=name, attempt=attempt):
                self.creating[name, attempt] = False
            case do.Abandon(container=name, attempt=attempt):
                if (name, attempt) in self.creating:
                    self.creating[name, attempt] = True
            case do.Stop(container=name, attempt=attempt):
                assert (name, attempt) in self.running
            case do.Resize(container=name, attempt=attempt):
                assert (name, attempt) in self.running
                self.resizing.append(effect)
            case do.Finish():
                assert not self.running
                assert not self.creating
                self.is_finished = True
            case _:
                pass

    # what may happen next ---------------------------------------------------------------------

    def moves(self) -> Iterator[Callable[[], object]]:
        if self.mounting:
            yield partial(self._answer_mount, saw.Mounted())
            yield partial(self._answer_mount, saw.MountFailed(self.now))
        if self.unmounting:
            yield partial(self._answer_unmount, saw.Unmounted())
            yield partial(self._answer_unmount, saw.UnmountFailed(self.now))
        for key, is_abandoned in list(self.creating.items()):
            yield partial(self._start, *key)
            yield partial(self._start_and_end, *key)
            yield partial(self._fail, *key, "ErrImagePull")
            yield partial(self._fail, *key, "CreateContainerConfigError")
            if is_abandoned:
                yield partial(self._abandon, *key)
        for key in list(self.running):
            for code in (0, 1):
                yield partial(self._end, *key, code)
        if self.resizing:
            yield partial(self._answer_resize, is_done=True)
            yield partial(self._answer_resize, is_done=False)
        for seconds in (1.0, 15.0, 400.0, 1000.0):
            yield partial(self.wait, seconds)
        yield self._new_kubelet
        for cpu in ("100m", "200m"):
            yield partial(self._revise, cpu)
        if self.told:
            yield partial(self.tell, self.told[0])
            yield partial(self.tell, self.told[-1])

    def kind_move(self) -> Callable[[], object]:
        """The way on that leads to an end, if there is any."""
        return next(iter(self.moves()))

    def _new_kubelet(self) -> None:
        """The old one dies with all it was doing; its containers run on."""
        self.mounting = self.unmounting = False
        self.creating.clear()
        self.resizing.clear()
        running = dict.fromkeys(self.running.values(), self.now)
        self.tell(saw.Resumed(), *catch_up(self.state, running=running, heard_of=()))

    def _answer_mount(self, fact: saw.Fact) -> None:
        self.mounting = False
        self.tell(fact)

    def _answer_unmount(self, fact: saw.Fact) -> None:
        self.unmounting = False
        self.tell(fact)

    def _revise(self, cpu: str) -> None:
        """Its owner asks for other resources."""
        spec = self.pod.spec
        first = replace(spec.containers[0], resources=an_allotment(cpu).own)
        spec = replace(spec, containers=(first, *spec.containers[1:]))
        self.pod = replace(self.pod, spec=spec)
        self.tell()

    def _answer_resize(self, *, is_done: bool) -> None:
        asked = self.resizing.pop(0)
        name, attempt = asked.container, asked.attempt
        if is_done:
            self.tell(saw.Resized(container=name, attempt=attempt, allotment=asked.allotment))
        else:
            self.tell(saw.ResizeFailed(container=name, attempt=attempt))

    def _come_up(self, name: str, attempt: int) -> saw.Started:
        del self.creating[name, attempt]
        container_id = self.container(name).container_id
        assert container_id not in self.started_ids
        self.started_ids.append(container_id)
        self.running[name, attempt] = container_id
        return saw.Started(container=name, attempt=attempt, at=self.now)

    def _go_down(self, name: str, attempt: int, code: int) -> saw.Exited:
        self.ends[self.running.pop((name, attempt))] = code
        assert self.container(name).attempt == attempt
        return an_exit(self.container(name), self.now, code)

    def _start(self, name: str, attempt: int) -> None:
        self.tell(self._come_up(name, attempt))

    def _start_and_end(self, name: str, attempt: int) -> None:
        self.tell(self._come_up(name, attempt), self._go_down(name, attempt, 0))

    def _end(self, name: str, attempt: int, code: int) -> None:
        self.tell(self._go_down(name, attempt, code))

    def _fail(self, name: str, attempt: int, reason: str) -> None:
        del self.creating[name, attempt]
        self.failed(name, reason=reason)

    def _abandon(self, name: str, attempt: int) -> None:
        del self.creating[name, attempt]
        self.tell(saw.CreateAbandoned(container=name, attempt=attempt))


def a_life(data: st.DataObject, *, steps: int = 30) -> World:
    world = World(data.draw(pods()))
    for _ in range(data.draw(st.integers(0, steps))):
        moves = list(world.moves())
        moves[data.draw(st.integers(0, len(moves) - 1))]()
    return world


def brought_to_its_end(world: World) -> World:
    world.deleted(grace_s=0)
    for _ in range(200):
        if world.is_finished:
            return world
        world.kind_move()()
    raise AssertionError(f"never finished: {world.state}")


@unhurried
@given(st.data())
def test_a_deleted_pod_comes_to_an_end(data: st.DataObject) -> None:
    world = brought_to_its_end(a_life(data))
    assert world.phase in TERMINAL
    assert not world.running
    assert list(plan(world.pod.spec, world.state, world.now)) == []


@unhurried
@given(st.data())
def test_every_run_is_reported_ended_exactly_once(data: st.DataObject) -> None:
    world = brought_to_its_end(a_life(data))
    told = defaultdict(set)
    for status in world.statuses:
        for end in ends_in(status):
            told[end.container_id.removeprefix("krustlet://")].add(end)
    told.pop("", None)  # of containers that deletion kept from ever running
    assert {id_: [end.exit_code for end in ends] for id_, ends in told.items()} == {
        id_: [code] for id_, code in world.ends.items()
    }
    assert sorted(told) == sorted(world.started_ids)


def ends_in(status: PodStatus) -> Iterator[ContainerStateTerminated]:
    for container in (*status.init_container_statuses, *status.container_statuses):
        for state in (container.state, container.last_state):
            if state.terminated is not None:
                yield state.terminated


@unhurried
@given(st.data())
def test_restarts_are_counted_right(data: st.DataObject) -> None:
    world = a_life(data)
    for name, container in world.state.containers.items():
        starts = {fact for fact in world.told if isinstance(fact, saw.Started)}
        runs = sum(fact.container == name for fact in starts)
        assert container.restarts == max(0, runs - 1)
        assert world.status(name).restart_count == container.restarts


@unhurried
@given(st.data())
def test_a_terminal_phase_is_for_ever_and_nothing_runs_in_it(data: st.DataObject) -> None:
    world = brought_to_its_end(a_life(data))
    phases = [status.phase for status in world.statuses]
    over = [phase for phase in phases if phase in TERMINAL]
    assert phases[len(phases) - len(over) :] == over
    assert len(set(over)) == 1
    for status in world.statuses:
        if status.phase in TERMINAL:
            assert not any(is_running(c.state) for c in status.init_container_statuses)
            assert not any(is_running(c.state) for c in status.container_statuses)


def is_running(state: ContainerState) -> bool:
    return state.running is not None


@unhurried
@given(st.data())
def test_a_pod_left_alone_in_peace_runs(data: st.DataObject) -> None:
    """Whatever happened, when nothing fails any more every container gets up that has to."""
    world = a_life(data)
    for _ in range(60):
        ready = next(quiet_moves(world), None)
        if ready is None:
            break
        ready()
    if world.phase not in TERMINAL:
        for container in world.pod.spec.containers:
            state = world.container(container.name)
            assert state.run in (Run.RUNNING, Run.ENDED), world.state
    for sidecar in filter(is_sidecar, world.pod.spec.init_containers):
        assert world.container(sidecar.name).is_up == (world.phase not in TERMINAL)


def quiet_moves(world: World) -> Iterator[Callable[[], object]]:
    """Everything succeeds, inits end, what is stopped stops, apps run on."""
    lasting: list[Container] = [
        *world.pod.spec.containers,
        *filter(is_sidecar, world.pod.spec.init_containers),
    ]
    names = {container.name for container in lasting}
    if world.mounting:
        yield partial(world._answer_mount, saw.Mounted())
    if world.unmounting:
        yield partial(world._answer_unmount, saw.Unmounted())
    for key in list(world.creating):
        yield partial(world._start, *key)
    for name, attempt in list(world.running):
        if name not in names or world.container(name).run is Run.STOPPING:
            yield partial(world._end, name, attempt, 0)
    due = [effect.at for effect in world.effects if isinstance(effect, do.WakeAt)]
    if due:
        yield partial(world.wait, max(0.0, min(due) - world.now))
