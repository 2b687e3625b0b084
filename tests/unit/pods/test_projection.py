"""What the API shows of a pod.

The golden files say what a kubelet of Kubernetes 1.36 reports in the same situation, as far as
this node has anything to report: it leaves out resources, users and the QoS class.
"""

from collections.abc import Callable

import msgspec
import pytest
from msgspec.structs import replace

from krustlet.objects import (
    PodCondition,
    PodStatus,
    VolumeMount,
    to_rfc3339,
)
from krustlet.pods.effects import Unmount
from krustlet.pods.facts import Rejected, Resumed, Started
from krustlet.pods.projection import HostAddress, project
from krustlet.pods.state import PodState, Rejection
from tests.support.golden import Golden
from tests.support.pods import Story, a_container, a_pod, a_sidecar, an_exit
from tests.support.virtual_time import EPOCH


def pending() -> Story:
    return Story(a_pod())


def creating() -> Story:
    story = Story(a_pod())
    story.mounted()
    return story


def running() -> Story:
    mounts = (
        VolumeMount(name="data", mount_path="/data"),
        VolumeMount(name="settings", mount_path="/etc/app", read_only=True),
    )
    story = Story(a_pod(a_container(volume_mounts=mounts)))
    story.mounted()
    story.wait(1)
    story.started()
    return story


def succeeded() -> Story:
    story = Story(a_pod(policy="Never")).runs()
    story.wait(3)
    story.exited()
    return story


def failed_with_message() -> Story:
    story = Story(a_pod(policy="Never")).runs()
    story.wait(3)
    trap = an_exit(story.container(), story.now, code=134)
    story.tell(replace(trap, message="wasm trap: unreachable"))
    return story


def crash_loop() -> Story:
    story = Story(a_pod()).runs()
    story.wait(5)
    story.exited(code=1)
    story.started()
    story.wait(5)
    story.exited(code=2)
    story.wait(2)
    return story


def restarted() -> Story:
    story = Story(a_pod()).runs()
    story.wait(5)
    story.exited(code=1)
    story.wait(1)
    story.started()
    return story


def image_pull_back_off() -> Story:
    story = Story(a_pod())
    story.mounted()
    story.failed(message="file:app.wasm: no such file")
    story.wait(2)
    return story


def init_waiting() -> Story:
    inits = (a_container("first"), a_container("second"))
    story = Story(a_pod(init=inits)).runs("first")
    story.wait(1)
    story.exited("first")
    return story


def init_failed() -> Story:
    inits = (a_container("first"), a_container("second"))
    story = Story(a_pod(init=inits, policy="Never")).runs("first")
    story.wait(1)
    story.exited("first", code=1)
    return story


def rejected() -> Story:
    return Story(a_pod(), Rejected(Rejection("PodOSNotSupported", "it is for another system")))


def deleted_while_running() -> Story:
    story = Story(a_pod()).runs()
    story.wait(1)
    story.deleted()
    story.wait(1)
    story.exited(code=143)
    return story


def deleted_before_it_ran() -> Story:
    story = Story(a_pod())
    story.mounted()
    story.failed(reason="CreateContainerConfigError")
    story.deleted()
    return story


def one_of_two_ended() -> Story:
    story = Story(a_pod(a_container("web"), a_container("job"), policy="OnFailure"))
    story.runs("web", "job")
    story.wait(4)
    story.exited("job")
    return story


def sidecar_after_the_app() -> Story:
    story = Story(a_pod(init=(a_sidecar(),), policy="Never")).runs("proxy", "app")
    story.wait(4)
    story.exited("app")
    return story


@pytest.mark.parametrize(
    "tell",
    [
        pending,
        creating,
        running,
        succeeded,
        failed_with_message,
        crash_loop,
        restarted,
        image_pull_back_off,
        init_waiting,
        init_failed,
        rejected,
        deleted_while_running,
        deleted_before_it_ran,
        one_of_two_ended,
        sidecar_after_the_app,
    ],
)
def test_status(tell: Callable[[], Story], golden: Golden) -> None:
    status = msgspec.json.encode(tell().statuses[-1])
    name = tell.__name__.replace("_", "-")
    golden(f"podstatus/{name}.json", msgspec.json.format(status, indent=2).decode() + "\n")


# conditions -------------------------------------------------------------------------------------


def condition(status: PodStatus, kind: str) -> PodCondition:
    return next(c for c in status.conditions if c.type == kind)


def test_a_condition_keeps_its_time_while_it_stays_as_it_is() -> None:
    story = Story(a_pod(a_container("web"), a_container("job"), policy="OnFailure"))
    story.runs("web", "job")
    story.wait(10)
    story.exited("web", code=1)
    unready_since = condition(story.statuses[-1], "Ready").last_transition_time
    assert unready_since == to_rfc3339(story.now)
    story.wait(10)
    story.exited("job", code=1)

    latest = story.statuses[-1]
    assert condition(latest, "Ready").last_transition_time == unready_since
    assert "[web job]" in condition(latest, "Ready").message
    assert condition(latest, "Initialized").last_transition_time == to_rfc3339(EPOCH)


def test_a_new_kubelet_goes_on_from_what_the_api_server_was_told() -> None:
    story = running()
    told = story.statuses[-1]
    story.wait(100)
    story.exited(code=1)
    story.started()
    again = project(story.pod, story.state, HostAddress("10.0.0.7"), before=told)
    assert again.conditions == told.conditions


def test_a_pod_stays_initialised_while_a_sidecar_is_down() -> None:
    story = Story(a_pod(init=(a_sidecar(),))).runs("proxy", "app")
    story.exited("proxy", code=1)
    latest = story.statuses[-1]
    assert condition(latest, "Initialized").status == "True"
    assert condition(latest, "Ready").status == "False"
    assert condition(latest, "ContainersReady").message == (
        "containers with unready status: [proxy]"
    )


def test_what_containers_share_is_gone_with_the_last_of_them() -> None:
    story = Story(a_pod(policy="Never"))
    ready = "PodReadyToStartContainers"
    assert condition(story.statuses[-1], ready).status == "False"
    story.runs()
    assert condition(story.statuses[-1], ready).status == "True"
    story.exited()
    assert condition(story.statuses[-1], ready).status == "False"


def test_a_restarted_kubelet_does_not_take_it_away() -> None:
    story = running()
    before = len(story.statuses)
    story.tell(Resumed())
    assert story.statuses[before:] == []


# the phase --------------------------------------------------------------------------------------


def test_a_pod_runs_once_all_its_containers_have_begun() -> None:
    story = Story(a_pod(a_container("web"), a_container("job"), policy="Never")).runs("web")
    assert story.phase == "Pending"
    story.exited("web")
    assert story.phase == "Pending"
    story.started("job")
    assert story.phase == "Running"


# the rest ---------------------------------------------------------------------------------------


def test_a_fast_pod_passes_through_running() -> None:
    story = Story(a_pod(policy="Never"))
    story.mounted()
    before = len(story.statuses)
    started = Started(container="app", attempt=1, at=story.now)
    story.tell(started, an_exit(story.container(), story.now, code=0))
    assert [status.phase for status in story.statuses[before:]] == ["Running", "Succeeded"]


def test_an_image_is_shown_once_it_runs() -> None:
    assert creating().status().image_id == ""
    assert running().status().image_id == "sha256:app"


def test_a_pod_that_was_over_before_all_was_lost_is_left_as_it_was() -> None:
    told = succeeded().statuses[-1]
    pod = replace(a_pod(policy="Never"), status=told)

    story = Story(pod)

    assert story.statuses == [told]
    assert story.effects == [Unmount()]
    assert PodState.new(pod, EPOCH).settled_as == "Succeeded"


def test_without_a_cluster_there_is_no_address() -> None:
    story = running()
    status = project(story.pod, story.state, HostAddress())
    assert (status.host_ip, status.pod_ip, status.host_ips, status.pod_ips) == ("", "", (), ())
