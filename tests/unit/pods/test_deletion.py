"""How a pod goes."""

import pytest

from krustlet.pods.effects import Abandon, Finish, Stop, Unmount, WakeAt
from krustlet.pods.facts import CreateAbandoned, MountFailed, Rejected, UnmountFailed
from krustlet.pods.state import Rejection
from tests.support.pods import Story, a_container, a_pod, a_sidecar

UNKNOWN = "The container could not be located when the pod was terminated"


def test_containers_stop_then_volumes_go_then_nothing_is_left() -> None:
    story = Story(a_pod()).runs()
    story.deleted(grace_s=30)
    assert story.effects == [Stop("app", attempt=1, kill_at=story.after(30))]
    assert story.phase == "Running"
    story.exited(code=143)
    assert story.effects == [Unmount()]
    assert story.phase == "Failed"
    story.unmounted()
    assert story.effects == [Finish()]
    assert story.tell() == []


def test_a_pod_that_stops_well_has_succeeded() -> None:
    story = Story(a_pod()).runs()
    story.deleted()
    story.exited(code=0)
    assert story.phase == "Succeeded"


def test_sidecars_stop_last_in_reverse_within_the_same_grace() -> None:
    story = Story(a_pod(init=(a_sidecar("log"), a_sidecar("proxy")))).runs("log", "proxy", "app")
    by = story.after(30)
    story.deleted(grace_s=30)
    assert story.effects == [Stop("app", attempt=1, kill_at=by)]
    story.wait(10)
    assert story.effects == []
    story.exited("app", code=143)
    assert story.effects == [Stop("proxy", attempt=1, kill_at=by)]
    story.exited("proxy", code=143)
    assert story.effects == [Stop("log", attempt=1, kill_at=by)]
    story.exited("log", code=143)
    assert story.effects == [Unmount()]


def test_a_longer_grace_comes_too_late_for_sidecars_too() -> None:
    story = Story(a_pod(init=(a_sidecar("log"),))).runs("log", "app")
    story.deleted(grace_s=30)
    story.deleted(grace_s=60)
    story.exited("app", code=143)
    assert story.effects == [Stop("log", attempt=1, kill_at=story.after(30))]


def test_all_apps_stop_at_once() -> None:
    story = Story(a_pod(a_container("a"), a_container("b"))).runs("a", "b")
    story.deleted()
    assert [effect.container for effect in story.named(Stop)] == ["a", "b"]


@pytest.mark.parametrize(
    ("second_s", "stops_again"),
    [
        pytest.param(5, True, id="a-shorter-grace-counts"),
        pytest.param(30, False, id="the-same-again-changes-nothing"),
        pytest.param(60, False, id="a-longer-one-comes-too-late"),
    ],
)
def test_deletion_asked_twice(second_s: float, stops_again: bool) -> None:
    story = Story(a_pod()).runs()
    story.deleted(grace_s=30)
    story.deleted(grace_s=second_s)
    assert story.effects == ([Stop("app", 1, kill_at=story.after(5))] if stops_again else [])


def test_a_pod_that_is_over_stops_nothing_more() -> None:
    story = Story(a_pod(policy="Never")).runs()
    story.exited()
    story.unmounted()
    assert story.effects == []
    story.deleted()
    assert story.effects == [Finish()]
    assert story.phase == "Succeeded"


def test_what_is_on_its_way_is_given_up() -> None:
    story = Story(a_pod())
    story.mounted()
    story.deleted()
    assert story.effects == [Abandon("app", attempt=1)]
    story.tell(CreateAbandoned(container="app", attempt=1))
    assert story.effects == [Unmount()]
    assert story.phase == "Failed"


def test_what_came_up_all_the_same_is_stopped() -> None:
    story = Story(a_pod())
    story.mounted()
    story.deleted()
    story.started()
    assert [effect.container for effect in story.named(Stop)] == ["app"]


def test_mounting_is_waited_for() -> None:
    story = Story(a_pod())
    assert story.deleted() == []
    assert story.mounted() == [Unmount()]


def test_a_crash_loop_ends_at_once() -> None:
    story = Story(a_pod()).runs()
    story.exited(code=1)
    story.started()
    story.exited(code=1)
    story.wait(2)
    story.deleted()
    assert story.effects == [Unmount()]
    assert story.phase == "Failed"
    assert story.status().state.terminated is not None, "what is deleted waits for nothing"


def test_a_restart_that_failed_does_not_keep_the_pod_running() -> None:
    story = Story(a_pod()).runs()
    story.exited(code=0)
    story.failed(reason="ErrImagePull")
    story.deleted()
    assert story.phase == "Succeeded"


def test_a_container_that_never_ran_counts_as_failed() -> None:
    story = Story(a_pod())
    story.mounted()
    story.failed()
    story.deleted()
    assert story.phase == "Failed"
    end = story.status().state.terminated
    assert end is not None
    assert (end.exit_code, end.reason, end.message) == (137, "ContainerStatusUnknown", UNKNOWN)


def test_apps_that_had_to_wait_for_init_containers_did_not_fail() -> None:
    story = Story(a_pod(init=(a_container("first"), a_container("second"))))
    story.mounted()
    story.failed("first")
    story.deleted()
    assert story.phase == "Failed"
    assert story.status("first").state.terminated is not None
    assert story.status("second").state.waiting is not None
    assert story.status("app").state.waiting is not None


def test_unmounting_is_tried_again() -> None:
    story = Story(a_pod(policy="Never")).runs()
    story.exited()
    story.tell(UnmountFailed(story.now))
    assert story.effects == [WakeAt(story.after(0.5))]
    assert story.wait(0.5) == [Unmount()]
    story.tell(UnmountFailed(story.now))
    assert story.effects == [WakeAt(story.after(1))]


def test_a_rejected_pod_waits_for_its_deletion() -> None:
    story = Story(a_pod(), Rejected(Rejection("OutOfpods", "too many")))
    assert story.effects == [Unmount()]
    story.unmounted()
    assert story.effects == []
    assert story.phase == "Failed"
    assert story.deleted() == [Finish()]


def test_a_pod_whose_volumes_cannot_be_had_is_cleared_at_once() -> None:
    story = Story(a_pod())
    for _ in range(6):
        story.tell(MountFailed(story.after(0)))
        story.wait(200)
    story.tell(MountFailed(story.after(0)))  # the next try is half a minute away
    story.deleted()
    assert story.effects == [Unmount()]
