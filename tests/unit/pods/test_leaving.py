"""What goes with a pod, what goes before it, and what stays until it is known elsewhere."""

import asyncio
from pathlib import Path

import pytest

from krustlet.objects import Pod
from krustlet.pods import log_path
from tests.support.fake_node import FakeNode
from tests.support.pods import a_pod
from tests.support.virtual_time import in_virtual_time

HERE = Path("/pods")


@pytest.fixture
def node(tmp_path: Path) -> FakeNode:
    return FakeNode(tmp_path)


def _a_log(node: FakeNode, pod: Pod, restart: int = 0) -> Path:
    path = log_path(node.logs, pod, "app", restart)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("ready\n")
    return path


async def _run_and_delete(node: FakeNode, pod: Pod) -> None:
    async with node.kubelet() as pods:
        pods.add(pod, directory=HERE)
        await node.sink.until_phase("Running", pod.name)
        pods.delete(pod.uid, grace_s=0)
        await node.sink.until_gone(pod.name)


# logs -------------------------------------------------------------------------------------------


@in_virtual_time
async def test_the_logs_of_a_pod_go_with_it_and_no_others(node: FakeNode) -> None:
    stays = _a_log(node, a_pod(name="web-2"))
    _a_log(node, a_pod())
    await _run_and_delete(node, a_pod())
    assert list(node.logs.rglob("*.log")) == [stays]
    assert len(list(node.logs.iterdir())) == 1


@in_virtual_time
async def test_logs_stay_where_somebody_else_takes_them_away(node: FakeNode) -> None:
    node.logs_stay = True
    stays = _a_log(node, a_pod())
    await _run_and_delete(node, a_pod())
    assert stays.exists()


@in_virtual_time
async def test_the_logs_of_a_pod_that_was_deleted_meanwhile_go_too(node: FakeNode) -> None:
    stays = _a_log(node, a_pod(name="of-another-kubelet"))
    _a_log(node, a_pod())
    async with node.kubelet() as pods:
        pods.add(a_pod(), directory=HERE)
        await node.sink.until_phase("Running")
    async with node.kubelet() as pods:
        pods.stop_strangers()
        await asyncio.sleep(1)
        assert list(node.checkpoints.uids()) == []
    assert list(node.logs.rglob("*.log")) == [stays]


@in_virtual_time
async def test_logs_that_cannot_be_removed_hold_nothing_up(node: FakeNode) -> None:
    in_the_way = node.logs / "shop_web_uid-of-web"
    in_the_way.parent.mkdir()
    in_the_way.write_text("a file")
    await _run_and_delete(node, a_pod())
    assert in_the_way.exists()


@in_virtual_time
async def test_of_many_runs_the_logs_of_the_last_two_stay(node: FakeNode) -> None:
    node.runtime.runs["app"].extend([(0, 1)] * 4)
    async with node.kubelet() as pods:
        for restart in range(5):
            _a_log(node, a_pod(), restart)
        pods.add(a_pod(), directory=HERE)
        await node.sink.until(
            lambda: bool(node.sink.statuses) and node.sink.container().restart_count == 4
        )
        await asyncio.sleep(0.1)
    assert sorted(path.name for path in node.logs.rglob("*.log")) == ["3.log", "4.log"]


# how it ended -----------------------------------------------------------------------------------


@in_virtual_time
async def test_how_a_deleted_pod_ended_outlives_the_kubelet_until_it_is_told(
    node: FakeNode,
) -> None:
    """As when the API server is away: what it has of the pod by then is that it runs."""
    node.runtime.runs["app"].append((1, 1))
    node.sink.listens.clear()
    async with node.kubelet() as pods:
        pods.add(a_pod(), directory=HERE)
        await node.sink.until(
            lambda: bool(node.sink.statuses) and node.sink.container().restart_count == 1
        )
        pods.delete(a_pod().uid, grace_s=0)
        await node.sink.until_phase("Failed")
        before = node.sink.container()
        await asyncio.sleep(100)
    assert node.sink.gone_at == {}
    assert len(node.runtime.requests) == 2
    node.sink.statuses.clear()
    async with node.kubelet() as pods:
        pods.add(a_pod(), directory=HERE)
        pods.delete(a_pod().uid, grace_s=0)
        await node.sink.until_phase("Failed")
        assert node.sink.container() == before
        assert before.state.terminated is not None
        assert (before.restart_count, before.state.terminated.exit_code) == (1, 143)
        node.sink.listens.set()
        await node.sink.until_gone()
    assert list(node.checkpoints.uids()) == []
    assert len(node.runtime.requests) == 2
