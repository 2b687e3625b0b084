"""What runs before the app containers, and beside them."""

import pytest

from krustlet.objects import ContainerStateWaiting, Pod
from krustlet.pods.effects import Abandon, Start, Stop, Unmount
from krustlet.pods.facts import CreateAbandoned, Started
from tests.support.pods import Story, a_container, a_pod, a_sidecar, an_exit


def a_pod_with_inits(*, policy: str = "Always") -> Pod:
    return a_pod(init=(a_container("first"), a_container("second")), policy=policy)


def starts(story: Story) -> list[str]:
    return [effect.container for effect in story.named(Start)]


def stops(story: Story) -> list[str]:
    return [effect.container for effect in story.named(Stop)]


def test_init_containers_run_one_after_the_other() -> None:
    story = Story(a_pod_with_inits())
    story.mounted()
    assert starts(story) == ["first"]
    assert story.started("first") == []
    story.exited("first")
    assert starts(story) == ["second"]
    story.started("second")
    assert story.phase == "Pending"
    story.exited("second")
    assert starts(story) == ["app"]
    story.started("app")
    assert story.phase == "Running"


def test_an_init_container_that_succeeded_is_not_run_again() -> None:
    story = Story(a_pod_with_inits()).runs("first")
    story.exited("first")
    story.started("second")
    story.exited("second")
    story.started("app")
    story.exited("app", code=1)
    assert starts(story) == ["app"]


def test_containers_behind_an_init_container_wait_for_the_pod_to_begin() -> None:
    story = Story(a_pod_with_inits()).runs("first")
    waiting = ContainerStateWaiting(reason="PodInitializing")
    assert story.status("second").state.waiting == waiting
    assert story.status("app").state.waiting == waiting
    assert not story.status("first").ready
    story.exited("first")
    assert story.status("first").ready


def test_a_failed_init_container_fails_a_pod_that_never_restarts() -> None:
    story = Story(a_pod_with_inits(policy="Never")).runs("first")
    story.exited("first", code=1)
    assert story.phase == "Failed"
    assert story.effects == [Unmount()]


@pytest.mark.parametrize("policy", ["OnFailure", "Always"])
def test_a_failed_init_container_is_run_again_otherwise(policy: str) -> None:
    story = Story(a_pod_with_inits(policy=policy)).runs("first")
    story.exited("first", code=1)
    assert starts(story) == ["first"]
    assert story.phase == "Pending"
    story.started("first")
    story.exited("first", code=1)
    assert story.named(Start) == []
    story.wait(2)
    waiting = story.status("first").state.waiting
    assert waiting is not None
    assert waiting.reason == "CrashLoopBackOff"
    story.wait(8)
    assert starts(story) == ["first"]


def test_an_init_container_may_have_a_policy_of_its_own() -> None:
    stubborn = a_container("first", restart_policy="OnFailure")
    story = Story(a_pod(init=(stubborn,), policy="Never")).runs("first")
    story.exited("first", code=1)
    assert starts(story) == ["first"]
    assert story.phase == "Pending"


# sidecars ---------------------------------------------------------------------------------------


def a_pod_with_sidecars() -> Pod:
    return a_pod(init=(a_sidecar("log"), a_sidecar("proxy")), policy="Never")


@pytest.fixture
def story() -> Story:
    """A pod of an app and two sidecars, all up."""
    return Story(a_pod_with_sidecars()).runs("log", "proxy", "app")


def test_sidecars_start_one_after_the_other_and_first() -> None:
    story = Story(a_pod_with_sidecars())
    story.mounted()
    assert starts(story) == ["log"]
    story.started("log")
    assert starts(story) == ["proxy"]
    story.started("proxy")
    assert starts(story) == ["app"]
    story.started("app")
    assert story.phase == "Running"
    assert story.status("log").ready
    assert story.status("log").started


def test_what_comes_after_a_sidecar_waits_until_it_is_up() -> None:
    story = Story(a_pod_with_sidecars())
    story.mounted()
    started = Started(container="log", attempt=1, at=story.now)
    story.tell(started, an_exit(story.container("log"), story.now, code=1))
    assert starts(story) == ["log"]
    story.started("log")
    assert starts(story) == ["proxy"]


def test_a_sidecar_is_restarted_for_ever(story: Story) -> None:
    for code in (0, 1):
        story.exited("log", code=code)
        story.until_started()
        assert starts(story) == ["log"]
        assert story.phase == "Running"
        story.started("log")


def test_a_sidecar_that_is_down_holds_up_nothing_that_has_begun() -> None:
    story = Story(a_pod(init=(a_sidecar("log"), a_container("migrate")))).runs("log", "migrate")
    story.exited("log", code=1)
    story.failed("log", reason="ErrImagePull")
    story.exited("migrate")
    assert starts(story) == ["app"]
    story.started("app")
    assert story.phase == "Running"


def test_sidecars_stop_in_reverse_once_the_apps_have_ended(story: Story) -> None:
    killed_at = story.after(30)
    story.exited("app")
    assert story.effects == [Stop("proxy", attempt=1, kill_at=killed_at)]
    assert story.phase == "Running", "what runs is not over"
    story.wait(5)
    story.exited("proxy", code=143)
    assert story.effects == [Stop("log", attempt=1, kill_at=killed_at)], "one grace for all"
    story.exited("log", code=143)
    assert story.phase == "Succeeded", "how sidecars end does not matter"
    assert story.effects == [Unmount()]


def test_sidecars_stop_when_an_init_container_failed_for_good() -> None:
    story = Story(a_pod(init=(a_sidecar("log"), a_container("migrate")), policy="Never"))
    story.runs("log", "migrate")
    story.exited("migrate", code=1)
    assert stops(story) == ["log"]
    assert story.phase == "Pending", "what runs is not over"
    story.exited("log", code=143)
    assert story.phase == "Failed"
    assert story.effects == [Unmount()]


def test_a_sidecar_that_was_stopped_at_the_end_is_not_restarted(story: Story) -> None:
    story.exited("log", code=1)
    story.started("log")
    story.exited("app")
    story.exited("proxy", code=143)
    story.exited("log", code=143)
    assert story.wait(1000) == []
    assert story.phase == "Succeeded"


def test_a_sidecar_on_its_way_is_given_up_when_the_apps_have_ended(story: Story) -> None:
    story.exited("proxy", code=1)
    assert starts(story) == ["proxy"]
    story.exited("app")
    assert story.effects == [Abandon("proxy", attempt=2)]
    story.tell(CreateAbandoned(container="proxy", attempt=2))
    assert stops(story) == ["log"]
