"""What each fact makes of a container, wherever that is in its life."""

from typing import Final

import pytest

from krustlet.base import Instant
from krustlet.pods.facts import (
    BackedOff,
    ContainerFact,
    CreateAbandoned,
    CreateFailed,
    Creating,
    Exited,
    ImageResolved,
    Started,
    Stopping,
)
from krustlet.pods.observe import observe
from krustlet.pods.state import EDGES, ContainerState, PodState, Run
from tests.support.pods import a_pod
from tests.support.virtual_time import EPOCH

LATER: Final = Instant(EPOCH + 60)

CREATING: Final = Creating(container="app", attempt=1, container_id="first")
STARTED: Final = Started(container="app", attempt=1, at=EPOCH)
ABANDONED: Final = CreateAbandoned(container="app", attempt=1)
STOPPING: Final = Stopping(container="app", attempt=1, kill_at=EPOCH)
EXITED: Final = Exited(container="app", attempt=1, code=0, reason="", message="", at=EPOCH)

PATHS: Final[dict[Run, list[ContainerFact]]] = {
    Run.WAITING: [CREATING, ABANDONED],
    Run.CREATING: [CREATING],
    Run.RUNNING: [CREATING, STARTED],
    Run.STOPPING: [CREATING, STARTED, STOPPING],
    Run.ENDED: [CREATING, STARTED, EXITED],
}
"""How to get there."""

FACTS: Final[dict[str, ContainerFact]] = {
    "next creating": Creating(container="app", attempt=2, container_id="second"),
    "creating": CREATING,
    "image": ImageResolved(container="app", attempt=1, image_id="sha256:1"),
    "started": STARTED,
    "failed": CreateFailed(container="app", attempt=1, reason="why", message="", at=EPOCH),
    "abandoned": ABANDONED,
    "backed off": BackedOff(container="app", attempt=1, reason="why", message=""),
    "stopping": STOPPING,
    "exited": EXITED,
}

LEADS_TO: Final[dict[tuple[Run, str], Run]] = {
    (Run.WAITING, "next creating"): Run.CREATING,
    (Run.WAITING, "backed off"): Run.WAITING,
    (Run.CREATING, "image"): Run.CREATING,
    (Run.CREATING, "started"): Run.RUNNING,
    (Run.CREATING, "failed"): Run.WAITING,
    (Run.CREATING, "abandoned"): Run.WAITING,
    (Run.CREATING, "exited"): Run.ENDED,
    (Run.RUNNING, "stopping"): Run.STOPPING,
    (Run.RUNNING, "exited"): Run.ENDED,
    (Run.STOPPING, "exited"): Run.ENDED,
    (Run.ENDED, "next creating"): Run.CREATING,
    (Run.ENDED, "backed off"): Run.ENDED,
}
"""Whatever is not in here changes nothing."""


def after(*facts: ContainerFact) -> PodState:
    pod = PodState.new(a_pod(), EPOCH)
    for fact in facts:
        pod = observe(pod, fact)
    return pod


@pytest.mark.parametrize("run", Run)
@pytest.mark.parametrize("fact", FACTS)
def test_where_a_fact_leads(run: Run, fact: str) -> None:
    before = after(*PATHS[run])
    assert before.containers["app"].run is run

    now = observe(before, FACTS[fact])

    if (run, fact) in LEADS_TO:
        assert now is not before
        assert now.containers["app"].run is LEADS_TO[run, fact]
    else:
        assert now is before


def test_the_earlier_of_two_stops_counts() -> None:
    later = Stopping(container="app", attempt=1, kill_at=LATER)
    for first, second in ((STOPPING, later), (later, STOPPING)):
        stopping = after(CREATING, STARTED, first, second)
        assert stopping.containers["app"].kill_at == EPOCH


@pytest.mark.parametrize(
    ("here", "there"),
    [(here, there) for here in Run for there in Run if there not in EDGES[here]],
)
def test_where_no_edge_leads_is_a_bug(here: Run, there: Run) -> None:
    with pytest.raises(ValueError, match=f"{here} does not become {there}"):
        ContainerState(name="app", run=here).to(there)


def test_an_end_without_a_start_began_when_it_ended() -> None:
    end = after(CREATING, EXITED).containers["app"].end
    assert end is not None
    assert (end.started_at, end.ended_at, end.container_id) == (EPOCH, EPOCH, "first")
