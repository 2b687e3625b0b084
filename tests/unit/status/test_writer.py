"""Statuses arrive in order, as few as it takes, and the pod goes when all was told."""

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec

from krustlet.kube import ApiError, ApiUnavailable, Conflict, NotFound, TooManyRequests
from krustlet.objects import (
    ContainerState,
    ContainerStateWaiting,
    ContainerStatus,
    Pod,
    PodCondition,
    PodStatus,
    Resource,
)
from krustlet.status import StatusWriter
from tests.support.pods import a_pod
from tests.support.virtual_time import in_virtual_time

_PENDING = PodStatus(phase="Pending", start_time="2026-01-01T00:00:00Z")
_RUNNING = PodStatus(phase="Running")
_SUCCEEDED = PodStatus(phase="Succeeded")


def _waiting(reason: str) -> PodStatus:
    state = ContainerState(waiting=ContainerStateWaiting(reason=reason))
    status = ContainerStatus(
        name="app", ready=False, restart_count=0, image="i", image_id="", state=state
    )
    return PodStatus(phase="Pending", container_statuses=(status,))


class _FakeApi:
    """Has one pod, takes its time, and fails when told to."""

    def __init__(self, takes_s: float = 0.01) -> None:
        self.log: list[str] = []
        self.patches: list[Any] = []
        self.failures: list[Exception] = []
        self.takes_s = takes_s
        self.version = 100
        self.fields: dict[str, dict[str, Any]] = {}  # of each pod's status

    async def patch(
        self,
        resource: Resource[Pod],
        name: str,
        patch: object,
        *,
        namespace: str = "",
        subresource: str = "",
    ) -> Pod:
        await asyncio.sleep(self.takes_s)
        if self.failures:
            raise self.failures.pop()
        sent: Any = msgspec.json.decode(msgspec.json.encode(patch))
        assert subresource == "status"
        self.log.append(sent["status"].get("phase", "same phase"))
        self.patches.append(sent["status"])
        self.version += 1
        pod = a_pod()
        meta = msgspec.structs.replace(pod.metadata, resource_version=str(self.version))
        fields = self.fields.setdefault(name, {})
        fields.update(_without_nulls(sent["status"]))
        return msgspec.structs.replace(
            pod, metadata=meta, status=msgspec.convert(fields, PodStatus)
        )

    async def delete(
        self,
        resource: Resource[Pod],
        name: str,
        *,
        namespace: str = "",
        grace_period_s: int | None = None,
        uid: str = "",
    ) -> None:
        await asyncio.sleep(self.takes_s)
        if self.failures:
            raise self.failures.pop()
        assert grace_period_s == 0
        self.log.append(f"deleted {uid}")


def _without_nulls(value: Any) -> Any:
    """As a server keeps it: what is cleared is not there."""
    if isinstance(value, dict):
        return {key: _without_nulls(inner) for key, inner in value.items() if inner is not None}
    return [_without_nulls(inner) for inner in value] if isinstance(value, list) else value


def _as_seen(pod: Pod, status: PodStatus, version: int) -> Pod:
    meta = msgspec.structs.replace(pod.metadata, resource_version=str(version))
    return msgspec.structs.replace(pod, metadata=meta, status=status)


@in_virtual_time
async def test_a_pod_that_ran_for_a_moment_is_still_told_to_have_run() -> None:
    api = _FakeApi()
    async with StatusWriter(api) as writer:
        for status in (_PENDING, _RUNNING, _SUCCEEDED):
            writer.publish(a_pod(), status)
        await asyncio.sleep(1)
    assert api.log == ["Running", "Succeeded"]


@in_virtual_time
async def test_the_word_that_it_ran_is_kept_while_an_earlier_one_is_on_its_way() -> None:
    api = _FakeApi()
    async with StatusWriter(api) as writer:
        writer.publish(a_pod(), _waiting("ErrImagePull"))
        await asyncio.sleep(0.005)  # being sent
        writer.publish(a_pod(), _RUNNING)
        writer.publish(a_pod(), _SUCCEEDED)
        await asyncio.sleep(1)
    assert api.log == ["Pending", "Running", "Succeeded"]


@in_virtual_time
async def test_of_many_changes_only_the_last_is_sent() -> None:
    api = _FakeApi()
    async with StatusWriter(api) as writer:
        for generation in range(1, 500):
            status = msgspec.structs.replace(_RUNNING, observed_generation=generation)
            writer.publish(a_pod(), status)
        await asyncio.sleep(1)
    assert [patch.get("observedGeneration") for patch in api.patches] == [499]


@in_virtual_time
async def test_that_a_pod_is_being_started_is_told_only_if_it_takes_a_while() -> None:
    api = _FakeApi()
    async with StatusWriter(api) as writer:
        writer.publish(a_pod(), _waiting("ContainerCreating"))
        await asyncio.sleep(0.05)
        assert api.log == []
        await asyncio.sleep(0.1)
        assert api.log == ["Pending"]


@in_virtual_time
async def test_what_goes_wrong_is_told_at_once() -> None:
    api = _FakeApi()
    async with StatusWriter(api) as writer:
        writer.publish(a_pod(), _waiting("ErrImagePull"))
        await asyncio.sleep(0.02)
        assert api.log == ["Pending"]


@in_virtual_time
async def test_a_pod_is_deleted_after_its_last_status() -> None:
    api = _FakeApi()
    pod = a_pod()
    async with StatusWriter(api) as writer:
        writer.publish(pod, _RUNNING)
        writer.publish(pod, _SUCCEEDED)
        writer.finish(pod)
        await asyncio.sleep(1)
    assert api.log == ["Running", "Succeeded", f"deleted {pod.uid}"]


@in_virtual_time
async def test_an_unreachable_server_gets_the_statuses_later_in_order() -> None:
    api = _FakeApi()
    api.failures = [ApiUnavailable("refused") for _ in range(5)]
    pod = a_pod()
    async with StatusWriter(api) as writer:
        writer.publish(pod, _RUNNING)
        await asyncio.sleep(0.1)
        writer.publish(pod, _SUCCEEDED)
        writer.finish(pod)
        await asyncio.sleep(60)
    assert api.log == ["Running", "Succeeded", f"deleted {pod.uid}"]


@in_virtual_time
async def test_a_server_that_is_too_busy_is_left_alone_for_as_long_as_it_asks() -> None:
    api = _FakeApi()
    api.failures = [TooManyRequests("busy", status=429, retry_after_s=5) for _ in range(2)]
    async with StatusWriter(api) as writer:
        writer.publish(a_pod(), _RUNNING)
        await asyncio.sleep(9.9)
        assert api.log == []
        assert api.failures == []
        await asyncio.sleep(0.2)
    assert api.log == ["Running"]


@in_virtual_time
async def test_a_failed_delete_is_tried_again() -> None:
    api = _FakeApi()
    api.failures = [ApiUnavailable("reset")]
    pod = a_pod()
    async with StatusWriter(api) as writer:
        writer.finish(pod)
        await asyncio.sleep(5)
    assert api.log == [f"deleted {pod.uid}"]


@in_virtual_time
async def test_a_pod_that_is_gone_or_another_is_let_be() -> None:
    kinds: list[Callable[[str], ApiError]] = [NotFound, Conflict]
    for kind in kinds:
        api = _FakeApi()
        api.failures = [kind("no")]
        async with StatusWriter(api) as writer:
            writer.publish(a_pod(), _RUNNING)
            writer.finish(a_pod())
            await asyncio.sleep(5)
        assert api.log == []


@in_virtual_time
async def test_what_another_has_overwritten_is_said_again() -> None:
    api = _FakeApi()
    pod = a_pod()
    ready = PodCondition(type="Ready", status="True")
    not_ready = PodCondition(type="Ready", status="False", reason="NodeNotReady")
    async with StatusWriter(api) as writer:
        writer.publish(pod, msgspec.structs.replace(_RUNNING, conditions=(ready,)))
        await asyncio.sleep(1)
        overwritten = msgspec.structs.replace(_RUNNING, conditions=(not_ready,))
        writer.seen(_as_seen(pod, overwritten, version=500))
        await asyncio.sleep(1)
    assert len(api.patches) == 2
    [condition] = api.patches[1]["conditions"]
    assert condition["status"] == "True"


@in_virtual_time
async def test_an_old_event_of_the_watch_changes_nothing() -> None:
    api = _FakeApi()
    pod = a_pod()
    async with StatusWriter(api) as writer:
        writer.publish(pod, _SUCCEEDED)
        await asyncio.sleep(1)
        writer.seen(_as_seen(pod, _PENDING, version=50))
        await asyncio.sleep(1)
    assert api.log == ["Succeeded"]


@in_virtual_time
async def test_a_dropped_pod_is_told_of_no_more() -> None:
    api = _FakeApi()
    api.failures = [ApiUnavailable("refused")]
    pod = a_pod()
    async with StatusWriter(api) as writer:
        writer.publish(pod, _RUNNING)
        await asyncio.sleep(0.05)
        writer.drop(pod.uid)
        await asyncio.sleep(30)
    assert api.log == []


@in_virtual_time
async def test_a_bug_met_with_one_pod_is_only_that_pods() -> None:
    api = _FakeApi()
    api.failures = [KeyError("bug")]
    async with StatusWriter(api) as writer:
        writer.publish(a_pod(), _RUNNING)
        await asyncio.sleep(0.05)
        writer.publish(a_pod(name="other"), _RUNNING)
        await asyncio.sleep(30)
    assert api.log == ["Running", "Running"]


@in_virtual_time
async def test_which_version_was_seen_is_told_in_time_but_not_of_a_pod_that_goes() -> None:
    api = _FakeApi()
    api.fields["web"] = {"qosClass": "BestEffort"}  # as others write, too
    seen = msgspec.structs.replace(_RUNNING, observed_generation=2)
    async with StatusWriter(api) as writer:
        writer.publish(a_pod(), _RUNNING)
        await asyncio.sleep(1)
        writer.publish(a_pod(), seen)
        await asyncio.sleep(1)
        assert [patch.get("observedGeneration") for patch in api.patches] == [None, 2]
        writer.publish(a_pod(), msgspec.structs.replace(seen, observed_generation=3))
        writer.finish(a_pod())
        await asyncio.sleep(1)
    assert api.log == ["Running", "same phase", f"deleted {a_pod().uid}"]


@in_virtual_time
async def test_that_pods_are_being_started_waits_while_there_is_much_else_to_tell() -> None:
    api = _FakeApi(takes_s=0.3)
    names = [f"p{i}" for i in range(40)]
    async with StatusWriter(api) as writer:
        for name in names:
            writer.publish(a_pod(name=name), _RUNNING)
        writer.publish(a_pod(name="new"), _waiting("ContainerCreating"))
        await asyncio.sleep(0.5)
        assert "Pending" not in api.log
        await asyncio.sleep(2)
    assert api.log.count("Pending") == 1


# waiting for it ---------------------------------------------------------------------------------


async def _told_after_s(writer: StatusWriter) -> float:
    began = asyncio.get_running_loop().time()
    async with asyncio.timeout(100):
        await writer.until_told(a_pod().uid)
    return round(asyncio.get_running_loop().time() - began, 3)


@in_virtual_time
async def test_who_waits_for_the_last_word_waits_until_it_has_arrived() -> None:
    api = _FakeApi(takes_s=1)
    api.failures = [ApiUnavailable("refused"), ApiUnavailable("refused")]
    async with StatusWriter(api) as writer:
        assert await _told_after_s(writer) == 0  # nothing has been said yet
        writer.publish(a_pod(), _RUNNING)
        writer.publish(a_pod(), _SUCCEEDED)
        assert await _told_after_s(writer) > 2
        assert api.log == ["Running", "Succeeded"]
        assert await _told_after_s(writer) == 0


@in_virtual_time
async def test_nobody_waits_for_word_of_a_newer_version_only() -> None:
    api = _FakeApi(takes_s=1)
    async with StatusWriter(api) as writer:
        writer.publish(a_pod(), _SUCCEEDED)
        await writer.until_told(a_pod().uid)
        writer.publish(a_pod(), msgspec.structs.replace(_SUCCEEDED, observed_generation=2))
        assert await _told_after_s(writer) == 0


@in_virtual_time
async def test_nobody_waits_for_word_of_a_pod_that_is_no_more() -> None:
    api = _FakeApi(takes_s=1)
    api.failures = [NotFound("gone", status=404)]
    async with StatusWriter(api) as writer:
        writer.publish(a_pod(), _RUNNING)
        assert await _told_after_s(writer) == 1
        writer.publish(a_pod(), _RUNNING)
        waiting = asyncio.create_task(_told_after_s(writer))
        await asyncio.sleep(0.5)
        writer.drop(a_pod().uid)
        assert await waiting == 0.5
