"""A day of a node: it never looks dead while anybody listens, and never says too much."""

import asyncio
import itertools
from collections.abc import Callable, Iterator
from functools import partial
from random import Random
from typing import Final, NamedTuple

import pytest

from krustlet.base import Clock, Instant
from krustlet.kube import ApiUnavailable, TooManyRequests
from krustlet.objects import Lease, Node, to_rfc3339_micro
from tests.support.virtual_time import in_virtual_time
from tests.unit.node.fakes import FakeLeases, FakeNodes, Rig

MINUTE_S: Final = 60.0
HOUR_S: Final = 3600.0
DAY_S: Final = 24 * HOUR_S
LEASE_S: Final = 40.0
TURN_S: Final = 10.0
JITTER: Final = 0.04
REPORT_S: Final = 300.0
SLOW_S: Final = 10.0
LONGEST_REST_S: Final = 60.0

OUTAGE = ApiUnavailable("connection refused")


def busy(retry_after_s: float) -> TooManyRequests:
    return TooManyRequests("too many requests", status=429, retry_after_s=retry_after_s)


class Refusal(NamedTuple):
    """For a while the API server says no to everybody."""

    hour: float
    lasts_s: float
    error: ApiUnavailable | TooManyRequests

    @property
    def begins_at(self) -> float:
        return self.hour * HOUR_S

    @property
    def ends_at(self) -> float:
        return self.begins_at + self.lasts_s


REFUSALS: Final = (
    Refusal(2, 10 * MINUTE_S, OUTAGE),
    Refusal(5.5, 10 * MINUTE_S, OUTAGE),  # while it is slow
    Refusal(7, 2 * MINUTE_S, busy(5)),
    Refusal(8, 5 * MINUTE_S, busy(30)),
    Refusal(9, 5 * MINUTE_S, busy(3600)),
    Refusal(12.5, 10 * MINUTE_S, OUTAGE),
    Refusal(20, 10 * MINUTE_S, OUTAGE),
)
SLOW_HOURS: Final = (5.0, 6.0)
SET_FORWARD: Final = {11.0: HOUR_S, 13.0: -HOUR_S, 15.0: -HOUR_S, 18.0: HOUR_S}
"""By the hour: by how much the time of day is set."""


class Written(NamedTuple):
    """What a request did. Times are those of the loop, which nobody sets."""

    asked_at: float
    done_at: float
    time_of_day: Instant
    told: str = ""


class NotedLeases(FakeLeases):
    """Notes each renewal."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self.written: list[Written] = []
        self._clock = clock

    async def replace(self, lease: Lease) -> Lease:
        at, time_of_day = asyncio.get_running_loop().time(), self._clock.now()
        answer = await super().replace(lease)
        done_at = asyncio.get_running_loop().time()
        self.written.append(Written(at, done_at, time_of_day, lease.spec.renew_time or ""))
        return answer


class NotedNodes(FakeNodes):
    """Notes each report."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self.written: list[Written] = []
        self._clock = clock

    async def patch_status(self, patch: object) -> Node:
        at = asyncio.get_running_loop().time()
        answer = await super().patch_status(patch)
        done_at = asyncio.get_running_loop().time()
        self.written.append(Written(at, done_at, self._clock.now()))
        return answer


class Day:
    """What happened; the server's controller gives a node up that it has not heard of for long."""

    def __init__(self, *, seed: int) -> None:
        self.rig = Rig()
        self.nodes = self.rig.nodes = NotedNodes(self.rig.clock)
        self.leases = self.rig.leases = NotedLeases(self.rig.clock)
        self.rig.lots = Random(seed).random
        self.rig.agent = self.rig.new_agent()
        self.ready_again_at: list[float] = []

    async def pass_by(self) -> None:
        async with self.rig.running():
            for at, happen in sorted(self._happenings(), key=lambda one: one[0]):
                await asyncio.sleep(at - asyncio.get_running_loop().time())
                happen()
            await asyncio.sleep(DAY_S - asyncio.get_running_loop().time())

    def _happenings(self) -> Iterator[tuple[float, Callable[[], None]]]:
        for refusal in REFUSALS:
            yield refusal.begins_at, partial(self._refuse, refusal.error)
            yield refusal.ends_at, self._listen_again
        for at_hour, takes_s in zip(SLOW_HOURS, (SLOW_S, 0.0), strict=True):
            yield at_hour * HOUR_S, partial(self._take, takes_s)
        for at_hour, by_s in SET_FORWARD.items():
            yield at_hour * HOUR_S, partial(self._set_clock, by_s)

    def _refuse(self, error: ApiUnavailable | TooManyRequests) -> None:
        self.nodes.trouble = self.leases.trouble = error

    def _listen_again(self) -> None:
        self.nodes.trouble = self.leases.trouble = None
        self.nodes.set_conditions("Unknown")

    def _take(self, seconds: float) -> None:
        self.nodes.takes_s = self.leases.takes_s = seconds

    def _set_clock(self, by_s: float) -> None:
        self.rig.clock.set_s += by_s


@in_virtual_time
async def test_a_day() -> None:
    day = Day(seed=1)
    await day.pass_by()

    the_lease_is_never_old_while_the_server_listens(day.leases.written)
    it_is_renewed_as_often_as_jitter_allows(day.leases.written)
    it_says_the_time_of_day(day.leases.written)
    reports_are_seldom_but_for_changes(day.nodes.written)
    after_each_refusal_the_node_is_ready_again(day)
    it_started_once_and_never_rebooted(day.rig.events.reasons())


def refused_between(begin: float, end: float) -> bool:
    return any(one.begins_at <= end and begin <= one.ends_at for one in REFUSALS)


def the_lease_is_never_old_while_the_server_listens(renewals: list[Written]) -> None:
    for before, after in itertools.pairwise(renewals):
        if not refused_between(before.asked_at, after.done_at):
            assert after.done_at - before.asked_at <= LEASE_S
    for refusal in REFUSALS:
        first = next(one for one in renewals if one.done_at >= refusal.ends_at)
        # A turn, and at worst an answer to the request that was on its way, a look and a renewal.
        assert first.done_at - refusal.ends_at <= TURN_S * (1 + JITTER) + 3 * SLOW_S


def it_is_renewed_as_often_as_jitter_allows(renewals: list[Written]) -> None:
    quiet = [one.asked_at for one in renewals if one.asked_at < 2 * HOUR_S]
    steps = [later - sooner for sooner, later in itertools.pairwise(quiet)]
    assert min(steps) >= TURN_S * (1 - JITTER) - 1e-6
    assert max(steps) <= TURN_S * (1 + JITTER) + 1e-6
    assert max(steps) - min(steps) > TURN_S * JITTER  # they do vary
    assert sum(steps) / len(steps) == pytest.approx(TURN_S, rel=0.01)
    refused_s = sum(refusal.lasts_s + 3 * TURN_S for refusal in REFUSALS)
    assert (DAY_S - refused_s) / (TURN_S * (1 + JITTER)) <= len(renewals)
    assert len(renewals) <= DAY_S / (TURN_S * (1 - JITTER))


def it_says_the_time_of_day(renewals: list[Written]) -> None:
    assert [one.told for one in renewals] == [to_rfc3339_micro(one.time_of_day) for one in renewals]
    ahead = {round(one.time_of_day - renewals[0].time_of_day - one.asked_at) for one in renewals}
    assert {round(by) - round(min(ahead)) for by in ahead} >= {0, int(HOUR_S), int(2 * HOUR_S)}


def reports_are_seldom_but_for_changes(reports: list[Written]) -> None:
    assert len(reports) <= DAY_S / REPORT_S + 2 * len(REFUSALS)
    assert len(reports) >= DAY_S / (REPORT_S + 3 * TURN_S) - 2 * len(REFUSALS)
    for before, after in itertools.pairwise(reports):
        if not refused_between(before.asked_at, after.done_at):
            assert after.done_at - before.done_at <= 1.5 * REPORT_S + 2 * TURN_S + SLOW_S
            assert after.done_at - before.done_at >= REPORT_S / 2


def after_each_refusal_the_node_is_ready_again(day: Day) -> None:
    for refusal in REFUSALS:
        first = next(one for one in day.nodes.written if one.done_at >= refusal.ends_at)
        assert first.done_at - refusal.ends_at <= LONGEST_REST_S + 2 * SLOW_S
    assert day.nodes.condition("Ready").status == "True"


def it_started_once_and_never_rebooted(told: list[str]) -> None:
    assert told.count("Starting") == 1
    assert "Rebooted" not in told
    assert told.count("NodeReady") == 1 + len(REFUSALS)  # each time it had been given up
