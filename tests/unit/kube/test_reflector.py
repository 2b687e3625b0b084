"""A reflection goes on whatever the server does, at a pace that spares it."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from itertools import pairwise
from typing import Any

import pytest
import structlog.testing

from krustlet.kube import (
    ApiError,
    ApiUnavailable,
    Applied,
    Change,
    Forbidden,
    Gone,
    Listed,
    Listing,
    Removed,
    UnreadableAnswer,
    WatchEvent,
    WatchType,
    reflect,
)
from krustlet.objects import PODS, ObjectMeta, Pod, Resource
from tests.support.virtual_time import in_virtual_time

HOURS_S = 10_000.0


def a_pod(name: str, version: str = "1") -> Pod:
    return Pod(metadata=ObjectMeta(name=name, uid=name, resource_version=version))


class Lasts:
    """A watch that ends after a while."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds


class ScriptedServer:
    """Answers each list and each watch with the next of what it was told to.

    A list is a `Listing` or an error; a watch a sequence of events, pauses and perhaps an error.
    Once there is nothing left, watches last for ever.
    """

    def __init__(self, *, lists: list[Any], watches: list[list[Any]]) -> None:
        self._lists = lists
        self._watches = watches
        self.asked: list[tuple[float, str]] = []

    async def list(self, resource: Resource[Any], **chosen: str) -> Listing[Any]:
        self._note("list")
        answer = self._lists.pop(0)
        if isinstance(answer, ApiError):
            raise answer
        assert isinstance(answer, Listing)
        return answer

    async def watch(
        self, resource: Resource[Any], *, resource_version: str = "", **chosen: str
    ) -> AsyncGenerator[WatchEvent[Any], None]:
        self._note(f"watch {resource_version}")
        if not self._watches:
            await asyncio.get_running_loop().create_future()
        for part in self._watches.pop(0):
            match part:
                case Lasts(seconds=seconds):
                    await asyncio.sleep(seconds)
                case ApiError():
                    raise part
                case _:
                    yield part

    def _note(self, what: str) -> None:
        self.asked.append((asyncio.get_running_loop().time(), what))

    @property
    def requests(self) -> Sequence[str]:
        return [what for _, what in self.asked]

    @property
    def pauses(self) -> Sequence[float]:
        times = [at for at, _ in self.asked]
        return [later - sooner for sooner, later in pairwise(times)]


async def changes_of(server: ScriptedServer, *, within_s: float = HOURS_S) -> list[Change[Pod]]:
    """All that is told until nothing happens any more."""
    told: list[Change[Pod]] = []
    try:
        async with asyncio.timeout(within_s), aclosing(reflect(server, PODS)) as changes:
            async for change in changes:
                told.append(change)
    except TimeoutError:
        return told
    raise AssertionError("a reflection never ends")


def an_event(kind: str, pod: Pod) -> WatchEvent[Pod]:
    return WatchEvent(WatchType(kind), pod, pod.metadata.resource_version)


def a_bookmark(version: str) -> WatchEvent[Pod]:
    return WatchEvent(WatchType.BOOKMARK, None, version)


@in_virtual_time
async def test_the_list_comes_first_and_then_what_happens() -> None:
    old, new = a_pod("web", "5"), a_pod("web", "11")
    server = ScriptedServer(
        lists=[Listing((old,), "10")],
        watches=[[an_event("MODIFIED", new), an_event("DELETED", new), Lasts(HOURS_S)]],
    )

    assert await changes_of(server) == [Listed((old,)), Applied(new), Removed(new)]
    assert server.requests == ["list", "watch 10"]


@in_virtual_time
async def test_a_watch_that_ended_in_order_goes_on_at_once_where_it_was() -> None:
    server = ScriptedServer(
        lists=[Listing((), "10")],
        watches=[
            [Lasts(300), a_bookmark("15"), Lasts(10)],
            [Lasts(2), an_event("ADDED", a_pod("web", "17"))],
            [Lasts(400)],
        ],
    )

    await changes_of(server)

    assert server.requests == ["list", "watch 10", "watch 15", "watch 17", "watch 17"]
    assert server.pauses == [0, 310, 2, 400]


@in_virtual_time
async def test_what_was_missed_is_told_when_the_version_is_too_old() -> None:
    gone, stays, new = a_pod("gone"), a_pod("stays"), a_pod("new")
    server = ScriptedServer(
        lists=[Listing((gone, stays), "10"), Listing((stays, new), "500")],
        watches=[[Lasts(300)], [Gone("too old", status=410)]],
    )

    told = await changes_of(server)

    assert told == [Listed((gone, stays)), Removed(gone), Applied(new)]
    assert server.requests == ["list", "watch 10", "watch 10", "list", "watch 500"]
    assert server.pauses[2] == 0  # the first time there is nothing to wait for


@in_virtual_time
async def test_a_server_whose_versions_are_always_too_old_is_not_asked_in_a_loop() -> None:
    server = ScriptedServer(
        lists=[Listing((), "10")] * 8, watches=[[Gone("too old", status=410)]] * 7
    )

    await changes_of(server)

    waited = [pause for pause in server.pauses if pause]
    assert len(waited) == 6
    assert waited[-1] >= 15


@in_virtual_time
async def test_a_server_that_is_away_is_asked_less_and_less() -> None:
    away = ApiUnavailable("refused")
    server = ScriptedServer(lists=[*[away] * 12, Listing((), "10")], watches=[])

    assert await changes_of(server) == [Listed(())]

    pauses = server.pauses[:-1]
    for pause, longest in zip(pauses, [1.6, 3.2, 6.4, 12.8, 25.6, *[30.0] * 7], strict=True):
        assert longest / 2 <= pause <= longest


@in_virtual_time
async def test_a_watch_that_ends_as_it_begins_is_not_asked_for_in_a_loop() -> None:
    server = ScriptedServer(lists=[Listing((), "10")], watches=[[a_bookmark("11")]] * 6)

    await changes_of(server)

    assert all(pause >= 0.8 for pause in server.pauses[1:])
    assert server.pauses[-1] >= 15


@pytest.mark.parametrize("ends", ["in order", "with an error"])
def test_a_healthy_minute_makes_up_for_all_failures(ends: str) -> None:
    away = ApiUnavailable("refused")
    in_order = ends == "in order"
    watches: list[list[Any]] = [[Lasts(61)], [away]] if in_order else [[Lasts(61), away]]
    server = ScriptedServer(lists=[*[away] * 8, Listing((), "10")], watches=watches)

    @in_virtual_time
    async def run() -> None:
        await changes_of(server)

    run()

    rested = server.pauses[-1] - (0 if in_order else 61)
    assert 0.79 <= rested <= 1.61
    assert server.requests[-2:] == ["watch 10"] * 2


@in_virtual_time
async def test_the_server_says_itself_how_long_it_wants_to_be_left_alone() -> None:
    busy = ApiUnavailable("starting", status=503, retry_after_s=45.0)
    server = ScriptedServer(lists=[busy, Listing((), "10")], watches=[])

    await changes_of(server)

    assert server.pauses[0] == 45


@in_virtual_time
async def test_objects_that_cannot_be_read_lead_to_a_new_list() -> None:
    server = ScriptedServer(
        lists=[Listing((), "10"), Listing((), "20")], watches=[[UnreadableAnswer("what?")]]
    )

    await changes_of(server)

    assert server.requests == ["list", "watch 10", "list", "watch 20"]
    assert server.pauses[1] >= 0.8


@pytest.mark.parametrize("make", [ApiUnavailable, Forbidden])
def test_trouble_is_told_once_and_so_is_its_end(make: Callable[[str], ApiError]) -> None:
    @in_virtual_time
    async def run() -> None:
        await changes_of(ScriptedServer(lists=[*[make("no")] * 5, Listing((), "10")], watches=[]))

    with structlog.testing.capture_logs() as logs:
        run()

    told = [(line["event"], line["log_level"]) for line in logs if line["log_level"] != "debug"]
    assert told == [("kube.reflect_failed", "warning"), ("kube.reflect_resumed", "info")]


def test_another_kind_of_trouble_is_told_as_well() -> None:
    @in_virtual_time
    async def run() -> None:
        lists = [ApiUnavailable("away"), Forbidden("no"), Forbidden("no"), Listing((), "10")]
        await changes_of(ScriptedServer(lists=lists, watches=[]))

    with structlog.testing.capture_logs() as logs:
        run()

    assert [line["error"] for line in logs if line["log_level"] == "warning"] == ["away", "no"]


@in_virtual_time
async def test_a_bug_is_not_taken_for_a_failing_server() -> None:
    class Broken(ScriptedServer):
        async def list(self, resource: Resource[Any], **chosen: str) -> Listing[Any]:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await changes_of(Broken(lists=[], watches=[]))
