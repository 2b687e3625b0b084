"""What becomes the message of a container's end."""

import asyncio
from pathlib import Path

import pytest
from msgspec.structs import replace

from krustlet.base import KrustletError
from krustlet.objects import Pod
from krustlet.pods import log_path
from krustlet.pods.last_words import end_of_log, wants_log
from krustlet.pods.message_length import cut, share
from tests.support.fake_node import FakeNode
from tests.support.pods import Story, a_container, a_pod, an_exit
from tests.support.virtual_time import in_virtual_time

FALL_BACK = "FallbackToLogsOnError"
PRINTED = "2026-01-01T00:00:00.000000000Z stderr F "


@pytest.fixture
def node(tmp_path: Path) -> FakeNode:
    node = FakeNode(tmp_path)
    node.powers = {"mounts_files": True}
    return node


async def the_message(node: FakeNode, pod: Pod, *, code: int = 1, of_runtime: str = "") -> str:
    """What is told of the end of its container `app`, which runs once."""
    async with node.kubelet() as pods:
        pods.add(pod, directory=node.root)
        await node.sink.until_phase("Running")
        (container_id,) = node.runtime.running
        node.runtime.end(container_id, code, of_runtime)
        await node.sink.until(lambda: node.sink.container().state.terminated is not None)
    ended = node.sink.container().state.terminated
    assert ended is not None
    assert ended.exit_code == code
    return ended.message


def a_pod_once(policy: str = "File", path: str = "/dev/termination-log") -> Pod:
    return a_pod(
        a_container(termination_message_policy=policy, termination_message_path=path),
        policy="Never",
    )


def write_log(node: FakeNode, pod: Pod, *lines: str) -> None:
    log = log_path(node.logs, pod, "app", 0)
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text("".join(f"{PRINTED}{line}\n" for line in lines))


@in_virtual_time
async def test_what_a_container_wrote_is_its_message_however_it_ended(node: FakeNode) -> None:
    node.volumes.messages["app", 0] = "goodbye"
    assert await the_message(node, a_pod_once(), code=0) == "goodbye"


@in_virtual_time
async def test_its_own_words_go_before_its_log_and_the_runtimes(node: FakeNode) -> None:
    node.volumes.messages["app", 0] = "goodbye"
    write_log(node, pod := a_pod_once(FALL_BACK), "printed")
    assert await the_message(node, pod, of_runtime="a trap") == "goodbye"


@in_virtual_time
async def test_without_words_of_its_own_the_runtime_speaks(node: FakeNode) -> None:
    write_log(node, pod := a_pod_once(), "printed")
    assert await the_message(node, pod, of_runtime="a trap") == "a trap"


@in_virtual_time
async def test_the_log_stands_in_where_that_is_wanted(node: FakeNode) -> None:
    write_log(node, pod := a_pod_once(FALL_BACK), "first", "last")
    assert await the_message(node, pod, of_runtime="a trap") == "first\nlast\n"


@in_virtual_time
async def test_the_log_stands_in_on_a_node_that_mounts_no_files(node: FakeNode) -> None:
    node.powers = {}
    node.volumes.messages["app", 0] = "of nobody"
    write_log(node, pod := a_pod_once(FALL_BACK), "printed")
    assert await the_message(node, pod) == "printed\n"


@in_virtual_time
async def test_a_container_that_ended_well_does_not_speak_by_its_log(node: FakeNode) -> None:
    write_log(node, pod := a_pod_once(FALL_BACK), "printed")
    assert await the_message(node, pod, code=0) == ""


@in_virtual_time
async def test_words_that_cannot_be_read_are_told_as_that(node: FakeNode) -> None:
    node.volumes.message_trip.errors.append(KrustletError("the disk is gone"))
    told = await the_message(node, a_pod_once())
    assert told == "Error on reading termination log: the disk is gone"


@in_virtual_time
async def test_each_run_has_its_own_words(node: FakeNode) -> None:
    node.volumes.messages = {("app", 0): "the first", ("app", 1): "the second"}
    node.runtime.runs["app"].extend([(5, 1), (5, 2)])
    async with node.kubelet() as pods:
        pods.add(a_pod(), directory=node.root)
        await node.sink.until_phase("Running")
        await node.sink.until(lambda: node.sink.container().restart_count == 1)
        await node.sink.until(lambda: node.sink.container().state.terminated is not None)
        status = node.sink.container()
    assert status.state.terminated is not None
    assert status.last_state.terminated is not None
    assert status.state.terminated.message == "the second"
    assert status.last_state.terminated.message == "the first"


@in_virtual_time
async def test_the_words_of_a_run_that_was_over_at_once_are_heard(node: FakeNode) -> None:
    node.volumes.messages = {("app", 0): "so short", ("app", 1): "and again"}
    node.runtime.runs["app"].extend([(0, 1), (0, 0)])
    async with node.kubelet() as pods:
        pods.add(a_pod(policy="OnFailure"), directory=node.root)
        await node.sink.until_phase("Succeeded")
    status = node.sink.container()
    assert status.last_state.terminated is not None
    assert status.state.terminated is not None
    assert status.last_state.terminated.message == "so short"
    assert status.state.terminated.message == "and again"


@in_virtual_time
async def test_an_end_while_there_was_no_kubelet_has_its_words_too(node: FakeNode) -> None:
    async with node.kubelet() as pods:
        pods.add(pod := a_pod_once(), directory=node.root)
        await node.sink.until_phase("Running")
    node.volumes.messages["app", 0] = "while you were out"
    (container_id,) = node.runtime.running
    node.runtime.end(container_id, 1)
    async with node.kubelet() as pods:
        pods.add(pod, directory=node.root)
        await node.sink.until_phase("Failed")
    ended = node.sink.container().state.terminated
    assert ended is not None
    assert ended.message == "while you were out"


# the log ----------------------------------------------------------------------------------------


def the_end_of(log: Path) -> str:
    return asyncio.run(end_of_log(log))


def test_eighty_lines_of_a_log_at_most(tmp_path: Path) -> None:
    log = tmp_path / "0.log"
    log.write_text("".join(f"{PRINTED}{number}\n" for number in range(100)))
    assert the_end_of(log).split() == [str(number) for number in range(20, 100)]


def test_two_kilobytes_of_a_log_at_most(tmp_path: Path) -> None:
    log = tmp_path / "0.log"
    log.write_text(f"{PRINTED}{'a' * 3000}{'b' * 2000}\n")
    assert the_end_of(log) == "a" * 47 + "b" * 2000 + "\n"


def test_a_log_that_is_none_says_nothing_and_one_that_cannot_be_read_says_so(
    tmp_path: Path,
) -> None:
    assert the_end_of(tmp_path / "nowhere.log") == ""
    (tmp_path / "0.log").mkdir()
    assert the_end_of(tmp_path / "0.log").startswith("Error on reading termination message")


def test_what_never_ran_has_no_log() -> None:
    app = a_container(termination_message_policy=FALL_BACK)
    assert wants_log(app, code=128, reason="Error")
    assert not wants_log(app, code=128, reason="StartError")
    assert not wants_log(a_container(), code=1, reason="Error")


# lengths ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("containers", "each"), [(1, 4096), (3, 4096), (4, 3072), (5, 2457), (12, 1024)]
)
def test_containers_share_what_a_pod_may_tell(containers: int, each: int) -> None:
    inits = (a_container("first"),)
    apps = [a_container(f"app{i}") for i in range(containers - len(inits))]
    pod = a_pod(*apps, init=inits) if apps else a_pod()
    assert share(pod.spec) == each


def test_a_message_is_cut_between_characters() -> None:
    assert cut("äöü", 6) == "äöü"
    assert cut("äöü", 5) == "äö"
    assert cut("abc", 2) == "ab"


def test_a_status_tells_no_more_than_the_containers_share() -> None:
    pod = a_pod(*(a_container(f"app{i}") for i in range(6)), policy="Never")
    story = Story(pod).runs(*(f"app{i}" for i in range(6)))
    for i in range(6):
        last = an_exit(story.container(f"app{i}"), story.now, code=1)
        story.tell(replace(last, message="é" * 4096))
    statuses = story.statuses[-1].container_statuses
    messages = [s.state.terminated and s.state.terminated.message for s in statuses]
    assert messages == ["é" * 1024] * 6
