"""A kubelet dies, and another takes over what it left."""

import asyncio
from pathlib import Path

import pytest

from krustlet.objects import ContainerStatus
from krustlet.pods.worker import PodGoing
from krustlet.provider import ContainerRequest, Session
from tests.support.fake_node import FakeNode, FakeRuntime
from tests.support.pods import a_container, a_pod
from tests.support.virtual_time import in_virtual_time

HERE = Path("/pods")
UID = "uid-of-web"


@pytest.fixture
def node(tmp_path: Path) -> FakeNode:
    return FakeNode(tmp_path)


def elapsed_s() -> float:
    return round(asyncio.get_running_loop().time(), 3)


async def left_running(node: FakeNode) -> ContainerStatus:
    async with node.kubelet() as pods:
        pods.add(a_pod(), directory=HERE)
        await node.sink.until_phase("Running")
    return node.sink.container()


async def a_moment() -> None:
    await asyncio.sleep(0.1)


# containers -------------------------------------------------------------------------------------


@in_virtual_time
async def test_what_runs_goes_on_and_nobody_hears_of_it(node: FakeNode) -> None:
    before = await left_running(node)
    told = len(node.sink.events)
    async with node.kubelet() as pods:
        pods.add(a_pod(), directory=HERE)
        await a_moment()
        assert node.sink.container() == before
        assert before.restart_count == 0
        assert len(node.runtime.requests) == 1
        assert node.sink.events[told:] == []


@in_virtual_time
async def test_an_end_that_came_meanwhile_is_told_with_its_code(node: FakeNode) -> None:
    before = await left_running(node)
    node.runtime.end(node.runtime.requests[0].id, 3)
    async with node.kubelet() as pods:
        pods.add(a_pod(), directory=HERE)
        await node.sink.until(lambda: node.sink.container().restart_count == 1)
    end = node.sink.container().last_state.terminated
    assert end is not None
    assert (end.exit_code, end.container_id) == (3, before.container_id)
    assert node.runtime.ended == {}, "the runtime need not keep it any longer"


@in_virtual_time
async def test_an_end_that_nobody_saw_is_guessed(node: FakeNode) -> None:
    await left_running(node)
    node.runtime.running.clear()
    async with node.kubelet() as pods:
        pods.add(a_pod(), directory=HERE)
        await node.sink.until(lambda: node.sink.container().restart_count == 1)
    end = node.sink.container().last_state.terminated
    assert end is not None
    assert (end.exit_code, end.reason) == (137, "ContainerStatusUnknown")
    assert end.message == "The container could not be located when the pod was terminated"


@in_virtual_time
async def test_an_attempt_that_came_to_nothing_is_made_again(node: FakeNode) -> None:
    node.images.pull_s = 100
    async with node.kubelet() as pods:
        pods.add(a_pod(), directory=HERE)
        await asyncio.sleep(50)
    async with node.kubelet() as pods:
        pods.add(a_pod(), directory=HERE)
        await node.sink.until_phase("Running")
    assert elapsed_s() == 50 + 100
    assert node.sink.container().restart_count == 0
    assert len(node.runtime.requests) == 1


@pytest.mark.parametrize("has_ended", [False, True])
@in_virtual_time
async def test_an_attempt_that_succeeded_after_all_is_taken_on(
    node: FakeNode, has_ended: bool
) -> None:
    node.images.pull_s = 100
    async with node.kubelet() as pods:
        pods.add(a_pod(policy="Never"), directory=HERE)
        await asyncio.sleep(50)
        state = pods.state_of(UID)
    assert state is not None
    container_id = state.containers["app"].container_id
    node.runtime.begin(container_id)
    if has_ended:
        node.runtime.end(container_id, 0)
    async with node.kubelet() as pods:
        pods.add(a_pod(policy="Never"), directory=HERE)
        await node.sink.until_phase("Succeeded" if has_ended else "Running")
    assert node.sink.container().container_id == f"krustlet://{container_id}"
    assert node.runtime.requests == []


@in_virtual_time
async def test_a_back_off_goes_on_where_it_was(node: FakeNode) -> None:
    node.runtime.runs["app"].extend([(0, 1)] * 4)
    async with node.kubelet() as pods:
        pods.add(a_pod(), directory=HERE)
        await asyncio.sleep(0 + 10 + 20 + 15)
    assert node.sink.container().restart_count == 3
    async with node.kubelet() as pods:
        await asyncio.sleep(5)
        pods.add(a_pod(), directory=HERE)
        await node.sink.until(lambda: node.sink.container().restart_count == 4)
    assert elapsed_s() == 0 + 10 + 20 + 40


@in_virtual_time
async def test_a_pod_that_is_over_stays_so(node: FakeNode) -> None:
    node.runtime.runs["app"].append((1, 0))
    async with node.kubelet() as pods:
        pods.add(a_pod(policy="Never"), directory=HERE)
        await node.sink.until_phase("Succeeded")
        await a_moment()
    before = len(node.sink.statuses["web"])
    async with node.kubelet() as pods:
        pods.add(a_pod(policy="Never"), directory=HERE)
        await asyncio.sleep(1000)
    last, *again = node.sink.statuses["web"][before - 1 :]
    assert again == [last], "told once more, as the last word may not have arrived"
    assert len(node.runtime.requests) == 1


@in_virtual_time
async def test_an_end_that_is_told_again_is_forgotten_again(node: FakeNode) -> None:
    """The last kubelet may have died after writing it down and before saying so."""
    node.runtime.runs["app"].append((1, 0))
    node.runtime.forget_trip.errors.append(RuntimeError("a bug, on purpose"))
    async with node.kubelet() as pods:
        pods.add(a_pod(policy="Never"), directory=HERE)
        await node.sink.until_phase("Succeeded")
        await a_moment()
    assert node.runtime.ended
    async with node.kubelet() as pods:
        pods.add(a_pod(policy="Never"), directory=HERE)
        await a_moment()
    assert node.runtime.ended == {}


# deletion ---------------------------------------------------------------------------------------


@in_virtual_time
async def test_a_grace_goes_on_where_it_was(node: FakeNode) -> None:
    node.runtime.obeys = False
    async with node.kubelet() as pods:
        pods.add(a_pod(), directory=HERE)
        await node.sink.until_phase("Running")
        pods.delete(UID, grace_s=30)
        await asyncio.sleep(10)
    async with node.kubelet() as pods:
        pods.add(a_pod(), directory=HERE)
        await node.sink.until_gone()
    assert elapsed_s() == 30
    assert [grace_s for _, grace_s in node.runtime.stops] == [30, 20]


@in_virtual_time
async def test_a_stop_that_was_written_down_but_never_asked_for_is_asked_for(
    node: FakeNode,
) -> None:
    node.runtime.stop_trip.errors.append(RuntimeError("a bug, on purpose"))
    async with node.kubelet() as pods:
        pods.add(a_pod(), directory=HERE)
        await node.sink.until_phase("Running")
        pods.delete(UID, grace_s=30)
        await a_moment()
    assert node.runtime.stops == []
    async with node.kubelet() as pods:
        pods.add(a_pod(), directory=HERE)
        await node.sink.until_gone()
    assert len(node.runtime.stops) == 1


@in_virtual_time
async def test_a_pod_that_was_all_but_gone_goes(node: FakeNode, tmp_path: Path) -> None:
    node.runtime.clean_trip.errors.append(RuntimeError("a bug, on purpose"))
    async with node.kubelet() as pods:
        pods.add(a_pod(), directory=HERE)
        await node.sink.until_phase("Running")
        pods.delete(UID, grace_s=30)
        await a_moment()
    assert (tmp_path / "pods" / UID).exists()
    async with node.kubelet() as pods:
        pods.add(a_pod(), directory=HERE)
        await node.sink.until_gone()
    assert not (tmp_path / "pods" / UID).exists()


# volumes ----------------------------------------------------------------------------------------


@in_virtual_time
async def test_volumes_are_mounted_again_before_anything_starts(
    node: FakeNode, tmp_path: Path
) -> None:
    await left_running(node)
    node.runtime.end(node.runtime.requests[0].id, 1)
    node.volumes.paths["data"] = tmp_path
    async with node.kubelet() as pods:
        pods.add(a_pod(), directory=HERE)
        await node.sink.until(lambda: node.sink.container().restart_count == 1)
    assert node.volumes.mount_trip.touched == 2


# strangers --------------------------------------------------------------------------------------


@in_virtual_time
async def test_a_container_without_a_pod_is_ended_and_forgotten(node: FakeNode) -> None:
    node.runtime.begin("stranger")
    async with node.kubelet() as pods:
        pods.add(a_pod(), directory=HERE)
        await node.sink.until_phase("Running")
        assert node.runtime.stops == []
        pods.stop_strangers()
        await a_moment()
        assert node.runtime.stops == [("stranger", 0)]
        assert node.runtime.forgotten == ["stranger"]
        assert len(node.runtime.running) == 1


@in_virtual_time
async def test_a_container_without_a_pod_that_has_ended_is_forgotten(node: FakeNode) -> None:
    node.runtime.begin("stranger")
    node.runtime.end("stranger", 0)
    async with node.kubelet() as pods:
        pods.stop_strangers()
        assert node.runtime.forgotten == ["stranger"]
        assert node.runtime.stops == []


@in_virtual_time
async def test_a_stranger_that_turns_up_later_is_ended_too(node: FakeNode) -> None:
    async with node.kubelet() as pods:
        pods.stop_strangers()
        node.runtime.begin("stranger")
        await a_moment()
    assert node.runtime.stops == [("stranger", 0)]
    assert node.runtime.ended == {}


@in_virtual_time
async def test_a_pod_that_was_taken_away_meanwhile_leaves_nothing(
    node: FakeNode, tmp_path: Path
) -> None:
    await left_running(node)
    statuses = len(node.sink.statuses["web"])
    async with node.kubelet() as pods:
        pods.stop_strangers()
        await a_moment()
    assert len(node.runtime.stops) == 1
    assert node.runtime.ended == {}
    assert node.volumes.unmounted == [UID]
    assert not (tmp_path / "pods" / UID).exists()
    assert len(node.sink.statuses["web"]) == statuses
    assert node.sink.gone_at == {}


# a lost checkpoint ------------------------------------------------------------------------------


@pytest.mark.parametrize("left", [b"", b"\0\0\0\0", b'{"uid": 3}'])
@in_virtual_time
async def test_an_unreadable_checkpoint_begins_the_pod_anew(
    node: FakeNode, tmp_path: Path, left: bytes
) -> None:
    before = await left_running(node)
    (tmp_path / "pods" / UID / "state").write_bytes(left)
    await asyncio.sleep(1)
    async with node.kubelet() as pods:
        pods.add(a_pod(), directory=HERE)
        await node.sink.until(lambda: node.sink.container().container_id != before.container_id)
        pods.stop_strangers()
        await node.sink.until_phase("Running")
        await a_moment()
    assert [f"krustlet://{id_}" for id_, _ in node.runtime.stops] == [before.container_id]
    assert [f"krustlet://{id_}" for id_ in node.runtime.running] == [
        node.sink.container().container_id
    ]


@in_virtual_time
async def test_a_pod_that_comes_back_gets_containers_of_its_own(node: FakeNode) -> None:
    first = await left_running(node)
    async with node.kubelet() as pods:
        pods.add(a_pod(), directory=HERE)
        pods.delete(UID, grace_s=0)
        await node.sink.until_gone()
        await asyncio.sleep(1)
        pods.add(a_pod(), directory=HERE)
        await node.sink.until_phase("Running")
    second = node.sink.container()
    assert second.container_id != first.container_id
    assert second.restart_count == 0


@in_virtual_time
async def test_a_pod_is_taken_in_once(node: FakeNode) -> None:
    async with node.kubelet() as pods:
        pods.add(a_pod(), directory=HERE)
        pods.add(a_pod(a_container("other")), directory=HERE)
        await node.sink.until_phase("Running")
        await a_moment()
    assert [request.container for request in node.runtime.requests] == ["app"]


@in_virtual_time
async def test_deleting_an_unknown_pod_does_nothing(node: FakeNode) -> None:
    async with node.kubelet() as pods:
        pods.delete("nobody", grace_s=0)
        await a_moment()
        assert pods.state_of("nobody") is None
    assert node.sink.gone_at == {}


# people in containers -----------------------------------------------------------------------------


class Hospitable(FakeRuntime):
    """One that lets people in."""

    async def execute(
        self, request: ContainerRequest, *, within: str, stdin: bool, tty: bool
    ) -> Session:
        raise AssertionError("its container has ended")

    async def attach(self, container_id: str, *, stdin: bool) -> Session:
        raise AssertionError("nobody attaches")


@in_virtual_time
async def test_who_is_let_in_late_makes_nothing_anew_of_a_pod_that_went(node: FakeNode) -> None:
    """What its container was started with has to be found out again, and that may take long."""
    node.runtime = Hospitable()
    await left_running(node)
    node.images.pull_s = 5
    async with node.kubelet() as pods:
        pods.add(a_pod(), directory=HERE)
        await node.sink.until_phase("Running")
        entering = asyncio.create_task(
            pods.visits.execute(a_pod(), "app", ["ls"], stdin=False, tty=False)
        )
        await a_moment()
        runs = len(node.volumes.runs)
        pods.delete(UID, grace_s=1)
        await node.sink.until_gone()
        with pytest.raises(PodGoing):
            await entering
        await asyncio.sleep(10)
    assert node.volumes.unmounted == [UID]
    assert len(node.volumes.runs) == runs
