"""What is said of a pod, in the words of `kubectl get pods`."""

from collections.abc import Callable

import msgspec
import pytest

from krustlet.base import Instant
from krustlet.cli.pod_summary import Summary, human_duration, summary
from krustlet.objects import (
    ContainerState,
    ContainerStateTerminated,
    Pod,
    PodStatus,
    to_rfc3339,
)
from tests.support.pods import Story, a_container, a_pod, a_sidecar

TWO = (a_container("a"), a_container("b"))


def now_of(story: Story) -> Pod:
    return msgspec.structs.replace(story.pod, status=story.statuses[-1])


def said(story: Story) -> Summary:
    return summary(now_of(story), story.now)


def creating() -> Story:
    return Story(a_pod())


def running() -> Story:
    return Story(a_pod(*TWO)).runs("a", "b")


def half_ready() -> Story:
    return Story(a_pod(*TWO)).runs("a")


def completed() -> Story:
    story = Story(a_pod(policy="Never")).runs()
    story.exited(code=0)
    return story


def failed() -> Story:
    story = Story(a_pod(policy="Never")).runs()
    story.exited(code=3)
    return story


def crash_loop() -> Story:
    story = Story(a_pod()).runs()
    story.exited(code=1)
    story.started()
    story.exited(code=1)
    story.wait(5)
    return story


def one_completed_and_one_runs() -> Story:
    story = Story(a_pod(*TWO, policy="Never")).runs("a", "b")
    story.exited("a", code=0)
    return story


def one_failed_and_one_completed() -> Story:
    story = Story(a_pod(*TWO, policy="Never")).runs("a", "b")
    story.exited("a", code=0)
    story.exited("b", code=1)
    return story


def pull_failed() -> Story:
    story = Story(a_pod())
    story.mounted()
    story.failed(reason="ErrImagePull")
    return story


def init_runs() -> Story:
    init = (a_container("one"), a_container("two"))
    story = Story(a_pod(init=init)).runs("one")
    story.exited("one", code=0)
    return story


def init_crashes() -> Story:
    story = Story(a_pod(init=(a_container("one"),), policy="Never")).runs("one")
    story.exited("one", code=4)
    return story


def init_pull_failed() -> Story:
    story = Story(a_pod(init=(a_container("one"),)))
    story.mounted()
    story.failed("one", reason="ErrImagePull")
    return story


def with_a_sidecar() -> Story:
    return Story(a_pod(init=(a_sidecar(),))).runs("proxy", "app")


def sidecar_alone() -> Story:
    return Story(a_pod(init=(a_sidecar(), a_container("one")))).runs("proxy")


@pytest.mark.parametrize(
    ("tell", "ready", "status", "restarts"),
    [
        (creating, "0/1", "ContainerCreating", "0"),
        (running, "2/2", "Running", "0"),
        (half_ready, "1/2", "ContainerCreating", "0"),
        (completed, "0/1", "Completed", "0"),
        (failed, "0/1", "Error", "0"),
        (crash_loop, "0/1", "CrashLoopBackOff", "1 (5s ago)"),
        (one_completed_and_one_runs, "1/2", "NotReady", "0"),
        (one_failed_and_one_completed, "0/2", "Error", "0"),
        (pull_failed, "0/1", "ErrImagePull", "0"),
        (init_runs, "0/1", "Init:1/2", "0"),
        (init_crashes, "0/1", "Init:Error", "0"),
        (init_pull_failed, "0/1", "Init:ErrImagePull", "0"),
        (with_a_sidecar, "2/2", "Running", "0"),
        (sidecar_alone, "1/2", "Init:1/2", "0"),
    ],
)
def test_the_columns(tell: Callable[[], Story], ready: str, status: str, restarts: str) -> None:
    row = said(tell())
    assert (row.namespace, row.name) == ("shop", "web")
    assert (row.ready, row.status, row.restarts) == (ready, status, restarts)


def test_what_is_being_deleted_is_terminating() -> None:
    story = running()
    metadata = msgspec.structs.replace(story.pod.metadata, deletion_timestamp=to_rfc3339(story.now))
    pod = msgspec.structs.replace(now_of(story), metadata=metadata)
    assert summary(pod, story.now).status == "Terminating"
    over = msgspec.structs.replace(now_of(completed()), metadata=metadata)
    assert summary(over, story.now).status == "Completed"


def test_a_pod_that_was_rejected_says_why() -> None:
    status = PodStatus(phase="Failed", reason="OutOfmemory")
    pod = msgspec.structs.replace(a_pod(), status=status)
    assert summary(pod, Instant(0)).status == "OutOfmemory"


@pytest.mark.parametrize(
    ("end", "status"),
    [
        (ContainerStateTerminated(exit_code=3), "ExitCode:3"),
        (ContainerStateTerminated(exit_code=137, signal=9), "Signal:9"),
    ],
)
def test_an_end_without_a_reason(end: ContainerStateTerminated, status: str) -> None:
    pod = now_of(failed())
    [container] = pod.status.container_statuses
    container = msgspec.structs.replace(container, state=ContainerState(terminated=end))
    pod = msgspec.structs.replace(
        pod, status=msgspec.structs.replace(pod.status, container_statuses=(container,))
    )
    assert summary(pod, Instant(0)).status == status


def test_age_counts_from_creation_else_from_the_start_here() -> None:
    story = running()
    story.wait(90)
    assert said(story).age == "90s"
    metadata = msgspec.structs.replace(
        story.pod.metadata, creation_timestamp=to_rfc3339(Instant(story.now - 3600 * 30))
    )
    pod = msgspec.structs.replace(now_of(story), metadata=metadata)
    assert summary(pod, story.now).age == "30h"
    unknown = msgspec.structs.replace(a_pod(), status=PodStatus())
    assert summary(unknown, story.now).age == "<unknown>"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "<invalid>"),
        (-0.5, "0s"),
        (0, "0s"),
        (119.9, "119s"),
        (120, "2m"),
        (150, "2m30s"),
        (599, "9m59s"),
        (600, "10m"),
        (10_799, "179m"),
        (10_800, "3h"),
        (11_100, "3h5m"),
        (28_800, "8h"),
        (172_799, "47h"),
        (172_800, "2d"),
        (176_400, "2d1h"),
        (691_200, "8d"),
        (63_071_999, "729d"),
        (63_072_000, "2y"),
        (63_158_400, "2y1d"),
        (252_288_000, "8y"),
        (400_000_000, "12y"),
    ],
)
def test_durations_are_written_as_kubectl_does(seconds: float, text: str) -> None:
    assert human_duration(seconds) == text
