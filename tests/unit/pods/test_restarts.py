"""Whether a container is run again, and after how long."""

import pytest

from krustlet.objects import (
    ContainerRestartRule,
    ContainerRestartRuleOnExitCodes,
    ContainerStateWaiting,
)
from krustlet.pods.effects import BackOff, Mount, Start, Unmount, WakeAt
from krustlet.pods.facts import MountFailed
from tests.support.pods import Story, a_container, a_pod


@pytest.mark.parametrize(
    ("policy", "code", "phase"),
    [
        ("Always", 0, "Running"),
        ("Always", 1, "Running"),
        ("OnFailure", 0, "Succeeded"),
        ("OnFailure", 1, "Running"),
        ("Never", 0, "Succeeded"),
        ("Never", 1, "Failed"),
    ],
)
def test_policy_and_exit_code_decide(policy: str, code: int, phase: str) -> None:
    story = Story(a_pod(policy=policy)).runs()

    story.exited(code=code)

    assert story.phase == phase
    is_over = phase != "Running"
    assert story.effects == ([Unmount()] if is_over else [Start("app", attempt=2)])


@pytest.mark.parametrize(
    ("of_pod", "of_container", "code", "restarts"),
    [
        pytest.param("Always", "Never", 1, False, id="never-though-the-pod-says-always"),
        pytest.param("Never", "Always", 0, True, id="always-though-the-pod-says-never"),
        pytest.param("Never", "OnFailure", 1, True, id="on-failure-it-failed"),
        pytest.param("Never", "OnFailure", 0, False, id="on-failure-it-succeeded"),
    ],
)
def test_a_containers_own_policy_goes_first(
    of_pod: str, of_container: str, code: int, restarts: bool
) -> None:
    story = Story(a_pod(a_container(restart_policy=of_container), policy=of_pod)).runs()
    story.exited(code=code)
    assert bool(story.named(Start)) is restarts


def a_rule(operator: str, *codes: int, action: str = "Restart") -> ContainerRestartRule:
    on = ContainerRestartRuleOnExitCodes(operator=operator, values=codes)
    return ContainerRestartRule(action=action, exit_codes=on)


@pytest.mark.parametrize(
    ("rules", "code", "restarts"),
    [
        pytest.param([a_rule("In", 42, 43)], 43, True, id="in-the-list"),
        pytest.param([a_rule("In", 42)], 1, False, id="not-in-the-list"),
        pytest.param([a_rule("NotIn", 42)], 1, True, id="not-in-the-list-of-exceptions"),
        pytest.param([a_rule("NotIn", 42)], 42, False, id="in-the-list-of-exceptions"),
        pytest.param([a_rule("Around", 42)], 42, False, id="an-operator-newer-than-we-are"),
        pytest.param([ContainerRestartRule(action="Restart")], 1, False, id="without-codes"),
        pytest.param([a_rule("In", 7), a_rule("In", 8)], 8, True, id="the-first-that-applies"),
        pytest.param(
            [a_rule("In", 7, action="RestartAllContainers"), a_rule("In", 7)],
            7,
            False,
            id="an-action-that-is-not-carried-out-leaves-it-to-the-policy",
        ),
    ],
)
def test_rules_go_before_the_policy(
    rules: list[ContainerRestartRule], code: int, restarts: bool
) -> None:
    app = a_container(restart_policy="Never", restart_policy_rules=tuple(rules))
    story = Story(a_pod(app)).runs()
    story.exited(code=code)
    assert bool(story.named(Start)) is restarts


def test_rules_without_a_policy_of_the_container_count_for_nothing() -> None:
    app = a_container(restart_policy_rules=(a_rule("In", 1),))
    story = Story(a_pod(app, policy="Never")).runs()
    story.exited(code=1)
    assert story.phase == "Failed"


def test_one_of_two_containers_is_run_again_by_itself() -> None:
    story = Story(a_pod(a_container("a"), a_container("b"), policy="OnFailure")).runs("a", "b")

    story.exited("a", code=1)

    assert story.effects == [Start("a", attempt=2)]
    assert story.phase == "Running"


def test_a_pod_fails_only_when_its_last_container_has_ended() -> None:
    story = Story(a_pod(a_container("a"), a_container("b"), policy="Never")).runs("a", "b")
    story.exited("a", code=1)
    assert (story.phase, story.effects) == ("Running", [])
    story.exited("b", code=0)
    assert story.phase == "Failed"


# after a crash ----------------------------------------------------------------------------------


def crash(story: Story, *, after_s: float = 1.0) -> float:
    """Run for a while, end, and be started again; returns how long that took."""
    story.wait(after_s)
    story.exited(code=1)
    return story.until_started()


def test_crashes_wait_twice_as_long_each_time() -> None:
    story = Story(a_pod()).runs()
    waits = []
    for _ in range(8):
        waits.append(crash(story))
        story.started()
    assert waits == [0, 10, 20, 40, 80, 160, 300, 300]
    assert story.status().restart_count == 8


@pytest.mark.parametrize(
    ("lasted_s", "next_wait_s"),
    [
        pytest.param(600.0, 40, id="ten-minutes-are-not-enough"),
        pytest.param(600.5, 0, id="a-longer-run-starts-afresh"),
    ],
)
def test_a_long_run_makes_crashes_forgotten(lasted_s: float, next_wait_s: float) -> None:
    story = Story(a_pod()).runs()
    for _ in range(3):
        crash(story)
        story.started()
    assert crash(story, after_s=lasted_s) == next_wait_s


def test_a_crash_loop_is_told_after_the_crash_itself() -> None:
    story = Story(a_pod()).runs()
    crash(story)
    story.started()

    story.exited(code=3)
    end, earlier = story.status().state.terminated, story.status().last_state.terminated
    assert end is not None
    assert earlier is not None
    assert (end.exit_code, earlier.exit_code) == (3, 1)
    assert story.named(WakeAt) == [WakeAt(story.after(2)), WakeAt(story.after(10))]

    story.wait(2)
    assert story.named(BackOff) == [BackOff("app", attempt=2, wait_s=10)]
    assert story.status().state.waiting == ContainerStateWaiting(
        reason="CrashLoopBackOff",
        message="back-off 10s restarting failed container=app pod=web_shop(uid-of-web)",
    )
    assert story.status().last_state.terminated == end

    story.wait(8)
    assert story.effects == [Start("app", attempt=3)]


@pytest.mark.parametrize(
    ("crashes", "wait"), [(2, "10s"), (4, "40s"), (5, "1m20s"), (6, "2m40s"), (7, "5m0s")]
)
def test_the_wait_is_written_as_go_writes_it(crashes: int, wait: str) -> None:
    story = Story(a_pod()).runs()
    for _ in range(crashes - 1):
        crash(story)
        story.started()
    story.exited(code=1)
    story.wait(2)
    waiting = story.status().state.waiting
    assert waiting is not None
    assert waiting.message.startswith(f"back-off {wait} restarting")


def test_a_restart_counts_when_the_container_runs() -> None:
    """Before that, what is shown is the run that is over, under its own number and id."""
    story = Story(a_pod()).runs()
    first_id = story.status().container_id
    story.exited(code=1)
    assert story.named(Start)
    assert (story.status().restart_count, story.status().container_id) == (0, first_id)
    story.started()
    assert story.status().restart_count == 1
    assert story.status().container_id not in ("", first_id)


# tries that fail --------------------------------------------------------------------------------


def fail(story: Story, reason: str) -> float:
    story.failed(reason=reason)
    return story.until_started()


@pytest.mark.parametrize(
    ("reason", "waits"),
    [
        ("ErrImagePull", [10, 20, 40, 80, 160, 300, 300]),
        ("CreateContainerError", [10, 20, 40, 80, 160, 300, 300]),
        ("CreateContainerConfigError", [10, 10, 10, 10, 10, 10, 10]),
    ],
)
def test_failed_tries_wait(reason: str, waits: list[float]) -> None:
    story = Story(a_pod())
    story.mounted()
    assert [fail(story, reason) for _ in waits] == waits
    assert story.status().restart_count == 0


def test_a_failed_pull_is_told_and_then_backed_off_from() -> None:
    story = Story(a_pod())
    story.mounted()

    story.failed(reason="ErrImagePull", message="no such file")
    assert story.status().state.waiting == ContainerStateWaiting(
        reason="ErrImagePull", message="no such file"
    )

    story.wait(2)
    assert story.named(BackOff)
    backed_off = ContainerStateWaiting(
        reason="ImagePullBackOff",
        message='Back-off pulling image "file:app.wasm": ErrImagePull: no such file',
    )
    assert story.status().state.waiting == backed_off

    story.wait(8)
    assert story.effects == [Start("app", attempt=2)]
    assert story.status().state.waiting == backed_off
    assert story.phase == "Pending"


@pytest.mark.parametrize(
    "reason", ["CreateContainerConfigError", "RunContainerError", "InvalidImageName"]
)
def test_other_failures_keep_their_reason(reason: str) -> None:
    story = Story(a_pod())
    story.mounted()
    story.failed(reason=reason, message="why")
    story.wait(5)
    assert story.named(BackOff) == []
    assert story.status().state.waiting == ContainerStateWaiting(reason=reason, message="why")


def test_failed_tries_and_crashes_are_counted_apart() -> None:
    story = Story(a_pod())
    story.mounted()
    for _ in range(4):
        fail(story, "ErrImagePull")
    story.started()

    assert [crash(story)] == [0], "failed tries have made the crash look like the fifth"
    assert fail(story, "ErrImagePull") == 10, "the run has made the tries forgotten"
    story.started()
    assert crash(story) == 10, "but not the crash"


def test_a_restart_that_fails_leaves_the_pod_running() -> None:
    story = Story(a_pod()).runs()
    story.exited(code=1)
    story.failed(reason="ErrImagePull")
    assert story.phase == "Running"
    assert story.status().last_state.terminated is not None


# volumes ----------------------------------------------------------------------------------------


def test_volumes_are_tried_again_like_the_kubelets() -> None:
    story = Story(a_pod())
    waits = []
    for _ in range(10):
        story.tell(MountFailed(story.now))
        (wake,) = story.effects
        assert isinstance(wake, WakeAt)
        waits.append(wake.at - story.now)
        assert story.wait(waits[-1]) == [Mount()]
    assert waits == [0.5, 1, 2, 4, 8, 16, 32, 64, 122, 122]


def test_nothing_starts_without_volumes() -> None:
    story = Story(a_pod())
    assert not story.named(Start)
    assert story.mounted() == [Start("app", attempt=1)]


def test_a_running_pod_is_left_alone() -> None:
    story = Story(a_pod()).runs()
    assert story.wait(1_000_000) == []
