"""Pods as they are shown to who asks, and as newer versions of them arrive."""

import asyncio
from pathlib import Path

import msgspec
import pytest

from krustlet.objects import EphemeralContainer, Pod
from tests.support.fake_node import FakeNode
from tests.support.pods import a_pod
from tests.support.virtual_time import in_virtual_time

HERE = Path("/pods")


@pytest.fixture
def node(tmp_path: Path) -> FakeNode:
    return FakeNode(tmp_path)


def _newer(pod: Pod, *, generation: int, image: str = "") -> Pod:
    meta = msgspec.structs.replace(pod.metadata, generation=generation)
    spec = pod.spec
    if image:
        container = msgspec.structs.replace(spec.containers[0], image=image)
        spec = msgspec.structs.replace(spec, containers=(container,))
    return msgspec.structs.replace(pod, metadata=meta, spec=spec)


@in_virtual_time
async def test_every_pod_is_shown_with_its_status(node: FakeNode) -> None:
    async with node.kubelet() as pods:
        pods.add(a_pod(name="one"), directory=HERE)
        pods.add(a_pod(name="two"), directory=HERE)
        await asyncio.sleep(1)
        assert {pod.name: pod.status.phase for pod in pods.all()} == {
            "one": "Running",
            "two": "Running",
        }


@in_virtual_time
async def test_a_pod_is_found_by_its_name_until_it_is_gone(node: FakeNode) -> None:
    pod = a_pod()
    async with node.kubelet() as pods:
        pods.add(pod, directory=HERE)
        await asyncio.sleep(1)
        found = pods.find(namespace="shop", name="web")
        assert found is not None
        assert found.status.phase == "Running"
        assert pods.find(namespace="other", name="web") is None
        pods.delete(pod.uid, grace_s=1)
        await asyncio.sleep(5)
        assert pods.find(namespace="shop", name="web") is None
        assert pods.all() == []


@in_virtual_time
async def test_who_waits_for_a_change_is_woken_by_it_and_by_the_end(node: FakeNode) -> None:
    pod = a_pod(policy="Never")
    node.runtime.runs["app"].append((5, 0))
    async with node.kubelet() as pods:
        pods.add(pod, directory=HERE)
        await asyncio.sleep(1)
        await pods.changed(pod.uid)
        assert asyncio.get_running_loop().time() == pytest.approx(5)
        pods.delete(pod.uid, grace_s=0)
        async with asyncio.timeout(5):
            await pods.changed(pod.uid)
            await pods.changed(pod.uid)  # gone: no wait at all
            await pods.changed("nobody")


@in_virtual_time
async def test_a_newer_version_is_told_to_have_been_observed(node: FakeNode) -> None:
    pod = a_pod()
    async with node.kubelet() as pods:
        pods.add(pod, directory=HERE)
        await asyncio.sleep(1)
        for generation in range(2, 502):
            pods.revise(_newer(pod, generation=generation))
        await asyncio.sleep(0)
        told = node.sink.statuses["web"]
        await node.sink.until(lambda: told[-1].observed_generation == 501)
        assert len(node.runtime.requests) == 1


@in_virtual_time
async def test_the_next_start_goes_by_the_newer_version(node: FakeNode) -> None:
    pod = a_pod()
    node.runtime.runs["app"].append((5, 1))
    async with node.kubelet() as pods:
        pods.add(pod, directory=HERE)
        await asyncio.sleep(1)
        pods.revise(_newer(pod, generation=2, image="file:newer.wasm"))
        await asyncio.sleep(60)
        images = [request.image.reference for request in node.runtime.requests]
        assert images == ["file:app.wasm", "file:newer.wasm"]


@in_virtual_time
async def test_what_a_newer_version_asks_for_in_vain_is_told(node: FakeNode) -> None:
    pod = a_pod()
    async with node.kubelet() as pods:
        pods.add(pod, directory=HERE)
        await asyncio.sleep(1)
        debugger = EphemeralContainer(name="debugger", image="registry.example/sh")
        spec = msgspec.structs.replace(pod.spec, ephemeral_containers=(debugger,))
        newer = msgspec.structs.replace(pod, spec=spec)
        pods.revise(newer)
        pods.revise(newer)
        await asyncio.sleep(1)
    assert node.sink.told(kind="Warning") == [
        "FieldsIgnored: has no effect here: spec.ephemeralContainers"
    ]


@in_virtual_time
async def test_a_version_of_an_unknown_pod_is_late(node: FakeNode) -> None:
    async with node.kubelet() as pods:
        pods.revise(a_pod())
        assert pods.all() == []
