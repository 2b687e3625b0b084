"""Pulling from a real registry what was pushed there by hand, and what `krustlet push` pushes."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from krustlet.images import (
    AccessDenied,
    Credentials,
    Keyring,
    NotInRegistry,
    Puller,
    PullPolicy,
    Pusher,
    Registry,
    RegistryReference,
    RegistrySettings,
    RegistryUntrusted,
    Store,
    make_artifact,
    parse_reference,
)
from tests.component.images.conftest import USERS
from tests.support.guests import Guests
from tests.support.registry import Registry as RealRegistry

pytestmark = pytest.mark.allow_skip("the registry is built where it is asked for")

ALICE = Credentials(username="alice", password=USERS["alice"])
MODULE = b"\0asm\1\0\0\0"
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.fixture
async def client(certs: Path) -> AsyncIterator[Registry]:
    async with Registry(RegistrySettings(certs_dir=certs)) as registry:
        yield registry


class Node:
    def __init__(self, root: Path, client: Registry, address: str) -> None:
        self.address = address
        self.puller = Puller(store=Store(root), registry=client)

    async def pull(
        self, image: str, *, policy: str = "Always", credentials: Credentials | None = ALICE
    ) -> tuple[str, bytes, bool]:
        """The image's digest, its module, and whether the registry was asked."""
        ensured = await self.puller.obtain(
            f"{self.address}/{image}",
            policy=PullPolicy(policy),
            relative_to=Path("/"),
            keyring=Keyring([(self.address, credentials)] if credentials else []),
        )
        image_id = ensured.image.image_id.rpartition("@")[2]
        return image_id, Path(ensured.image.path).read_bytes(), ensured.pulled


@pytest.fixture
def node(tmp_path: Path, client: Registry, real: RealRegistry) -> Node:
    return Node(tmp_path / "images", client, real.address)


@pytest.mark.parametrize(
    "media_type", ["application/wasm", "application/vnd.wasm.content.layer.v1+wasm"]
)
async def test_both_forms_of_a_module_can_be_pulled(
    node: Node, real: RealRegistry, media_type: str
) -> None:
    digest = real.push("forms/hello", "v1", MODULE, media_type=media_type)
    assert await node.pull("forms/hello:v1") == (digest, MODULE, True)
    assert await node.pull(f"forms/hello@{digest}") == (digest, MODULE, False)


async def test_a_tag_that_moves_is_followed_only_by_who_always_asks(
    node: Node, real: RealRegistry
) -> None:
    first = real.push("moving", "v1", MODULE)
    await node.pull("moving:v1")
    second = real.push("moving", "v1", MODULE + b"\0\2\1x")

    assert (await node.pull("moving:v1", policy="IfNotPresent"))[0] == first
    assert (await node.pull("moving:v1"))[:2] == (second, MODULE + b"\0\2\1x")


async def test_who_may_not_pull_is_told_why(node: Node, real: RealRegistry) -> None:
    real.push("private", "v1", MODULE)
    with pytest.raises(AccessDenied, match="without credentials"):
        await node.pull("private:v1", credentials=None)
    with pytest.raises(AccessDenied, match="with the credentials"):
        await node.pull("private:v1", credentials=Credentials(username="alice", password="no"))


@pytest.mark.parametrize("image", ["private:v9", "nobody/home:v1", f"private@sha256:{'0' * 64}"])
async def test_what_is_not_there(node: Node, real: RealRegistry, image: str) -> None:
    real.push("private", "v1", MODULE)
    with pytest.raises(NotInRegistry, match="wrong name or tag"):
        await node.pull(image)


async def test_without_its_authority_it_is_not_trusted(real: RealRegistry, tmp_path: Path) -> None:
    async with Registry() as client:
        with pytest.raises(RegistryUntrusted):
            await Node(tmp_path, client, real.address).pull("private:v1")


async def test_an_insecure_registry_needs_no_authority(real: RealRegistry, tmp_path: Path) -> None:
    real.push("insecure", "v1", MODULE)
    async with Registry(RegistrySettings(insecure=(real.address,))) as client:
        assert (await Node(tmp_path, client, real.address).pull("insecure:v1"))[1] == MODULE


async def test_two_nodes_that_share_a_store_share_the_download(
    real: RealRegistry, client: Registry, tmp_path: Path
) -> None:
    real.push("shared", "v1", MODULE * 10_000)
    nodes = [Node(tmp_path / "images", client, real.address) for _ in range(5)]
    pulled = await asyncio.gather(*(node.pull("shared:v1") for node in nodes))
    assert {module for _, module, _ in pulled} == {MODULE * 10_000}
    assert list((tmp_path / "images" / "parts").iterdir()) == []


async def test_what_is_pushed_is_an_artifact_as_the_cncf_lays_it_out(
    node: Node, real: RealRegistry, client: Registry, guests: Guests
) -> None:
    module = guests.path("hello").read_bytes()
    artifact = make_artifact("hello.wasm", module, created=NOON)
    image = parse_reference(f"{real.address}/pushed/hello:v1")
    assert isinstance(image, RegistryReference)
    sent: list[int] = []

    await Pusher(client, image, ALICE).push(artifact, on_sent=sent.append)

    assert sum(sent) == len(module)
    assert await node.pull("pushed/hello:v1") == (artifact.digest, module, True)
    answer = real.request("GET", "/v2/pushed/hello/manifests/v1", user="alice")
    manifest = msgspec.json.decode(answer.body)
    (layer,) = manifest["layers"]
    assert manifest["config"]["mediaType"] == "application/vnd.wasm.config.v0+json"
    assert layer["mediaType"] == "application/wasm"
    assert layer["annotations"] == {"org.opencontainers.image.title": "hello.wasm"}
    config = real.request(
        "GET", f"/v2/pushed/hello/blobs/{manifest['config']['digest']}", user="alice"
    )
    assert json.loads(config.body) == {
        "created": "2026-01-01T12:00:00Z",
        "architecture": "wasm",
        "os": "wasip1",
        "layerDigests": [layer["digest"]],
    }


async def test_a_module_that_the_registry_has_is_not_sent_again(
    real: RealRegistry, client: Registry
) -> None:
    image = RegistryReference(real.address, "twice", tag="v1")
    artifact = make_artifact("m.wasm", MODULE + b"\0\2\1y", created=NOON)
    sent: list[int] = []
    for _ in range(2):
        sent.clear()
        await Pusher(client, image, ALICE).push(artifact, on_sent=sent.append)
    assert sent == [len(MODULE) + 4]  # told at once, not in pieces and at the end

    uploads = real.request("GET", "/v2/twice/tags/list", user="alice")
    assert json.loads(uploads.body) == {"name": "twice", "tags": ["v1"]}


async def test_who_may_not_push_leaves_nothing(real: RealRegistry, client: Registry) -> None:
    image = RegistryReference(real.address, "denied", tag="v1")
    artifact = make_artifact("m.wasm", MODULE, created=NOON)
    with pytest.raises(AccessDenied):
        await Pusher(client, image, Credentials()).push(artifact, on_sent=lambda _: None)
    assert real.request("GET", "/v2/denied/tags/list", user="alice").status == 404
