"""A node joins a real cluster, stays alive in it, and comes back: Node authorizer and all."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final, TypeVar

import pytest
from structlog.testing import capture_logs

from krustlet.base import SystemClock
from krustlet.kube import KubeClient, load_kubeconfig
from krustlet.node import LeaseApi, LinuxHost, NodeAgent, NodeApi, NodeMeans, NodeSettings
from krustlet.objects import ContainerImage, Node
from tests.support.cluster import Cluster
from tests.support.command import Result
from tests.support.until import until

WITHIN_S: Final = 90.0  # many times what an idle machine takes
TROUBLE: Final = "the supervisor does not answer"

T = TypeVar("T")


class CountingNodes(NodeApi):
    """Counts the reports."""

    reports = 0

    async def patch_status(self, patch: object) -> Node:
        self.reports += 1
        return await super().patch_status(patch)


class Events:
    """Remembers the reasons."""

    def __init__(self) -> None:
        self.reasons: list[str] = []

    def emit(self, kind: str, reason: str, message: str) -> None:
        self.reasons.append(reason)


class Joining:
    """A node of one test.

    Attributes:
        trouble: why pods cannot run on it.
    """

    def __init__(self, cluster: Cluster, name: str, directory: Path) -> None:
        self.cluster = cluster
        self.name = name
        self.directory = directory
        self.events = Events()
        self.images: list[ContainerImage] = []
        self.trouble = ""

    @asynccontextmanager
    async def agent(
        self, *, kubeconfig: Path | None = None, **settings: Any
    ) -> AsyncIterator[tuple[NodeAgent, CountingNodes]]:
        """An agent that has yet to do anything."""
        told = NodeSettings(
            name=self.name,
            ips=("192.0.2.7",),
            hostname=self.name,
            data_dir=self.directory,
            **settings,
        )
        config = load_kubeconfig(kubeconfig or self.cluster.node_kubeconfig(self.name))
        async with KubeClient(config) as client, KubeClient(config, qps=0) as lease_client:
            nodes = CountingNodes(client, self.name)
            means = NodeMeans(
                nodes=nodes,
                host=LinuxHost(self.directory),
                events=self.events,
                clock=SystemClock(),
                images=self._images,
                healthy=lambda: self.trouble,
            )
            yield NodeAgent(told, means, leases=LeaseApi(lease_client, self.name)), nodes

    @asynccontextmanager
    async def running(self, **settings: Any) -> AsyncIterator[tuple[NodeAgent, CountingNodes]]:
        """One that has registered, and runs."""
        async with self.agent(**settings) as (agent, nodes):
            await agent.register()
            async with going(agent.run()):
                yield agent, nodes

    async def _images(self) -> list[ContainerImage]:
        return self.images

    def object(self) -> Any:
        return self.cluster.get(f"/api/v1/nodes/{self.name}")

    def lease(self) -> Any:
        path = f"/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/{self.name}"
        return self.cluster.get(path)

    def condition(self, kind: str) -> Any:
        conditions = self.object()["status"]["conditions"]
        return next(one for one in conditions if one["type"] == kind)

    def is_ready(self) -> bool:
        return bool(self.condition("Ready")["status"] == "True")

    async def kubectl(self, *arguments: str | Path, stdin: str = "") -> str:
        done: Result = await asyncio.to_thread(self.cluster.kubectl, *arguments, stdin=stdin)
        assert done.code == 0, done.stderr
        return done.stdout


@asynccontextmanager
async def going(work: Any) -> AsyncIterator[None]:
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        if not task.cancelled():
            task.result()


async def eventually(condition: Callable[[], T], *, within_s: float = WITHIN_S) -> T:
    return await asyncio.to_thread(until, condition, within_s=within_s)


@pytest.fixture
def joining(cluster: Cluster, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Joining]:
    name = request.node.name.removeprefix("test_").replace("_", "-")[:60].strip("-")
    yield Joining(cluster, name, tmp_path)
    cluster.kubectl("delete", "node", name, "--ignore-not-found", "--wait=false")


async def test_it_is_seen_as_a_ready_node(joining: Joining) -> None:
    async with joining.running():
        node = joining.object()
        wide = (await joining.kubectl("get", "node", joining.name, "-o", "wide")).splitlines()[1]

    assert wide.split()[:2] == [joining.name, "Ready"]
    for told in ("v1.36.3+krustlet.", "wasmtime://", "192.0.2.7"):
        assert told in wide
    labels = node["metadata"]["labels"]
    assert labels["kubernetes.io/arch"] == labels["beta.kubernetes.io/arch"] == "wasm32-wasi"
    assert labels["kubernetes.io/os"] == "linux"
    assert labels["type"] == "krustlet"
    info = node["status"]["nodeInfo"]
    assert info["bootID"] == Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    assert (info["operatingSystem"], info["architecture"]) == ("linux", "wasm-wasi")
    assert set(node["status"]["allocatable"]) >= {"cpu", "memory", "pods", "ephemeral-storage"}
    assert [one["type"] for one in node["status"]["conditions"]][-1] == "Ready"
    assert joining.events.reasons[-2:] == ["NodeReady", "Starting"]


async def test_what_it_knows_is_what_the_server_has(joining: Joining) -> None:
    async with joining.running() as (agent, _):
        await joining.kubectl("label", "node", joining.name, "rack=r1")
        await eventually(lambda: agent.node and agent.node.metadata.labels.get("rack") == "r1")

        allocatable = joining.object()["status"]["allocatable"]
        assert set(agent.allocatable) == set(allocatable)


# taints ------------------------------------------------------------------------------------------


def taints_of(node: Any) -> list[tuple[str, str]]:
    """Without those that controllers give it for its conditions."""
    taints = node["spec"].get("taints", [])
    return [
        (f"{taint['key']}={taint.get('value', '')}", taint["effect"])
        for taint in taints
        if not taint["key"].startswith("node.kubernetes.io/")
    ]


async def test_it_keeps_pods_away_that_were_not_made_for_it(joining: Joining) -> None:
    async with joining.running():
        assert taints_of(joining.object()) == [
            ("kubernetes.io/arch=wasm32-wasi", "NoSchedule"),
            ("kubernetes.io/arch=wasm32-wasi", "NoExecute"),
        ]


async def test_it_has_no_taints_if_it_is_to_have_none(joining: Joining) -> None:
    async with joining.running(taints=()):
        assert taints_of(joining.object()) == []


async def test_a_pod_needs_nothing_but_the_runtime_class(
    joining: Joining, runtime_class: str
) -> None:
    here = {"kubernetes.io/hostname": joining.name}  # and not on a node of other tests
    container = {"name": "app", "image": "registry.example/app"}
    spec = {"containers": [container], "nodeSelector": here}
    pods = {"plain": spec, "chosen": {**spec, "runtimeClassName": runtime_class}}
    made = [
        {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}
        for name, spec in pods.items()
    ]

    def pod(name: str) -> Any:
        return joining.cluster.get(f"/api/v1/namespaces/default/pods/{name}")

    async with joining.running():
        listed = json.dumps({"apiVersion": "v1", "kind": "List", "items": made})
        await joining.kubectl("apply", "-f", "-", stdin=listed)
        try:
            await eventually(lambda: pod("chosen")["spec"].get("nodeName") == joining.name)
            await eventually(lambda: pod("plain")["status"].get("conditions"))
            assert "nodeName" not in pod("plain")["spec"]
        finally:
            at_once = ("--force", "--grace-period=0", "--ignore-not-found", "--wait=false")
            await joining.kubectl("delete", "pod", *pods, *at_once)


# reports -----------------------------------------------------------------------------------------


async def test_it_reports_seldom_while_nothing_changes(joining: Joining) -> None:
    joining.images = [ContainerImage(names=("registry.example/hello:v1",), size_bytes=1000)]
    async with joining.running(status_every_s=0.1, report_every_s=300) as (_, nodes):
        await asyncio.sleep(3)  # long enough for thirty reports
        assert nodes.reports == 0


async def test_a_heartbeat_is_all_that_changes_with_time(joining: Joining) -> None:
    async with joining.running(status_every_s=0.1, report_every_s=1) as (_, nodes):
        before = joining.condition("Ready")
        await eventually(
            lambda: joining.condition("Ready")["lastHeartbeatTime"] > before["lastHeartbeatTime"]
        )
        after = joining.condition("Ready")
        await eventually(lambda: nodes.reports >= 2)

    assert {**after, "lastHeartbeatTime": ""} == {**before, "lastHeartbeatTime": ""}


async def test_trouble_and_its_end_are_seen_at_once(joining: Joining) -> None:
    async with joining.running(status_every_s=300) as (agent, _):
        joining.trouble = TROUBLE
        agent.status_changed()
        await eventually(lambda: not joining.is_ready())
        told = joining.condition("Ready")
        joining.trouble = ""
        agent.status_changed()
        await eventually(joining.is_ready)

    assert (told["reason"], told["message"]) == ("KubeletNotReady", TROUBLE)
    assert joining.events.reasons[-2:] == ["NodeNotReady", "NodeReady"]


async def test_given_up_for_lost_it_says_that_it_lives(joining: Joining) -> None:
    lost = '{"status":{"conditions":[{"type":"Ready","status":"Unknown","reason":"Lost"}]}}'
    foreign = '{"status":{"conditions":[{"type":"NetworkUnavailable","status":"False"}]}}'
    patch = ("patch", "node", joining.name, "--subresource=status", "--type=strategic", "-p")
    async with joining.running(status_every_s=300):
        await joining.kubectl(*patch, foreign)
        await joining.kubectl(*patch, lost)
        await eventually(joining.is_ready)

    assert joining.condition("Ready")["reason"] == "KubeletReady"
    assert joining.condition("NetworkUnavailable")["status"] == "False"


# the lease ---------------------------------------------------------------------------------------


async def test_its_lease_belongs_to_it_and_is_renewed(joining: Joining) -> None:
    async with joining.running(lease_duration_s=2):
        lease = await eventually(joining.lease)
        first = lease["spec"]["renewTime"]
        await eventually(lambda: joining.lease()["spec"]["renewTime"] > first)
        node = joining.object()

    assert lease["spec"]["holderIdentity"] == joining.name
    assert lease["spec"]["leaseDurationSeconds"] == 2
    assert lease["metadata"]["ownerReferences"] == [
        {
            "apiVersion": "v1",
            "kind": "Node",
            "name": joining.name,
            "uid": node["metadata"]["uid"],
        }
    ]


# coming back -------------------------------------------------------------------------------------


async def test_a_restart_puts_right_what_is_its_own(joining: Joining) -> None:
    async with joining.running():
        ready_since = joining.condition("Ready")["lastTransitionTime"]
    name = joining.name
    await joining.kubectl("label", "node", name, "kubernetes.io/arch=amd64", "--overwrite")
    await joining.kubectl("label", "node", name, "type-", "rack=r1")

    async with joining.running(labels={"rack": "other"}):
        labels = joining.object()["metadata"]["labels"]
        assert labels["kubernetes.io/arch"] == "wasm32-wasi"
        assert (labels["type"], labels["rack"]) == ("krustlet", "other")
        assert joining.condition("Ready")["lastTransitionTime"] == ready_since


async def test_deleted_it_comes_back_with_a_lease_of_its_own(joining: Joining) -> None:
    def owner() -> Any:
        lease = joining.lease()
        return lease and lease["metadata"]["ownerReferences"][0]["uid"]

    async with joining.running(lease_duration_s=2, status_every_s=300):
        first = joining.object()["metadata"]["uid"]
        await eventually(lambda: owner() == first)
        await joining.kubectl("delete", "node", joining.name)
        await eventually(lambda: joining.object() and joining.is_ready())
        second = joining.object()["metadata"]["uid"]
        await eventually(lambda: owner() == second)

    assert second != first
    assert len(taints_of(joining.object())) == 2


async def test_an_api_server_that_was_away_finds_it_alive(joining: Joining) -> None:
    async with joining.running(lease_duration_s=4, status_every_s=1) as (agent, _):
        before = (await eventually(joining.lease))["spec"]["renewTime"]
        await asyncio.to_thread(joining.cluster.stop_apiserver)
        try:
            joining.trouble = "meanwhile"
            agent.status_changed()
            await asyncio.sleep(2)
        finally:
            await asyncio.to_thread(joining.cluster.start_apiserver)
        await eventually(lambda: not joining.is_ready())
        await eventually(lambda: joining.lease()["spec"]["renewTime"] > before)


async def test_somebody_elses_credentials_are_named_as_such(joining: Joining) -> None:
    stranger = joining.cluster.kubeconfig("jane", groups=["people"])
    with capture_logs() as logged:
        async with joining.agent(kubeconfig=stranger) as (agent, _), going(agent.register()):
            await eventually(lambda: logged)

    (entry,) = [entry for entry in logged if entry["event"] == "node.not_registered"]
    assert entry["log_level"] == "error"
    assert 'User "jane" cannot create resource "nodes"' in entry["reason"]
    assert f"system:node:{joining.name}" in entry["hint"]
    assert joining.object() is None
