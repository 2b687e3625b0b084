"""What a node finds in a real cluster for its pods, and what it is told of what is not there."""

import asyncio
import base64
import json
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from krustlet.kube import KubeClient, load_kubeconfig
from krustlet.objects import LookupFailed, ObjectMissing, Pod
from krustlet.sources import ApiLookups
from krustlet.volumes import SetUpFailed, Volumes
from tests.support.cluster import Cluster

NODE = "looks-things-up"
MANY = 50


class Counting(KubeClient):
    """Counts what it asks for."""

    asked = 0

    async def get(self, *args: Any, **kwargs: Any) -> Any:
        self.asked += 1
        return await super().get(*args, **kwargs)


@pytest.fixture
async def client(cluster: Cluster) -> AsyncIterator[Counting]:
    """Speaks as the node itself: it may see what its own pods refer to, and nothing else."""
    async with Counting(load_kubeconfig(cluster.node_kubeconfig(NODE)), qps=0) as client:
        yield client


class Maker:
    """Makes objects of the default namespace, and takes them away again."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._made: list[dict[str, Any]] = []

    def __call__(self, *objects: dict[str, Any]) -> None:
        self._made += objects
        self._kubectl("create", objects)

    def pod(self, name: str, *volumes: dict[str, Any]) -> dict[str, Any]:
        """A pod of the node's own, that mounts all of the volumes."""
        mounts = [{"name": v["name"], "mountPath": f"/{v['name']}"} for v in volumes]
        container = {"name": "app", "image": "registry.example/app", "volumeMounts": mounts}
        spec = {"nodeName": NODE, "containers": [container], "volumes": list(volumes)}
        return an_object("Pod", name, spec=spec)

    def found(self, name: str) -> Pod:
        found = self._cluster.get(f"/api/v1/namespaces/default/pods/{name}")
        return msgspec.convert(found, Pod)

    def clean_up(self) -> None:
        options = ("--force", "--grace-period=0", "--ignore-not-found", "--wait=false")
        self._kubectl("delete", self._made, *options)

    def _kubectl(self, verb: str, objects: Any, *options: str) -> None:
        items = json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)})
        result = self._cluster.kubectl(verb, "-f", "-", *options, stdin=items)
        assert result.code == 0, result.stderr


@pytest.fixture
def create(cluster: Cluster) -> Iterator[Maker]:
    maker = Maker(cluster)
    yield maker
    maker.clean_up()


def an_object(kind: str, name: str, **fields: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": name}, **fields}


async def test_a_burst_of_new_pods_finds_all_it_refers_to(
    client: Counting, create: Maker, tmp_path: Path
) -> None:
    create(
        an_object("ConfigMap", "looked-up", data={"a": "A"}, binaryData={"b": "AP8="}),
        an_object("Secret", "looked-up", stringData={"user": "me"}),
    )
    volumes = (
        {"name": "c", "configMap": {"name": "looked-up"}},
        {"name": "s", "secret": {"secretName": "looked-up"}},
    )
    names = [f"looks-up-{number}" for number in range(MANY)]
    create(*(create.pod(name, *volumes) for name in names))
    pods = [create.found(name) for name in names]
    node = Volumes(tmp_path, lookups=ApiLookups(client))

    mounted = await asyncio.gather(*map(node.mount, pods))

    for pod, paths in zip(pods, mounted, strict=True):
        assert (paths["c"] / "a").read_text() == "A"
        assert (paths["c"] / "b").read_bytes() == b"\0\xff"
        assert (paths["s"] / "user").read_text() == "me"
        (access,) = (path for name, path in paths.items() if name.startswith("kube-api-access-"))
        assert (access / "namespace").read_text() == "default"
        assert "BEGIN CERTIFICATE" in (access / "ca.crt").read_text()
        bound = claims((access / "token").read_text())["kubernetes.io"]["pod"]
        assert bound == {"name": pod.name, "uid": pod.uid}
    # Three objects, each once or a few times, as long as the authorizer has yet to hear of a pod.
    assert client.asked < MANY


async def test_what_is_missing_is_told_in_the_kubelets_words(
    client: Counting, create: Maker, tmp_path: Path
) -> None:
    create(create.pod("lacks", {"name": "c", "configMap": {"name": "not-there"}}))
    with pytest.raises(SetUpFailed) as failed:
        await Volumes(tmp_path, lookups=ApiLookups(client)).mount(create.found("lacks"))
    assert failed.value.message == (
        'MountVolume.SetUp failed for volume "c" : configmap "not-there" not found'
    )


async def test_what_no_pod_of_the_node_refers_to_is_not_shown(
    client: Counting, create: Maker
) -> None:
    create(an_object("Secret", "of-somebody-else"))
    began = time.monotonic()
    with pytest.raises(LookupFailed, match="no relationship found") as failed:
        await ApiLookups(client).secret("default", "of-somebody-else")
    assert not isinstance(failed.value, ObjectMissing)
    assert 2 <= time.monotonic() - began < 60


async def test_a_token_lasts_as_long_as_it_says(client: Counting, create: Maker) -> None:
    create(create.pod("asks"))
    token = await ApiLookups(client).service_account_token(
        create.found("asks"), audiences=[], expiration_s=600
    )
    told = claims(token.text)
    assert token.expires_at == told["exp"]
    assert token.issued_at == pytest.approx(told["iat"], abs=1)
    assert token.expires_at - token.issued_at == 600


def claims(token: str) -> dict[str, Any]:
    """What a token says, believed without a look at its signature."""
    payload = token.split(".")[1]
    padding = "=" * (-len(payload) % 4)
    told: dict[str, Any] = json.loads(base64.urlsafe_b64decode(payload + padding))
    return told
