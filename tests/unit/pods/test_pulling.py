"""How an image comes to the node is told in the kubelet's words; what never runs here, once."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest

from krustlet.images import NoWasmInImage
from krustlet.objects import (
    ConfigMap,
    LocalObjectReference,
    ObjectMeta,
    ObjectMissing,
    Pod,
    Secret,
    Token,
)
from tests.support.fake_node import FakeNode
from tests.support.pods import a_pod
from tests.support.virtual_time import in_virtual_time

HERE = Path("/pods")


class FakeLookups:
    """Has the Secrets it was given."""

    def __init__(self, *secrets: Secret) -> None:
        self._secrets = {secret.metadata.name: secret for secret in secrets}

    async def config_map(self, namespace: str, name: str) -> ConfigMap:
        raise ObjectMissing("configmap", namespace=namespace, name=name)

    async def secret(self, namespace: str, name: str) -> Secret:
        if name not in self._secrets:
            raise ObjectMissing("secret", namespace=namespace, name=name)
        return self._secrets[name]

    async def service_account_token(
        self, pod: Pod, *, audiences: Sequence[str], expiration_s: int | None
    ) -> Token:
        raise ObjectMissing("serviceaccount", namespace=pod.namespace, name="default")


@pytest.fixture
def node(tmp_path: Path) -> FakeNode:
    return FakeNode(tmp_path)


def _with_secret(name: str) -> Pod:
    pod = a_pod()
    spec = msgspec.structs.replace(pod.spec, image_pull_secrets=(LocalObjectReference(name=name),))
    return msgspec.structs.replace(pod, spec=spec)


@in_virtual_time
async def test_an_image_that_is_here_is_told_to_be(node: FakeNode) -> None:
    async with node.kubelet() as pods:
        pods.add(a_pod(), directory=HERE)
        await node.sink.until_phase("Running")
    assert (
        node.sink.told()[0] == 'Pulled: Container image "file:app.wasm" already present on machine'
    )


@in_virtual_time
async def test_a_pull_is_told_when_it_takes_a_while_and_when_it_is_done(node: FakeNode) -> None:
    node.images.pulls, node.images.pull_s = True, 61.5
    async with node.kubelet() as pods:
        pods.add(a_pod(), directory=HERE)
        await asyncio.sleep(2)
        assert node.sink.told() == ['Pulling: Pulling image "file:app.wasm"']
        await node.sink.until_phase("Running")
    assert node.sink.told()[:2] == [
        'Pulling: Pulling image "file:app.wasm"',
        'Pulled: Successfully pulled image "file:app.wasm" in 1m1.5s '
        "(1m1.5s including waiting). Image size: 1 bytes.",
    ]


@in_virtual_time
async def test_a_quick_pull_is_told_in_the_same_words(node: FakeNode) -> None:
    node.images.pulls, node.images.pull_s = True, 0.345
    async with node.kubelet() as pods:
        pods.add(a_pod(), directory=HERE)
        await node.sink.until_phase("Running")
    assert [told.partition(":")[0] for told in node.sink.told()[:2]] == ["Pulling", "Pulled"]
    assert " in 345ms (345ms including waiting)" in node.sink.told()[1]


@in_virtual_time
async def test_an_image_for_other_nodes_is_told_of_once_and_waited_for(node: FakeNode) -> None:
    node.images.pulls = True
    node.images.trip.errors.extend(
        NoWasmInImage("registry.example/proxy:v1", platforms=["linux/amd64"]) for _ in range(50)
    )
    async with node.kubelet() as pods:
        pods.add(a_pod(policy="Always"), directory=HERE)
        await asyncio.sleep(3000)
        waiting = node.sink.container().state.waiting
        assert waiting is not None
        assert waiting.reason == "ImagePullBackOff"
        assert "wasm" in waiting.message
        assert node.sink.phases() == ["Pending"]
        assert node.images.trip.touched > 5
    assert len(node.sink.told()) == 1


@in_virtual_time
async def test_a_pull_secret_is_brought_along(node: FakeNode) -> None:
    auths = b'{"auths": {"registry.example": {"username": "u", "password": "p"}}}'
    secret = Secret(
        metadata=ObjectMeta(name="pull", namespace="shop"),
        type="kubernetes.io/dockerconfigjson",
        data={".dockerconfigjson": auths},
    )
    node.lookups = FakeLookups(secret)
    async with node.kubelet() as pods:
        pods.add(_with_secret("pull"), directory=HERE)
        await node.sink.until_phase("Running")
    assert "registry.example" in repr(node.images.keyrings[0])


@in_virtual_time
async def test_a_missing_pull_secret_is_told_and_may_not_be_needed(node: FakeNode) -> None:
    node.lookups = FakeLookups()
    async with node.kubelet() as pods:
        pods.add(_with_secret("pull"), directory=HERE)
        await node.sink.until_phase("Running")
    assert node.sink.told(kind="Warning") == [
        "FailedToRetrieveImagePullSecret: Unable to retrieve some image pull secrets (pull); "
        "attempting to pull the image may not succeed."
    ]
