"""One pod through its life, in virtual time: what is done, in which order, and when."""

import asyncio
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from krustlet.images import ImageNotFound
from krustlet.objects import EnvVar, Pod, PodStatus, VolumeMount
from krustlet.pods import PodEvent
from krustlet.volumes import VolumeStorageFailed
from krustlet.wasm import NoEntryPoint
from tests.support.fake_node import FakeNode, Tripwire
from tests.support.pods import a_container, a_pod, a_sidecar
from tests.support.virtual_time import in_virtual_time

HERE = Path("/pods")


@pytest.fixture
def node(tmp_path: Path) -> FakeNode:
    return FakeNode(tmp_path)


def elapsed_s() -> float:
    return round(asyncio.get_running_loop().time(), 3)


# running ----------------------------------------------------------------------------------------


@in_virtual_time
async def test_a_fast_pod_is_seen_running_before_it_has_succeeded(node: FakeNode) -> None:
    node.runtime.runs["app"].append((0, 0))
    async with node.kubelet() as pods:
        pods.add(a_pod(policy="Never"), directory=HERE)
        await node.sink.until_phase("Succeeded")
    assert node.sink.phases() == ["Pending", "Running", "Succeeded"]
    assert elapsed_s() == 0


@in_virtual_time
async def test_crashes_wait_twice_as_long_each_time(node: FakeNode) -> None:
    node.runtime.runs["app"].extend([(0, 1)] * 4)
    async with node.kubelet() as pods:
        pods.add(a_pod(), directory=HERE)
        await node.sink.until_phase("Running")
        await node.sink.until(lambda: node.sink.container().restart_count == 4)
        assert elapsed_s() == 0 + 10 + 20 + 40
        assert [request.restart for request in node.runtime.requests] == [0, 1, 2, 3, 4]


@in_virtual_time
async def test_nothing_is_published_twice(node: FakeNode) -> None:
    node.runtime.runs["app"].extend([(1, 1)] * 3)
    async with node.kubelet() as pods:
        pods.add(a_pod(policy="OnFailure"), directory=HERE)
        await node.sink.until(lambda: node.sink.phases() == ["Pending", "Running"])
        await asyncio.sleep(1000)
    told = node.sink.statuses["web"]
    assert all(one != other for one, other in pairwise(told))


@in_virtual_time
async def test_a_container_gets_what_the_manifest_says(node: FakeNode, tmp_path: Path) -> None:
    app = a_container(
        command=("serve", "$(PORT)"),
        args=("--verbose",),
        env=(EnvVar(name="PORT", value="80"),),
        working_dir="/srv",
    )
    async with node.kubelet() as pods:
        pods.add(a_pod(app), directory=HERE)
        await node.sink.until_phase("Running")
    (request,) = node.runtime.requests
    assert request.argv == ["serve", "80", "--verbose"]
    assert request.env == {"PORT": "80"}
    assert request.working_dir == "/srv"
    assert (request.pod, request.pod_uid, request.container) == ("shop/web", "uid-of-web", "app")
    assert request.log == str(tmp_path / "logs/shop_web_uid-of-web/app/0.log")
    assert node.sink.container().container_id == f"krustlet://{request.id}"


@in_virtual_time
async def test_volumes_reach_the_container(node: FakeNode, tmp_path: Path) -> None:
    node.volumes.paths["data"] = tmp_path
    app = a_container(volume_mounts=(VolumeMount(name="data", mount_path="/data"),))
    async with node.kubelet() as pods:
        pods.add(a_pod(app), directory=HERE)
        await node.sink.until_phase("Running")
    (request,) = node.runtime.requests
    assert [(mount.host, mount.guest) for mount in request.mounts] == [
        (str(tmp_path.resolve()), "/data")
    ]


# before and after -------------------------------------------------------------------------------


@in_virtual_time
async def test_what_is_about_to_be_done_is_on_disk_before(node: FakeNode) -> None:
    """So that a kubelet killed at any moment leaves word of what it may have begun."""
    seen: list[tuple[str, str, str]] = []

    def note(what: str) -> Callable[[], None]:
        def look() -> None:
            state = node.checkpoints.load("uid-of-web")
            assert state is not None
            seen.append((what, state.volumes.are, state.containers["app"].run))

        return look

    node.volumes.mount_trip = note("mount")  # type: ignore[assignment]
    node.runtime.start_trip = note("start")  # type: ignore[assignment]
    node.runtime.stop_trip = note("stop")  # type: ignore[assignment]
    node.runtime.forget_trip = note("forget")  # type: ignore[assignment]
    node.volumes.unmount_trip = note("unmount")  # type: ignore[assignment]
    told: list[tuple[str, str]] = []

    def compare(pod: Pod, status: PodStatus) -> None:
        state = node.checkpoints.load("uid-of-web")
        told.append((status.phase, state.containers["app"].run if state else "nothing"))

    node.sink.on_publish = compare
    async with node.kubelet() as pods:
        pods.add(a_pod(), directory=HERE)
        await node.sink.until_phase("Running")
        pods.delete("uid-of-web", grace_s=30)
        await node.sink.until_gone()

    assert seen == [
        ("mount", "mounting", "waiting"),
        ("start", "mounted", "creating"),
        ("stop", "mounted", "stopping"),
        ("forget", "unmounting", "ended"),
        ("unmount", "unmounting", "ended"),
    ]
    assert ("Running", "running") in told
    assert told[-1] == ("Failed", "ended")


@in_virtual_time
async def test_nothing_is_left_of_a_pod_that_is_gone(node: FakeNode, tmp_path: Path) -> None:
    async with node.kubelet() as pods:
        pods.add(a_pod(), directory=HERE)
        await node.sink.until_phase("Running")
        assert pods.state_of("uid-of-web") is not None
        assert list(node.checkpoints.uids()) == ["uid-of-web"]
        pods.delete("uid-of-web", grace_s=0)
        await node.sink.until_gone()
        assert pods.state_of("uid-of-web") is None
    assert list((tmp_path / "pods").iterdir()) == []
    assert node.volumes.unmounted == ["uid-of-web"]
    assert node.runtime.clean_trip.touched == 1
    assert node.runtime.ended == {}


# failures that were foreseen --------------------------------------------------------------------


@in_virtual_time
async def test_a_failed_pull_is_tried_again_until_it_succeeds(node: FakeNode) -> None:
    node.images.trip.errors.extend([ImageNotFound("no such file", hint="make it")] * 2)
    async with node.kubelet() as pods:
        pods.add(a_pod(), directory=HERE)
        await node.sink.until_phase("Running")
    assert elapsed_s() == 10 + 20
    assert node.sink.told() == [
        'Failed: Failed to pull image "file:app.wasm": no such file',
        'BackOff: Back-off pulling image "file:app.wasm"',
        'Failed: Failed to pull image "file:app.wasm": no such file',
        'BackOff: Back-off pulling image "file:app.wasm"',
        'Pulled: Container image "file:app.wasm" already present on machine',
        "Created: Container created",
        "Started: Container started",
    ]
    _, failed = node.sink.events[0]
    assert (failed.kind, failed.container, failed.hint) == ("Warning", "app", "make it")


@in_virtual_time
async def test_a_module_that_cannot_run_keeps_its_reason(node: FakeNode) -> None:
    node.runtime.prepare_trip.errors.append(NoEntryPoint("m.wasm", []))
    async with node.kubelet() as pods:
        pods.add(a_pod(), directory=HERE)
        await node.sink.until(lambda: any("_start" in told for told in node.sink.told()))
        await asyncio.sleep(5)
        waiting = node.sink.container().state.waiting
        assert waiting is not None
        assert waiting.reason == "CreateContainerError"
        assert "_start" in waiting.message
        assert "Failed: Error: m.wasm has no _start to run; it exports nothing" in node.sink.told()


@in_virtual_time
async def test_a_start_that_fails_has_created_nothing(node: FakeNode) -> None:
    node.runtime.start_trip.errors.append(NoEntryPoint("m.wasm", []))
    async with node.kubelet() as pods:
        pods.add(a_pod(), directory=HERE)
        await node.sink.until_phase("Running")
    assert elapsed_s() == 10
    assert node.sink.told().count("Created: Container created") == 1


@in_virtual_time
async def test_mounting_is_tried_again_until_it_succeeds(node: FakeNode) -> None:
    node.volumes.mount_trip.errors.extend([VolumeStorageFailed("disk full", hint="tidy up")] * 2)
    async with node.kubelet() as pods:
        pods.add(a_pod(), directory=HERE)
        await node.sink.until_phase("Running")
    assert elapsed_s() == 0.5 + 1
    assert node.sink.told(kind="Warning") == ["FailedMount: disk full"] * 2
    assert node.sink.events[0][1].hint == "tidy up"


@in_virtual_time
async def test_unmounting_is_tried_again_until_it_succeeds(node: FakeNode) -> None:
    node.volumes.unmount_trip.errors.extend([VolumeStorageFailed("busy")] * 2)
    async with node.kubelet() as pods:
        pods.add(a_pod(), directory=HERE)
        await node.sink.until_phase("Running")
        pods.delete("uid-of-web", grace_s=0)
        await node.sink.until_gone()
    assert elapsed_s() == 0.5 + 1
    assert node.sink.told(kind="Warning") == ["FailedKillPod: error killing pod: busy"] * 2


@in_virtual_time
async def test_a_crash_loop_is_told_in_the_kubelets_words(node: FakeNode) -> None:
    node.runtime.runs["app"].extend([(0, 1)] * 2)
    async with node.kubelet() as pods:
        pods.add(a_pod(), directory=HERE)
        await node.sink.until_phase("Running")
        await node.sink.until(lambda: node.sink.container().restart_count == 2)
    assert node.sink.told(kind="Warning") == [
        "BackOff: Back-off restarting failed container app in pod web_shop(uid-of-web)"
    ]


# deletion ---------------------------------------------------------------------------------------


@in_virtual_time
async def test_a_slow_pull_is_abandoned(node: FakeNode) -> None:
    node.images.pull_s = 1000
    async with node.kubelet() as pods:
        pods.add(a_pod(), directory=HERE)
        await asyncio.sleep(5)
        pods.delete("uid-of-web", grace_s=30)
        await node.sink.until_gone()
    assert elapsed_s() == 5
    assert node.runtime.requests == []


@in_virtual_time
async def test_an_attempt_is_abandoned_that_has_not_even_begun(node: FakeNode) -> None:
    node.images.pull_s = 1000
    async with node.kubelet() as pods:

        def delete(pod: Pod, status: PodStatus) -> None:
            state = pods.state_of(pod.uid)
            if state is not None and state.containers["app"].attempt:
                pods.delete(pod.uid, grace_s=30)

        node.sink.on_publish = delete
        pods.add(a_pod(), directory=HERE)
        await node.sink.until_gone()
    assert elapsed_s() == 0


@in_virtual_time
async def test_a_start_under_way_is_waited_for_then_stopped(node: FakeNode) -> None:
    node.runtime.start_s = 3
    async with node.kubelet() as pods:
        pods.add(a_pod(), directory=HERE)
        await asyncio.sleep(1)
        pods.delete("uid-of-web", grace_s=30)
        await node.sink.until_gone()
    assert elapsed_s() == 3
    assert [grace_s for _, grace_s in node.runtime.stops] == [28]


@in_virtual_time
async def test_what_does_not_end_is_given_its_grace(node: FakeNode) -> None:
    node.runtime.obeys = False
    async with node.kubelet() as pods:
        pods.add(a_pod(), directory=HERE)
        await node.sink.until_phase("Running")
        pods.delete("uid-of-web", grace_s=30)
        await asyncio.sleep(4)
        pods.delete("uid-of-web", grace_s=60)
        await asyncio.sleep(4)
        pods.delete("uid-of-web", grace_s=2)
        await node.sink.until_gone()
    assert elapsed_s() == 4 + 4 + 2
    assert [grace_s for _, grace_s in node.runtime.stops] == [30, 2]
    assert node.sink.told()[-2:] == ["Killing: Stopping container app"] * 2


@in_virtual_time
async def test_sidecars_go_last(node: FakeNode) -> None:
    node.runtime.obeys = False
    async with node.kubelet() as pods:
        pods.add(a_pod(init=(a_sidecar("log"), a_sidecar("proxy"))), directory=HERE)
        await node.sink.until_phase("Running")
        pods.delete("uid-of-web", grace_s=10)
        await node.sink.until_gone()
    names = {request.id: request.container for request in node.runtime.requests}
    stops = [(names[container_id], grace_s) for container_id, grace_s in node.runtime.stops]
    assert stops == [("app", 10), ("proxy", 0), ("log", 0)]


# bugs -------------------------------------------------------------------------------------------


BUG = "a bug, on purpose"

PLACES: dict[str, Callable[[FakeNode], Tripwire]] = {
    "pulling": lambda node: node.images.trip,
    "mounting": lambda node: node.volumes.mount_trip,
    "preparing": lambda node: node.runtime.prepare_trip,
    "starting": lambda node: node.runtime.start_trip,
    "stopping": lambda node: node.runtime.stop_trip,
    "forgetting": lambda node: node.runtime.forget_trip,
    "unmounting": lambda node: node.volumes.unmount_trip,
    "cleaning": lambda node: node.runtime.clean_trip,
    "publishing": lambda node: node.sink.publish_trip,
    "emitting": lambda node: node.sink.emit_trip,
    "saying goodbye": lambda node: node.sink.gone_trip,
}


@pytest.mark.parametrize("place", PLACES)
@in_virtual_time
async def test_a_bug_in_one_pod_is_survived_and_disturbs_no_other(
    node: FakeNode, place: str
) -> None:
    trip = PLACES[place](node)
    trip.errors.append(RuntimeError(BUG))
    async with node.kubelet() as pods:
        for name in ("one", "two"):
            pods.add(a_pod(name=name), directory=HERE)
        await asyncio.sleep(20)
        for name in ("one", "two"):
            pods.delete(f"uid-of-{name}", grace_s=30)
        await node.sink.until(lambda: len(node.sink.gone_at) == 2)

    assert not trip.errors
    told = {name: node.sink.told(name) for name in ("one", "two")}
    bug = f"FailedSync: error syncing pod: {BUG}"
    (sick,) = [name for name in told if bug in told[name]]
    (sound,) = [name for name in told if bug not in told[name]]
    assert node.sink.phase_since[sound, "Running"] == 0
    assert node.sink.gone_at[sound] == 20
    assert node.sink.phase_since[sick, "Running"] in (0, 0.5, 10)
    assert node.sink.gone_at[sick] in (20, 20.5, 30)
    assert not node.runtime.running


@in_virtual_time
async def test_a_bug_is_told_and_the_pod_taken_up_again_after_a_pause(node: FakeNode) -> None:
    node.images.trip.errors.append(RuntimeError(BUG))
    async with node.kubelet() as pods:
        pods.add(a_pod(), directory=HERE)
        await node.sink.until_phase("Running")
    assert elapsed_s() == 10
    assert node.sink.told()[0] == f"FailedSync: error syncing pod: {BUG}"
    assert node.sink.events[0][1] == PodEvent(
        reason="FailedSync", message=f"error syncing pod: {BUG}", kind="Warning"
    )


@in_virtual_time
async def test_a_full_disk_holds_the_pod_up_and_loses_nothing(node: FakeNode) -> None:
    save = node.checkpoints.save
    full = Tripwire()
    node.runtime.runs["app"].append((5, 7))

    def save_if_there_is_room(state: object) -> None:
        full()
        save(state)  # type: ignore[arg-type]

    node.checkpoints.save = save_if_there_is_room  # type: ignore[method-assign]
    async with node.kubelet() as pods:
        pods.add(a_pod(policy="Never"), directory=HERE)
        await node.sink.until_phase("Running")
        full.errors.extend([OSError(28, "No space left on device")] * 2)
        await node.sink.until_phase("Failed")
    assert elapsed_s() == 5 + 10 + 10
    end = node.sink.container().state.terminated
    assert end is not None
    assert end.exit_code == 7
    assert "FailedSync: error syncing pod: [Errno 28] No space left on device" in node.sink.told()


@in_virtual_time
async def test_a_start_that_nobody_knows_the_outcome_of_is_undone(node: FakeNode) -> None:
    begin = node.runtime.begin

    def begin_and_fail(container_id: str) -> None:
        begin(container_id)
        node.runtime.begin = begin  # type: ignore[method-assign]
        raise RuntimeError(BUG)

    node.runtime.begin = begin_and_fail  # type: ignore[method-assign]
    async with node.kubelet() as pods:
        pods.add(a_pod(), directory=HERE)
        await asyncio.sleep(100)
        assert len(node.runtime.running) == 1
        assert len(node.runtime.stops) == 1
