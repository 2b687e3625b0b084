"""Events are told once, counted after, and never in a storm."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

from structlog.testing import capture_logs

from krustlet.kube import ApiError, ApiUnavailable, Forbidden, NamespaceEnding, NotFound
from krustlet.objects import Event, ObjectReference, Resource
from krustlet.status import EventRecorder
from tests.support.virtual_time import LoopClock, in_virtual_time

_POD = ObjectReference(
    kind="Pod", namespace="shop", name="web", uid="u1", field_path="spec.containers{app}"
)


class _FakeApi:
    def __init__(self) -> None:
        self.created: list[Event] = []
        self.patched: list[Any] = []
        self.failures: list[ApiError] = []

    async def create(self, resource: Resource[Event], obj: object, *, namespace: str = "") -> Event:
        if self.failures:
            raise self.failures.pop()
        assert isinstance(obj, Event)
        assert namespace == obj.metadata.namespace
        self.created.append(obj)
        return obj

    async def patch(
        self, resource: Resource[Event], name: str, patch: object, *, namespace: str = ""
    ) -> Event:
        if self.failures:
            raise self.failures.pop()
        self.patched.append(patch)
        return Event()


@contextlib.asynccontextmanager
async def _running(api: _FakeApi) -> AsyncIterator[EventRecorder]:
    recorder = EventRecorder(api, node="n1", clock=LoopClock())
    task = asyncio.create_task(recorder.run())
    yield recorder
    await asyncio.sleep(300)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


@in_virtual_time
async def test_an_event_says_who_what_and_when() -> None:
    api = _FakeApi()
    async with _running(api) as recorder:
        recorder.emit(_POD, kind="Normal", reason="Started", message="Container started")
    [event] = api.created
    assert event.involved_object == _POD
    assert (event.type, event.reason, event.message) == ("Normal", "Started", "Container started")
    assert (event.source.component, event.source.host) == ("kubelet", "n1")
    assert event.first_timestamp == event.last_timestamp == "2026-01-01T00:00:00Z"
    assert event.count == 1
    assert event.metadata.name.startswith("web.")


@in_virtual_time
async def test_the_same_again_is_counted() -> None:
    api = _FakeApi()
    async with _running(api) as recorder:
        for _ in range(3):
            recorder.emit(_POD, kind="Warning", reason="BackOff", message="again")
            await asyncio.sleep(10)
    assert len(api.created) == 1
    assert [patch["count"] for patch in api.patched] == [2, 3]
    assert api.patched[-1]["lastTimestamp"] == "2026-01-01T00:00:20Z"


@in_virtual_time
async def test_one_object_cannot_cause_a_storm() -> None:
    api = _FakeApi()
    async with _running(api) as recorder:
        for i in range(1000):
            recorder.emit(_POD, kind="Warning", reason=f"Reason{i}", message="m")
    assert len(api.created) == 25


@in_virtual_time
async def test_a_quiet_object_may_be_told_of_again() -> None:
    api = _FakeApi()
    async with _running(api) as recorder:
        for i in range(30):
            recorder.emit(_POD, kind="Warning", reason=f"Reason{i}", message="m")
        await asyncio.sleep(601)
        for i in range(30):
            recorder.emit(_POD, kind="Warning", reason=f"Later{i}", message="m")
    assert len(api.created) == 27


@in_virtual_time
async def test_many_like_events_become_one() -> None:
    api = _FakeApi()
    async with _running(api) as recorder:
        for i in range(20):
            recorder.emit(_POD, kind="Warning", reason="Failed", message=f"try {i}")
            await asyncio.sleep(1)
    assert len(api.created) == 11
    assert api.created[-1].message == "(combined from similar events): try 10"
    assert api.patched[-1]["message"] == "(combined from similar events): try 19"


@in_virtual_time
async def test_other_pods_have_bounds_of_their_own() -> None:
    api = _FakeApi()
    async with _running(api) as recorder:
        for i in range(200):
            pod = ObjectReference(kind="Pod", namespace="shop", name=f"p{i}", uid=f"u{i}")
            recorder.emit(pod, kind="Normal", reason="Started", message="m")
    assert len(api.created) == 200


@in_virtual_time
async def test_an_unreachable_server_is_told_later() -> None:
    api = _FakeApi()
    api.failures = [ApiUnavailable("refused"), ApiUnavailable("refused")]
    async with _running(api) as recorder:
        recorder.emit(_POD, kind="Normal", reason="Started", message="m")
    assert len(api.created) == 1


@in_virtual_time
async def test_what_the_server_refuses_is_given_up() -> None:
    api = _FakeApi()
    api.failures = [NamespaceEnding("namespace is being terminated")]
    async with _running(api) as recorder:
        recorder.emit(_POD, kind="Normal", reason="Killing", message="m")
        await asyncio.sleep(1)
        recorder.emit(_POD, kind="Normal", reason="Other", message="m")
    assert [event.reason for event in api.created] == ["Other"]


@in_virtual_time
async def test_a_right_that_is_missing_is_told_once_until_it_is_given() -> None:
    api = _FakeApi()
    with capture_logs() as logs:
        async with _running(api) as recorder:
            for number, failures in enumerate((1, 1, 0, 1)):
                api.failures = [Forbidden("events is forbidden")] * failures
                recorder.emit(_POD, kind="Normal", reason=f"No{number}", message="m")
                await asyncio.sleep(1)
    told = [one["log_level"] for one in logs if one["event"] == "event.refused"]
    assert told == ["warning", "debug", "warning"]


@in_virtual_time
async def test_a_namespace_that_is_being_deleted_is_no_matter_for_an_administrator() -> None:
    api = _FakeApi()
    api.failures = [NamespaceEnding("namespace is being terminated")]
    with capture_logs() as logs:
        async with _running(api) as recorder:
            recorder.emit(_POD, kind="Normal", reason="Killing", message="m")
    assert [one["log_level"] for one in logs] == ["debug"]


@in_virtual_time
async def test_an_event_that_has_expired_is_told_anew() -> None:
    api = _FakeApi()
    async with _running(api) as recorder:
        recorder.emit(_POD, kind="Normal", reason="Pulled", message="m")
        await asyncio.sleep(1)
        api.failures = [NotFound("expired")]
        recorder.emit(_POD, kind="Normal", reason="Pulled", message="m")
    assert len(api.created) == 2
