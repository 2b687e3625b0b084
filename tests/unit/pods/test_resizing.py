"""Other resources for containers that run."""

import asyncio
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from krustlet.base import KrustletError
from krustlet.cgroups import Limits
from krustlet.objects import (
    Container,
    ContainerResizePolicy,
    Pod,
    Quantity,
    ResourceRequirements,
    with_defaults,
)
from krustlet.pods.effects import Resize, Start, Stop
from krustlet.pods.facts import Resized, ResizeFailed, Resumed
from krustlet.pods.resizing import has_to_restart, told_of
from krustlet.pods.state import Allotment
from tests.support.fake_node import FakeNode, Limiting
from tests.support.pods import Story, a_container, a_pod, a_sidecar
from tests.support.virtual_time import in_virtual_time

MIB = 1024 * 1024
RESTART_FOR_MEMORY = (
    ContainerResizePolicy(resource_name="cpu", restart_policy="NotRequired"),
    ContainerResizePolicy(resource_name="memory", restart_policy="RestartContainer"),
)


def of(cpu: str = "100m", memory: str = "64Mi") -> ResourceRequirements:
    amounts = {"cpu": Quantity(cpu), "memory": Quantity(memory)}
    return ResourceRequirements(limits=amounts, requests=amounts)


def an_app(*, policy: tuple[ContainerResizePolicy, ...] = ()) -> Container:
    return a_container(resources=of(), resize_policy=policy)


def with_resources(pod: Pod, resources: ResourceRequirements, *, name: str = "app") -> Pod:
    """As the API server has it after a resize."""
    spec = replace(
        pod.spec,
        containers=tuple(
            replace(c, resources=resources) if c.name == name else c for c in pod.spec.containers
        ),
        init_containers=tuple(
            replace(c, resources=resources) if c.name == name else c
            for c in pod.spec.init_containers
        ),
    )
    metadata = replace(pod.metadata, generation=pod.metadata.generation + 1)
    return with_defaults(replace(pod, spec=spec, metadata=metadata))


def a_running(pod: Pod, *names: str) -> Story:
    return Story(pod).runs(*names)


def resized(story: Story, name: str = "app") -> None:
    container = story.container(name)
    assert container.asked is not None
    fact = Resized(container=name, attempt=container.attempt, allotment=container.asked)
    story.tell(fact)


# deciding ---------------------------------------------------------------------------------------


def test_nothing_is_resized_as_long_as_nothing_changes() -> None:
    story = a_running(a_pod(an_app()))
    story.pod = replace(story.pod, metadata=replace(story.pod.metadata, generation=2))
    story.wait(10)
    assert story.named(Resize) == []


def test_other_resources_are_asked_for_once_and_told_of_when_they_are_there() -> None:
    story = a_running(a_pod(an_app()))
    story.pod = with_resources(story.pod, of("200m"))
    story.wait(1)
    assert story.named(Resize) == [Resize("app", 1, Allotment(of("200m")))]
    status = story.status()
    assert status.allocated_resources["cpu"] == "200m"
    assert status.resources == of()

    story.wait(1)
    assert story.named(Resize) == []
    resized(story)
    assert story.named(Resize) == []
    assert story.status().resources == of("200m")


def test_what_changes_again_meanwhile_is_asked_for_again() -> None:
    story = a_running(a_pod(an_app()))
    story.pod = with_resources(story.pod, of("200m"))
    story.wait(1)
    story.pod = with_resources(story.pod, of("300m"))
    story.wait(1)
    assert [effect.allotment.own for effect in story.named(Resize)] == [of("300m")]
    story.tell(Resized(container="app", attempt=1, allotment=Allotment(of("200m"))))
    assert story.status().resources == of("200m")
    resized(story)
    assert story.status().resources == of("300m")


def test_what_changes_back_before_it_was_done_is_done_and_undone() -> None:
    story = a_running(a_pod(an_app()))
    before, story.pod = story.pod, with_resources(story.pod, of("200m"))
    story.wait(1)
    story.pod = before
    story.wait(1)
    resized(story)
    assert [effect.allotment.own for effect in story.named(Resize)] == [of()]


def test_what_cannot_be_done_is_not_tried_again_until_it_is_another_or_another_kubelet() -> None:
    story = a_running(a_pod(an_app()))
    story.pod = with_resources(story.pod, of("200m"))
    story.wait(1)
    story.tell(ResizeFailed(container="app", attempt=1))
    story.wait(1000)
    assert story.named(Resize) == []
    assert story.status().resources == of()
    story.tell(Resumed())
    story.mounted()
    assert len(story.named(Resize)) == 1


def test_a_change_while_there_was_no_kubelet_is_seen_by_the_next() -> None:
    story = a_running(a_pod(an_app()))
    story.pod = with_resources(story.pod, of("200m"))
    story.tell(Resumed())
    story.mounted()
    assert len(story.named(Resize)) == 1


def test_a_container_that_waits_simply_gets_the_new_resources() -> None:
    story = a_running(a_pod(an_app()))
    story.exited(code=1)
    story.started()
    story.exited(code=1)
    story.pod = with_resources(story.pod, of("200m"))
    assert story.until_started() == 10
    story.started()
    assert story.status().resources == of("200m")
    assert story.named(Resize) == []


def test_sidecars_are_resized_too() -> None:
    story = a_running(a_pod(an_app(), init=(a_sidecar(resources=of()),)), "proxy", "app")
    story.pod = with_resources(story.pod, of("200m"), name="proxy")
    story.wait(1)
    assert [effect.container for effect in story.named(Resize)] == ["proxy"]


def test_the_pod_as_a_whole_may_be_resized() -> None:
    story = a_running(a_pod(an_app(), resources=of("1")))
    story.pod = replace(story.pod, spec=replace(story.pod.spec, resources=of("2")))
    story.wait(1)
    assert [effect.allotment.whole for effect in story.named(Resize)] == [of("2")]


def test_what_an_older_kubelet_began_is_left_alone() -> None:
    story = a_running(a_pod(an_app()))
    story.state = story.state.with_container(replace(story.container(), given=None))
    story.pod = with_resources(story.pod, of("200m"))
    story.wait(1)
    assert story.named(Resize) == []


def test_a_deleted_pod_is_not_resized() -> None:
    story = a_running(a_pod(an_app()))
    story.deleted()
    story.pod = with_resources(story.pod, of("200m"))
    story.wait(1)
    assert story.named(Resize) == []


# by a restart -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wanted", "restarts"),
    [
        pytest.param(of("200m"), False, id="processors"),
        pytest.param(of(memory="128Mi"), True, id="memory"),
        pytest.param(of("200m", "128Mi"), True, id="both"),
        pytest.param(of("0.1", "65536Ki"), False, id="the-same-in-other-words"),
        pytest.param(ResourceRequirements(), True, id="no-limits-any-more"),
    ],
)
def test_only_what_wants_a_restart_gets_one(wanted: ResourceRequirements, restarts: bool) -> None:
    app = replace(an_app(policy=RESTART_FOR_MEMORY), resources=wanted)
    assert has_to_restart(app, Allotment(of())) is restarts


@pytest.mark.parametrize("policy", ["Always", "OnFailure"])
def test_a_container_that_wants_it_is_stopped_and_comes_back_at_once(policy: str) -> None:
    story = a_running(a_pod(an_app(policy=RESTART_FOR_MEMORY), policy=policy))
    story.wait(5)
    story.pod = with_resources(story.pod, of(memory="128Mi"))
    story.wait(1)
    assert story.named(Stop) == [Stop("app", 1, story.after(30), returns=True)]
    assert story.wait(1) == []

    story.exited(code=0)
    assert story.phase == "Running"
    assert [effect.attempt for effect in story.named(Start)] == [2]
    story.started()
    assert story.status().resources == of(memory="128Mi")
    assert story.status().restart_count == 1
    assert story.container().short_runs == 0
    story.wait(1)
    assert story.effects == []


def test_it_does_not_wait_for_what_it_did_before() -> None:
    story = a_running(a_pod(an_app(policy=RESTART_FOR_MEMORY)))
    story.exited(code=1)
    story.started()
    story.exited(code=1)
    assert story.until_started() == 10
    story.started()
    story.pod = with_resources(story.pod, of(memory="128Mi"))
    story.wait(1)
    story.exited(code=143)
    assert len(story.named(Start)) == 1
    assert story.container().short_runs == 2


def test_a_restart_that_nobody_wants_any_more_is_not_remembered() -> None:
    story = a_running(a_pod(an_app(policy=RESTART_FOR_MEMORY), policy="OnFailure"))
    before, story.pod = story.pod, with_resources(story.pod, of(memory="128Mi"))
    story.wait(1)
    story.pod = before
    story.tell(Resumed())
    story.mounted()
    story.exited(code=0)
    assert story.phase == "Succeeded"


def test_its_next_end_counts_as_ever() -> None:
    story = a_running(a_pod(an_app(policy=RESTART_FOR_MEMORY), policy="OnFailure"))
    story.pod = with_resources(story.pod, of(memory="128Mi"))
    story.wait(1)
    story.exited(code=143)
    story.started()
    story.exited(code=0)
    assert story.phase == "Succeeded"


def test_a_container_that_another_kubelet_meant_to_restart_is_asked_again() -> None:
    story = a_running(a_pod(an_app(policy=RESTART_FOR_MEMORY)))
    story.pod = with_resources(story.pod, of(memory="128Mi"))
    story.wait(1)
    story.tell(Resumed())
    story.mounted()
    assert [effect.returns for effect in story.named(Stop)] == [True]


def test_a_deletion_meanwhile_is_the_end_of_it() -> None:
    story = a_running(a_pod(an_app(policy=RESTART_FOR_MEMORY)))
    story.pod = with_resources(story.pod, of(memory="128Mi"))
    story.wait(1)
    story.deleted()
    story.exited(code=143)
    assert story.named(Start) == []
    assert story.phase == "Failed"


# doing ------------------------------------------------------------------------------------------


@pytest.fixture
def node(tmp_path: Path) -> FakeNode:
    node = FakeNode(tmp_path)
    node.runtime = Limiting()
    node.powers = {"enforces_limits": True}
    return node


async def a_resize(node: FakeNode, wanted: ResourceRequirements) -> None:
    """Of a pod that runs; the kubelet has had time to see to it."""
    pod = a_pod(an_app())
    async with node.kubelet() as pods:
        pods.add(pod, directory=node.root)
        await node.sink.until_phase("Running")
        pods.revise(with_resources(pod, wanted))
        await asyncio.sleep(1)


@in_virtual_time
async def test_a_running_container_is_given_other_limits(node: FakeNode) -> None:
    await a_resize(node, of("200m", "128Mi"))
    (started,) = node.runtime.requests
    (updated,) = node.runtime.updates
    limits = Limits(cpu_shares=204, cpu_quota_us=20_000, memory_bytes=128 * MIB)
    assert updated == replace(started, limits=limits, pod_limits=limits)
    assert node.sink.container().resources == of("200m", "128Mi")
    (told,) = [event for event in node.sink.told() if event.startswith("Resize")]
    assert told.startswith('ResizeCompleted: Pod resize completed: {"containers":[{"name":"app"')


@in_virtual_time
async def test_a_failure_is_an_event_and_changes_nothing(node: FakeNode) -> None:
    node.runtime.update_trip.errors.append(KrustletError("it uses more than that"))
    await a_resize(node, of(memory="1Mi"))
    assert node.runtime.updates == []
    assert node.sink.container().resources == of()
    (told,) = node.sink.told(kind="Warning")
    assert told.startswith("ResizeError: Pod resize error: {")
    assert '"error":"it uses more than that"' in told


@in_virtual_time
async def test_a_runtime_that_cannot_says_so(tmp_path: Path) -> None:
    node = FakeNode(tmp_path)
    await a_resize(node, of("200m"))
    (told,) = [event for event in node.sink.told() if event.startswith("Resize")]
    assert "this node cannot change the resources of a container that runs" in told


@in_virtual_time
async def test_a_restart_for_its_sake_is_told_of(node: FakeNode) -> None:
    pod = a_pod(an_app(policy=RESTART_FOR_MEMORY))
    async with node.kubelet() as pods:
        pods.add(pod, directory=node.root)
        await node.sink.until_phase("Running")
        pods.revise(with_resources(pod, of(memory="128Mi")))
        await node.sink.until(lambda: node.sink.container().restart_count == 1)
    assert "Killing: Container app resize requires restart" in node.sink.told()
    assert node.runtime.stops == [(node.runtime.requests[0].id, 30)]
    assert node.runtime.requests[1].limits.memory_bytes == 128 * MIB
    assert node.runtime.updates == []


@in_virtual_time
async def test_the_next_kubelet_resizes_what_the_last_began(node: FakeNode) -> None:
    pod = a_pod(an_app())
    async with node.kubelet() as pods:
        pods.add(pod, directory=node.root)
        await node.sink.until_phase("Running")
    async with node.kubelet() as pods:
        pods.add(with_resources(pod, of("200m")), directory=node.root)
        await node.sink.until(lambda: node.sink.container().resources == of("200m"))
    (updated,) = node.runtime.updates
    assert updated.id == node.runtime.requests[0].id
    assert updated.limits.cpu_shares == 204
    assert updated.restart == 0


def test_the_event_says_what_all_containers_are_to_have() -> None:
    pod = a_pod(an_app(), init=(a_sidecar(resources=of("1")),))
    words, _, summary = told_of(pod, error="no").partition(": ")
    assert words == "Pod resize error"
    plain = {"limits": {"cpu": "100m", "memory": "64Mi"}}
    plain["requests"] = plain["limits"]
    more = {"limits": {"cpu": "1", "memory": "64Mi"}, "requests": {"cpu": "1", "memory": "64Mi"}}
    assert msgspec.json.decode(summary) == {
        "initContainers": [{"name": "proxy", "resources": more}],
        "containers": [{"name": "app", "resources": plain}],
        "generation": 1,
        "error": "no",
    }
