"""What the API server says of pods reaches those who work for them, and nothing comes twice."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from krustlet.kube import Applied, Change, Listed, Removed
from krustlet.kubelet.intake import Intake
from krustlet.objects import Pod, PodStatus
from krustlet.pods import Pods
from tests.support.fake_node import FakeNode
from tests.support.pods import a_pod
from tests.support.virtual_time import in_virtual_time

HERE = Path("/pods")


class FakeWriter:
    """Remembers what it was told of the server's pods."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def seen(self, pod: Pod) -> None:
        self.told.append(f"seen {pod.name}")

    def drop(self, uid: str) -> None:
        self.told.append(f"dropped {uid}")


class Server:
    """Says one thing after the other, a second apart."""

    def __init__(self, *changes: Change[Pod]) -> None:
        self._changes = changes

    async def changes(self) -> AsyncIterator[Change[Pod]]:
        for change in self._changes:
            yield change
            await asyncio.sleep(1)


@pytest.fixture
def node(tmp_path: Path) -> FakeNode:
    return FakeNode(tmp_path)


def _deleted(pod: Pod, grace_s: int | None = 30) -> Pod:
    meta = msgspec.structs.replace(
        pod.metadata,
        deletion_timestamp="2026-01-01T00:00:30Z",
        deletion_grace_period_seconds=grace_s,
    )
    return msgspec.structs.replace(pod, metadata=meta)


async def _take_in(
    node: FakeNode, pods: Pods, *changes: Change[Pod], intake: Intake | None = None
) -> FakeWriter:
    writer = FakeWriter()
    await (intake or Intake(writer, directory=HERE)).run(pods, Server(*changes).changes())
    return writer


@in_virtual_time
async def test_listed_and_new_pods_run(node: FakeNode) -> None:
    async with node.kubelet() as pods:
        await _take_in(node, pods, Listed((a_pod(name="one"),)), Applied(a_pod(name="two")))
        assert sorted(request.pod for request in node.runtime.requests) == ["shop/one", "shop/two"]


@in_virtual_time
async def test_what_is_left_of_pods_that_are_not_listed_is_cleared_away(node: FakeNode) -> None:
    async with node.kubelet() as pods:
        await _take_in(node, pods, Listed((a_pod(name="stays"), a_pod(name="goes"))))
    async with node.kubelet() as pods:
        await _take_in(node, pods, Listed((a_pod(name="stays"),)))
        assert [request.pod for request in node.runtime.requests] == ["shop/stays", "shop/goes"]
        assert len(node.runtime.running) == 1
        assert list(node.checkpoints.uids()) == [a_pod(name="stays").uid]


@in_virtual_time
async def test_nothing_is_cleared_away_while_a_pod_cannot_be_read(node: FakeNode) -> None:
    async with node.kubelet() as pods:
        await _take_in(node, pods, Listed((a_pod(name="odd"),)))
    async with node.kubelet() as pods:
        await _take_in(node, pods, Listed((), is_complete=False))
        assert len(node.runtime.running) == 1
        assert list(node.checkpoints.uids()) == [a_pod(name="odd").uid]


@in_virtual_time
async def test_it_is_in_trouble_until_the_pods_are_known(node: FakeNode) -> None:
    intake = Intake(FakeWriter(), directory=HERE)
    assert intake.trouble()
    async with node.kubelet() as pods:
        await _take_in(node, pods, Listed(()), intake=intake)
    assert intake.trouble() == ""


@in_virtual_time
async def test_a_deleted_pod_is_stopped_within_its_grace(node: FakeNode) -> None:
    node.runtime.obeys = False
    pod = a_pod()
    async with node.kubelet() as pods:
        await _take_in(node, pods, Listed((pod,)), Applied(_deleted(pod, grace_s=7)))
        [(_, grace_s)] = node.runtime.stops
        assert grace_s == pytest.approx(7, abs=0.1)


@in_virtual_time
async def test_a_pod_that_was_taken_away_by_force_is_stopped_too(node: FakeNode) -> None:
    pod = a_pod()
    async with node.kubelet() as pods:
        writer = await _take_in(node, pods, Listed((pod,)), Removed(pod))
        await asyncio.sleep(1)
        assert pods.all() == []
    assert f"dropped {pod.uid}" in writer.told


@in_virtual_time
async def test_late_word_of_a_pod_that_is_gone_does_not_bring_it_back(node: FakeNode) -> None:
    pod = a_pod()
    intake = Intake(FakeWriter(), directory=HERE)
    async with node.kubelet() as pods:
        node.sink.on_gone = intake.forget
        gone = _deleted(pod, grace_s=0)
        await _take_in(node, pods, Listed((pod,)), Applied(gone), Applied(gone), intake=intake)
        assert pods.all() == []
        assert len(node.runtime.requests) == 1
        assert list(node.sink.gone_at) == ["web"]
        # Another one of that name has another uid, and is none of that.
        again = msgspec.structs.replace(
            pod, metadata=msgspec.structs.replace(pod.metadata, uid="another")
        )
        await _take_in(node, pods, Removed(gone), Applied(again), intake=intake)
        assert len(node.runtime.requests) == 2


@in_virtual_time
async def test_a_pod_that_is_over_is_not_run_again(node: FakeNode) -> None:
    pod = msgspec.structs.replace(a_pod(policy="Never"), status=PodStatus(phase="Succeeded"))
    async with node.kubelet() as pods:
        await _take_in(node, pods, Listed((pod,)))
        assert node.runtime.requests == []
        assert pods.all()[0].status.phase == "Succeeded"
