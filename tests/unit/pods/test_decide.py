"""Which of the states passed through are told of."""

from krustlet.pods.decide import decide
from krustlet.pods.effects import Start
from krustlet.pods.facts import Creating, ImageResolved, Mounted, Mounting, Started
from krustlet.pods.state import PodState, Run
from tests.support.pods import Story, a_container, a_pod, an_exit
from tests.support.virtual_time import EPOCH


def test_it_begins_with_what_was_known() -> None:
    pod = a_pod()
    known = PodState.new(pod, EPOCH)
    decision = decide(pod, known, [], EPOCH)
    assert decision.states[0] is known
    assert decision.state == decision.states[-1] != known


def test_nothing_new_is_one_state() -> None:
    story = Story(a_pod()).runs()
    decision = decide(story.pod, story.state, [Mounted()], story.now)
    assert decision.states == [story.state]
    assert decision.effects == []


def test_an_effect_is_noted_in_the_same_breath() -> None:
    pod = a_pod()
    decision = decide(pod, PodState.new(pod, EPOCH), [Mounting(), Mounted()], EPOCH)
    assert decision.effects == [Start("app", attempt=1)]
    app = decision.state.containers["app"]
    assert app.run is Run.CREATING
    assert len(app.container_id) == 64


def test_what_nobody_can_see_is_no_state_of_its_own() -> None:
    story = Story(a_pod())
    story.mounted()
    image = ImageResolved(container="app", attempt=1, image_id="sha256:1")
    started = Started(container="app", attempt=1, at=story.now)
    decision = decide(story.pod, story.state, [image, started], story.now)
    assert [state.containers["app"].run for state in decision.states] == [
        Run.CREATING,
        Run.RUNNING,
    ]


def test_what_can_be_seen_is_told_one_by_one() -> None:
    story = Story(a_pod(a_container("web"), a_container("job"), policy="Never")).runs("web")
    facts = [
        an_exit(story.container("web"), story.now, code=0),
        ImageResolved(container="job", attempt=1, image_id="sha256:1"),
        Started(container="job", attempt=1, at=story.now),
    ]
    decision = decide(story.pod, story.state, facts, story.now)
    assert [{n: c.run for n, c in state.containers.items()} for state in decision.states] == [
        {"web": Run.RUNNING, "job": Run.CREATING},
        {"web": Run.ENDED, "job": Run.CREATING},
        {"web": Run.ENDED, "job": Run.RUNNING},
    ]


def test_late_word_makes_no_state() -> None:
    story = Story(a_pod()).runs()
    late = Creating(container="app", attempt=1, container_id="late")
    assert decide(story.pod, story.state, [late, late], story.now).states == [story.state]
