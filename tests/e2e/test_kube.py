"""The client of the API, against a real API server."""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import aclosing
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import pytest

from krustlet.kube import (
    AlreadyExists,
    Applied,
    Change,
    Conflict,
    Forbidden,
    Gone,
    Invalid,
    KubeClient,
    Listed,
    NotFound,
    PatchKind,
    Removed,
    Source,
    Unauthorized,
    WatchEvent,
    WatchType,
    load_kubeconfig,
    reflect,
)
from krustlet.kube import client as client_module
from krustlet.objects import (
    CONFIG_MAPS,
    PODS,
    SERVICE_ACCOUNTS,
    ConfigMap,
    ObjectMeta,
    Resource,
    TokenRequest,
    TokenRequestSpec,
)
from tests.support.cluster import Cluster
from tests.support.controlplane import Programs

T = TypeVar("T")

NAMESPACE = "kube-client"
SOON_S = 60.0


NAMESPACES: Resource[Any] = Resource(
    plural="namespaces", kind="Namespace", type=dict, namespaced=False
)


def a_map(name: str, **data: str) -> ConfigMap:
    return ConfigMap(metadata=ObjectMeta(name=name), data=data)


def a_pod(name: str) -> dict[str, Any]:
    container = {"name": "app", "image": "registry.example/app"}
    return {"metadata": {"name": name}, "spec": {"containers": [container], "nodeName": "nobody"}}


@pytest.fixture
async def client(cluster: Cluster) -> AsyncIterator[KubeClient]:
    """An administrator, in a namespace that is empty before and after."""
    async with KubeClient(load_kubeconfig(cluster.kubeconfig()), qps=0) as client:
        try:
            await client.create(NAMESPACES, {"metadata": {"name": NAMESPACE}})
        except AlreadyExists:
            await clear(client)
        await account_is_there(client)
        yield client
        await clear(client)


async def clear(client: KubeClient) -> None:
    for pod in (await client.list(PODS, namespace=NAMESPACE)).items:
        await client.delete(PODS, pod.name, namespace=NAMESPACE, grace_period_s=0)
    for one in (await client.list(CONFIG_MAPS, namespace=NAMESPACE)).items:
        await client.delete(CONFIG_MAPS, one.metadata.name, namespace=NAMESPACE)


async def account_is_there(client: KubeClient) -> None:
    """Without it no pod can be made."""
    async with asyncio.timeout(SOON_S):
        while True:
            try:
                await client.get(SERVICE_ACCOUNTS, "default", namespace=NAMESPACE)
                return
            except NotFound:
                await asyncio.sleep(0.05)


# verbs -------------------------------------------------------------------------------------------


async def test_an_object_is_made_read_changed_and_removed(client: KubeClient) -> None:
    made = await client.create(CONFIG_MAPS, a_map("one", a="1"), namespace=NAMESPACE)
    got = await client.get(CONFIG_MAPS, "one", namespace=NAMESPACE)
    patched = await client.patch(
        CONFIG_MAPS, "one", {"data": {"b": "2"}}, namespace=NAMESPACE, kind=PatchKind.MERGE
    )
    replaced = await client.replace(
        CONFIG_MAPS, "one", msgspec.structs.replace(patched, data={"c": "3"}), namespace=NAMESPACE
    )
    await client.delete(CONFIG_MAPS, "one", namespace=NAMESPACE, uid=made.metadata.uid)

    assert made == got
    assert [one.data for one in (made, patched, replaced)] == [
        {"a": "1"},
        {"a": "1", "b": "2"},
        {"c": "3"},
    ]
    with pytest.raises(NotFound, match='configmaps "one" not found'):
        await client.get(CONFIG_MAPS, "one", namespace=NAMESPACE)


async def test_each_kind_of_patch_does_what_it_says(client: KubeClient) -> None:
    await client.create(CONFIG_MAPS, a_map("one", a="1"), namespace=NAMESPACE)

    async def patch(patch: object, kind: PatchKind, **more: Any) -> Mapping[str, str]:
        done = await client.patch(CONFIG_MAPS, "one", patch, namespace=NAMESPACE, kind=kind, **more)
        return done.data

    strategic = await patch({"data": {"b": "2"}}, PatchKind.STRATEGIC)
    merge = await patch({"data": {"a": None}}, PatchKind.MERGE)
    json = await patch([{"op": "add", "path": "/data/c", "value": "3"}], PatchKind.JSON)
    whole = {"apiVersion": "v1", "kind": "ConfigMap", "data": {"b": "4"}}
    with pytest.raises(Conflict, match='conflict with "krustlet"'):
        await patch(whole, PatchKind.APPLY, field_manager="other")
    applied = await patch(whole, PatchKind.APPLY, field_manager="other", force=True)

    assert (strategic, merge) == ({"a": "1", "b": "2"}, {"b": "2"})
    assert (json, applied) == ({"b": "2", "c": "3"}, {"b": "4", "c": "3"})


async def test_a_subresource_is_written_by_itself(client: KubeClient) -> None:
    await client.create(PODS, a_pod("web"), namespace=NAMESPACE)

    patch = {"spec": {"nodeName": "elsewhere"}, "status": {"phase": "Running"}}
    pod = await client.patch(PODS, "web", patch, namespace=NAMESPACE, subresource="status")

    assert (pod.status.phase, pod.spec.node_name) == ("Running", "nobody")


async def test_a_token_is_asked_for_in_a_subresource(client: KubeClient) -> None:
    request = TokenRequest(spec=TokenRequestSpec(expiration_seconds=600))
    answer = await client.create_sub(
        SERVICE_ACCOUNTS, "default", "token", request, TokenRequest, namespace=NAMESPACE
    )
    assert answer.status.token.count(".") == 2


async def test_only_what_was_meant_is_deleted(client: KubeClient) -> None:
    made = await client.create(CONFIG_MAPS, a_map("one"), namespace=NAMESPACE)

    with pytest.raises(Conflict):
        await client.delete(CONFIG_MAPS, "one", namespace=NAMESPACE, uid="another")
    with pytest.raises(Conflict):
        await client.delete(CONFIG_MAPS, "one", namespace=NAMESPACE, resource_version="1")

    version = made.metadata.resource_version
    await client.delete(CONFIG_MAPS, "one", namespace=NAMESPACE, resource_version=version)


async def test_a_pod_goes_at_once_only_if_nobody_has_to_end_it_first(client: KubeClient) -> None:
    await client.create(PODS, a_pod("web"), namespace=NAMESPACE)

    await client.delete(PODS, "web", namespace=NAMESPACE, grace_period_s=7)
    going = await client.get(PODS, "web", namespace=NAMESPACE)
    await client.delete(PODS, "web", namespace=NAMESPACE, grace_period_s=0, uid=going.uid)

    assert going.metadata.deletion_grace_period_seconds == 7
    with pytest.raises(NotFound):
        await client.get(PODS, "web", namespace=NAMESPACE)


async def test_refusals_have_their_types(client: KubeClient, cluster: Cluster) -> None:
    await client.create(CONFIG_MAPS, a_map("one"), namespace=NAMESPACE)

    with pytest.raises(AlreadyExists):
        await client.create(CONFIG_MAPS, a_map("one"), namespace=NAMESPACE)
    with pytest.raises(Invalid, match="lowercase"):
        await client.create(CONFIG_MAPS, a_map("ONE"), namespace=NAMESPACE)
    async with KubeClient(load_kubeconfig(cluster.node_kubeconfig("alice"))) as as_node:
        with pytest.raises(Forbidden, match="cannot list"):
            await as_node.list(PODS)
    async with KubeClient(load_kubeconfig(cluster.token_kubeconfig("abcdef.wrong"))) as as_nobody:
        with pytest.raises(Unauthorized):
            await as_nobody.list(PODS)


async def test_a_list_comes_in_pages_but_whole(
    client: KubeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [f"m{n:02d}" for n in range(25)]
    await asyncio.gather(
        *(client.create(CONFIG_MAPS, a_map(name, n=name), namespace=NAMESPACE) for name in names)
    )
    monkeypatch.setattr(client_module, "_PAGE", 10)

    listing = await client.list(CONFIG_MAPS, namespace=NAMESPACE)
    one = await client.list(CONFIG_MAPS, namespace=NAMESPACE, field_selector="metadata.name=m07")

    assert [m.metadata.name for m in listing.items if m.data.get("n")] == names
    assert [m.metadata.name for m in one.items] == ["m07"]
    assert int(listing.resource_version) > 0


# watching ----------------------------------------------------------------------------------------


async def test_a_watch_goes_on_where_another_ended(client: KubeClient) -> None:
    begin = (await client.list(CONFIG_MAPS, namespace=NAMESPACE)).resource_version
    await client.create(CONFIG_MAPS, a_map("one"), namespace=NAMESPACE)
    await client.delete(CONFIG_MAPS, "one", namespace=NAMESPACE)

    async def first_after(version: str) -> tuple[WatchType, str]:
        watch = client.watch(
            CONFIG_MAPS,
            namespace=NAMESPACE,
            field_selector="metadata.name=one",
            resource_version=version,
        )
        async with asyncio.timeout(SOON_S), aclosing(watch) as events:
            event = await anext(events)
            return event.type, event.resource_version

    added, version = await first_after(begin)
    deleted, _ = await first_after(version)

    assert (added, deleted) == (WatchType.ADDED, WatchType.DELETED)


class Follower:
    """Follows the config maps of the namespace."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self.changes: list[Change[ConfigMap]] = []
        self.known: dict[str, ConfigMap] = {}
        self._heard = asyncio.Event()

    async def run(self) -> None:
        async for change in reflect(self._source, CONFIG_MAPS, namespace=NAMESPACE):
            self.changes.append(change)
            match change:
                case Listed(objects):
                    self.known.update((one.metadata.name, one) for one in objects)
                case Applied(one):
                    self.known[one.metadata.name] = one
                case Removed(one):
                    assert self.known.pop(one.metadata.name).metadata.uid == one.metadata.uid
            self._heard.set()

    async def until(self, condition: Callable[[dict[str, ConfigMap]], bool]) -> None:
        async with asyncio.timeout(SOON_S):
            while not condition(self.known):
                self._heard.clear()
                await self._heard.wait()

    def told_of(self, name: str) -> list[tuple[str, str]]:
        return [
            (type(change).__name__, change.object.metadata.uid)
            for change in self.changes
            if not isinstance(change, Listed) and change.object.metadata.name == name
        ]


@pytest.fixture
async def own_cluster(programs: Programs, tmp_path: Path) -> AsyncIterator[Cluster]:
    """One that may be switched off."""
    async with Cluster.start(tmp_path / "cluster", programs=programs) as cluster:
        yield cluster


class Gated:
    """A client whose watches begin only while the gate is open."""

    def __init__(self, client: KubeClient) -> None:
        self.gate = asyncio.Event()
        self.gate.set()
        self.list = client.list
        self._client = client

    async def watch(
        self, resource: Resource[T], **chosen: str
    ) -> AsyncGenerator[WatchEvent[T], None]:
        await self.gate.wait()
        async with aclosing(self._client.watch(resource, **chosen)) as events:
            async for event in events:
                yield event


async def restart(cluster: Cluster) -> None:
    await asyncio.to_thread(cluster.stop_apiserver)
    await asyncio.to_thread(cluster.start_apiserver)


async def test_a_reflection_survives_the_server_and_hears_of_all_it_missed(
    own_cluster: Cluster,
) -> None:
    async with (
        KubeClient(load_kubeconfig(own_cluster.kubeconfig())) as client,
        asyncio.TaskGroup() as tasks,
    ):
        await client.create(NAMESPACES, {"metadata": {"name": NAMESPACE}})
        follower = Follower(gated := Gated(client))
        running = tasks.create_task(follower.run())

        async def make(name: str) -> ObjectMeta:
            return (await client.create(CONFIG_MAPS, a_map(name), namespace=NAMESPACE)).metadata

        kept, doomed, reborn = [await make(name) for name in ("kept", "doomed", "reborn")]
        await follower.until(lambda known: {"kept", "doomed", "reborn"} <= set(known))

        await restart(own_cluster)
        before = await make("between")
        await follower.until(lambda known: "between" in known)

        gated.gate.clear()
        await restart(own_cluster)
        await client.delete(CONFIG_MAPS, "doomed", namespace=NAMESPACE)
        await client.delete(CONFIG_MAPS, "reborn", namespace=NAMESPACE)
        again = await make("reborn")
        await restart(own_cluster)  # it does not remember now what became of them
        with pytest.raises(Gone, match="too old resource version"):
            await anext(client.watch(CONFIG_MAPS, resource_version=before.resource_version))
        gated.gate.set()
        await make("new")
        await follower.until(lambda known: "new" in known)
        running.cancel()

    assert follower.told_of("doomed")[-1] == ("Removed", doomed.uid)
    assert follower.told_of("reborn")[-2:] == [("Removed", reborn.uid), ("Applied", again.uid)]
    assert [what for what, _ in follower.told_of("kept")] in ([], ["Applied"])
    assert follower.known["kept"].metadata.uid == kept.uid
    assert len([change for change in follower.changes if isinstance(change, Listed)]) == 1


async def test_many_watches_do_not_delay_a_renewal(client: KubeClient, cluster: Cluster) -> None:
    await client.create(CONFIG_MAPS, a_map("lease"), namespace=NAMESPACE)
    begun = 0
    all_begun = asyncio.Event()
    config = load_kubeconfig(cluster.kubeconfig())

    async def watch(many: KubeClient) -> None:
        nonlocal begun
        async for _ in many.watch(
            CONFIG_MAPS, namespace=NAMESPACE, field_selector="metadata.name=lease"
        ):
            begun += 1
            if begun == 500:
                all_begun.set()
            await asyncio.get_running_loop().create_future()

    took: list[float] = []
    async with KubeClient(config, qps=200, burst=100) as many, asyncio.TaskGroup() as tasks:
        watches = [tasks.create_task(watch(many)) for _ in range(500)]
        async with asyncio.timeout(200):
            while not all_begun.is_set() or len(took) < 20:
                began = time.monotonic()
                await many.get(CONFIG_MAPS, "lease", namespace=NAMESPACE)
                took.append(time.monotonic() - began)
                await asyncio.sleep(0.1)
        for one in watches:
            one.cancel()

    assert max(took) < 10  # a lease lasts forty
