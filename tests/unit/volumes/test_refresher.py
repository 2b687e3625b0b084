"""Renewals come at their time, are tried again, and stop when their pod is gone."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from structlog.testing import capture_logs

from krustlet.base import Instant, KrustletError
from krustlet.volumes.refresher import Refresher, VolumeOf
from tests.support.virtual_time import EPOCH, LoopClock, in_virtual_time

A = VolumeOf("pod-a", "v")
B = VolumeOf("pod-b", "v")


def at(seconds: float) -> Instant:
    return Instant(EPOCH + seconds)


def elapsed_s() -> float:
    return round(asyncio.get_running_loop().time(), 3)


class Renewals:
    """Notes who was renewed when.

    Attributes:
        every_s: when it is due again; None for never.
        errors: raised one after the other, before anything succeeds.
    """

    def __init__(self, *errors: Exception, every_s: float | None = None) -> None:
        self.errors = list(errors)
        self.every_s = every_s
        self.takes_s = 0.0
        self.under_way = self.most_under_way = 0
        self.seen: list[tuple[str, float]] = []
        self.refresher = Refresher(LoopClock(), self)

    async def __call__(self, volume: VolumeOf) -> Instant | None:
        self.seen.append((volume.pod_uid, elapsed_s()))
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        await asyncio.sleep(self.takes_s)
        self.under_way -= 1
        if self.errors:
            raise self.errors.pop(0)
        return None if self.every_s is None else at(elapsed_s() + self.every_s)

    @asynccontextmanager
    async def run(self) -> AsyncIterator[Refresher]:
        running = asyncio.create_task(self.refresher.run())
        try:
            yield self.refresher
        finally:
            running.cancel()
            with pytest.raises(asyncio.CancelledError):
                await running


@in_virtual_time
async def test_each_volume_is_renewed_at_its_own_time() -> None:
    renewals = Renewals()
    renewals.refresher.schedule(B, at(200))
    async with renewals.run() as refresher:
        refresher.schedule(A, at(100))
        await asyncio.sleep(1000)
    assert renewals.seen == [("pod-a", 100), ("pod-b", 200)]


@in_virtual_time
async def test_a_volume_says_itself_when_it_is_due_again() -> None:
    renewals = Renewals(every_s=3000)
    async with renewals.run() as refresher:
        refresher.schedule(A, at(10))
        await asyncio.sleep(9000)
    assert [when for _, when in renewals.seen] == [10, 3010, 6010]


@in_virtual_time
async def test_a_new_time_replaces_the_old_one() -> None:
    renewals = Renewals()
    async with renewals.run() as refresher:
        refresher.schedule(A, at(100))
        refresher.schedule(A, at(300))
        await asyncio.sleep(200)
        refresher.schedule(A, at(250))
        await asyncio.sleep(200)
    assert renewals.seen == [("pod-a", 250)]


@in_virtual_time
async def test_what_is_late_is_renewed_at_once() -> None:
    renewals = Renewals()
    async with renewals.run() as refresher:
        await asyncio.sleep(50)
        refresher.schedule(A, at(20))
        await asyncio.sleep(1)
    assert renewals.seen == [("pod-a", 50)]


@in_virtual_time
async def test_a_failure_is_tried_again_after_ever_longer_pauses() -> None:
    renewals = Renewals(*(KrustletError("away") for _ in range(11)), every_s=10_000)
    with capture_logs() as logs:
        async with renewals.run() as refresher:
            refresher.schedule(A, at(100))
            await asyncio.sleep(10_000)
            before = [when for _, when in renewals.seen]
            renewals.errors = [KrustletError("away again")]
            await asyncio.sleep(1_000)
    pauses = [later - earlier for earlier, later in itertools.pairwise(before)]
    assert pauses == [0.5, 1, 2, 4, 8, 16, 32, 64, 122, 122, 122]
    afresh = [when for _, when in renewals.seen][len(before) :]
    assert afresh[1] - afresh[0] == 0.5  # success has wiped the slate clean
    assert [entry["event"] for entry in logs] == ["volume.renewal_failed"] * 12
    assert logs[0]["error"] == "away"


@in_virtual_time
async def test_a_bug_in_one_does_not_keep_others_from_being_renewed() -> None:
    renewals = Renewals(RuntimeError("bug"))
    with capture_logs() as logs:
        async with renewals.run() as refresher:
            refresher.schedule(A, at(10))
            refresher.schedule(B, at(20))
            await asyncio.sleep(100)
    assert renewals.seen == [("pod-a", 10), ("pod-a", 10.5), ("pod-b", 20)]
    assert logs[0]["event"] == "volume.bug"


@in_virtual_time
async def test_what_is_forgotten_is_not_renewed() -> None:
    renewals = Renewals(every_s=10)
    async with renewals.run() as refresher:
        refresher.schedule(A, at(10))
        refresher.schedule(B, at(15))
        await asyncio.sleep(12)
        refresher.forget("pod-a")
        refresher.forget("pod-nobody")
        await asyncio.sleep(20)
    assert renewals.seen == [("pod-a", 10), ("pod-b", 15), ("pod-b", 25)]


@in_virtual_time
async def test_what_is_forgotten_while_it_is_renewed_is_not_renewed_again() -> None:
    for errors in ((), (KrustletError("away"),)):
        renewals = Renewals(*errors, every_s=10)
        renewals.takes_s = 5
        async with renewals.run() as refresher:
            refresher.schedule(A, at(elapsed_s() + 10))
            await asyncio.sleep(12)
            refresher.forget("pod-a")
            await asyncio.sleep(100)
        assert len(renewals.seen) == 1


@in_virtual_time
async def test_not_all_are_renewed_at_once() -> None:
    renewals = Renewals()
    renewals.takes_s = 1
    async with renewals.run() as refresher:
        for number in range(30):
            refresher.schedule(VolumeOf(f"pod-{number}", "v"), at(10))
        await asyncio.sleep(100)
    assert len(renewals.seen) == 30
    assert renewals.most_under_way == 8
