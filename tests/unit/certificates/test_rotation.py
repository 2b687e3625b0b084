"""A certificate is renewed in time, again and again, whatever happens to clocks and server."""

import asyncio
import itertools
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Final

import pytest

from krustlet.base import Instant, KrustletError
from krustlet.certificates import (
    CertificateFacts,
    CredentialsExpired,
    Held,
    Purpose,
    RequestDenied,
    RequestForbidden,
    Rotator,
    Signing,
    Store,
    Wanted,
    client_wanted,
    facts_of,
    serving_wanted,
)
from krustlet.kube import ApiUnavailable, Forbidden, Unauthorized
from tests.support.virtual_time import LoopClock, in_virtual_time
from tests.unit.certificates.conftest import Logged, lines
from tests.unit.certificates.fakes import FakeRequests, going

MINUTE: Final = 60.0
HOUR: Final = 3600.0
DAY: Final = 24 * HOUR
NODE: Final = "wasm-1"


class SettableClock:
    """This machine's clock: right, but for what the test sets it wrong by."""

    def __init__(self) -> None:
        self.wrong_by_s = 0.0
        self._right = LoopClock()

    def now(self) -> Instant:
        return Instant(self._right.now() + self.wrong_by_s)


class FakeSigning:
    """Signs after a second, by the right time, unless it is to raise something first.

    Attributes:
        obtained: when, by the loop's time.
        asked: what was wanted, each time.
    """

    def __init__(self, clock: SettableClock, *, life_s: float) -> None:
        self.life_s = life_s
        self.obtained: list[float] = []
        self.asked: list[tuple[float, Wanted]] = []
        self.troubles: list[KrustletError] = []
        self.trouble: KrustletError | None = None
        self.is_approved = asyncio.Event()
        self.is_approved.set()
        self._clock = clock

    async def obtain(self, wanted: Wanted) -> Held:
        self.asked.append((_time(), wanted))
        await asyncio.sleep(1)
        if self.troubles:
            raise self.troubles.pop(0)
        if self.trouble is not None:
            raise self.trouble
        await self.is_approved.wait()
        self.obtained.append(_time())
        return self.made(wanted, ago_s=0)

    def made(self, wanted: Wanted, *, ago_s: float) -> Held:
        right = LoopClock().now() - ago_s
        facts = CertificateFacts(
            common_name=wanted.user,
            organizations=("system:nodes",),
            dns=wanted.dns,
            ips=wanted.ips,
            key_digest=str(len(self.obtained)),
            not_before=Instant(right - 300),
            not_after=Instant(right + self.life_s),
        )
        since = max(self._clock.now() - ago_s, facts.not_before)
        return Held(Path("current.pem"), facts, Instant(since))


class FakeStore:
    def __init__(self, held: Held | None = None) -> None:
        self._held = held
        self.dropped = 0

    def held(self, purpose: Purpose) -> Held | None:
        return self._held

    def drop_pending(self, purpose: Purpose) -> None:
        self.dropped += 1


class Rig:
    """One rotator with all that it needs.

    Attributes:
        shown: the certificate that is shown now.
    """

    def __init__(self, purpose: Purpose = Purpose.CLIENT, *, life_s: float = HOUR) -> None:
        self.clock = SettableClock()
        self.signing = FakeSigning(self.clock, life_s=life_s)
        self.store = FakeStore()
        self.shown: Held | None = None
        self.purpose = purpose
        self.ips: tuple[str, ...] = ("10.0.0.1",)
        self.luck: Callable[[], float] = Random(7).random

    def wanted(self) -> Wanted | None:
        if self.purpose is Purpose.CLIENT:
            return client_wanted(node=NODE)
        return serving_wanted(node=NODE, hostname=NODE, ips=self.ips)

    def rotator(self) -> Rotator:
        return Rotator(
            self.purpose,
            self.wanted,
            store=self.store,
            signing=self.signing,
            clock=self.clock,
            random=lambda: self.luck(),
            changed=self._show,
        )

    def _show(self, held: Held) -> None:
        self.shown = held

    def starts_with_one(self, *, ago_s: float = 0.0) -> None:
        wanted = self.wanted()
        assert wanted is not None
        self.shown = self.signing.made(wanted, ago_s=ago_s)
        self.store = FakeStore(self.shown)

    @property
    def asked_at(self) -> list[float]:
        return [at for at, _ in self.signing.asked]


def _time() -> float:
    return asyncio.get_running_loop().time()


@pytest.mark.parametrize(
    ("life_s", "look_every_s"),
    [
        pytest.param(2 * MINUTE, 2.0, id="two-minutes"),
        pytest.param(HOUR, 10.0, id="an-hour"),
    ],
)
def test_for_a_day_no_certificate_ends_whatever_the_clock_is_set_to(
    life_s: float, look_every_s: float
) -> None:
    @in_virtual_time
    async def story() -> None:
        rig = Rig(life_s=life_s)
        rig.starts_with_one()
        jumps = {turn * 5 * HOUR: wrong_by for turn, wrong_by in enumerate((0, HOUR, 0, -HOUR, 0))}
        async with going(rig.rotator().run()):
            for turn in range(int(DAY / look_every_s)):
                rig.clock.wrong_by_s = jumps.get(turn * look_every_s, rig.clock.wrong_by_s)
                await asyncio.sleep(look_every_s)
                assert rig.shown is not None
                assert LoopClock().now() < rig.shown.facts.not_after, f"ended after {_time()} s"

        obtained = rig.signing.obtained
        steps = [(b - a - 1) / life_s for a, b in itertools.pairwise(obtained)]
        assert all(step < 0.9 + 0.01 for step in steps)
        odd = [step for step in steps if step < 0.7 - 0.01]
        assert len(odd) <= len(jumps), "only when the clock is set"
        assert DAY / (0.9 * life_s) - 1 <= len(obtained) <= DAY / (0.7 * life_s) + len(jumps)

    story()


@in_virtual_time
async def test_one_that_was_kept_is_renewed_when_its_own_time_has_come() -> None:
    rig = Rig()
    rig.luck = lambda: 0.5
    rig.starts_with_one(ago_s=30 * MINUTE)
    async with going(rig.rotator().run()):
        await asyncio.sleep(HOUR)
    assert rig.asked_at[0] == pytest.approx(18 * MINUTE, abs=1)


@in_virtual_time
async def test_one_that_ended_while_the_node_was_off_is_renewed_at_once() -> None:
    rig = Rig()
    rig.starts_with_one(ago_s=2 * HOUR)
    async with going(rig.rotator().run()):
        await asyncio.sleep(10)
    assert rig.asked_at == [0]


@in_virtual_time
async def test_a_machine_that_slept_notices_within_a_minute() -> None:
    rig = Rig(life_s=DAY)
    rig.starts_with_one()
    async with going(rig.rotator().run()):
        await asyncio.sleep(HOUR)
        rig.clock.wrong_by_s = 0.95 * DAY  # the loop's time stood still meanwhile
        await asyncio.sleep(61)
    assert len(rig.asked_at) == 1


@in_virtual_time
async def test_an_address_that_is_new_is_asked_for_at_once_even_while_another_is_waited_for() -> (
    None
):
    rig = Rig(Purpose.SERVING)
    rotator = rig.rotator()
    rig.signing.is_approved.clear()
    async with going(rotator.run()):
        await asyncio.sleep(10)
        rig.ips = ("10.0.0.2",)
        rotator.wake()
        await asyncio.sleep(10)
        rig.signing.is_approved.set()
        await asyncio.sleep(10)
        assert [wanted.ips for _, wanted in rig.signing.asked] == [("10.0.0.1",), ("10.0.0.2",)]
        assert rig.shown is not None
        assert rig.shown.facts.ips == ("10.0.0.2",)
        rig.ips = ("10.0.0.3",)
        await asyncio.sleep(61)  # without a word
    assert [at for at, _ in rig.signing.asked][:2] == [0, 10]
    assert [wanted.ips for _, wanted in rig.signing.asked][2:] == [("10.0.0.3",)]


@in_virtual_time
async def test_an_address_that_went_away_costs_nothing() -> None:
    rig = Rig(Purpose.SERVING)
    rig.ips = ("10.0.0.1", "10.0.0.2")
    rig.starts_with_one()
    rotator = rig.rotator()
    async with going(rotator.run()):
        for ips in (("10.0.0.1",), ()):  # the last: none for a moment
            rig.ips = ips
            rotator.wake()
            await asyncio.sleep(5 * MINUTE)
    assert rig.signing.asked == []


@in_virtual_time
async def test_after_a_refusal_it_asks_with_a_new_key_ever_more_seldom(logged: Logged) -> None:
    rig = Rig(life_s=DAY)
    rig.signing.trouble = RequestDenied("wasm-1", reason="No", message="not you")
    async with going(rig.rotator().run()):
        await asyncio.sleep(DAY)
    gaps = [round(b - a - 1) / MINUTE for a, b in itertools.pairwise(rig.asked_at)]
    assert gaps == [10, 20, 40, 80, 160, 320, 360, 360]
    assert rig.store.dropped == len(rig.asked_at)
    told = lines(logged, "certificate.not_renewed")
    assert len(told) == len(rig.asked_at)
    assert told[0]["log_level"] == "warning"
    assert "was denied: No: not you" in told[0]["reason"]
    assert told[0]["hint"] == "to have the node ask again, run: kubectl delete csr wasm-1"


@in_virtual_time
async def test_an_address_that_is_new_does_not_wait_for_the_end_of_a_refusal() -> None:
    rig = Rig(Purpose.SERVING)
    rig.signing.troubles = [RequestDenied("wasm-1-tls", reason="", message="")]
    rotator = rig.rotator()
    async with going(rotator.run()):
        await asyncio.sleep(10)
        rig.ips = ("10.0.0.2",)
        rotator.wake()
        await asyncio.sleep(10)
    assert rig.asked_at == [0, 10]
    assert rig.shown is not None


@in_virtual_time
async def test_who_may_not_ask_asks_every_hour_and_says_so_once(logged: Logged) -> None:
    rig = Rig(Purpose.SERVING)
    refusal = Forbidden("nodes may not", status=403)
    rig.signing.trouble = RequestForbidden(refusal, hint="see the ClusterRole system:node")
    async with going(rig.rotator().run()):
        await asyncio.sleep(5.5 * HOUR)
    gaps = {round(b - a - 1) for a, b in itertools.pairwise(rig.asked_at)}
    assert gaps == {HOUR}
    levels = [entry["log_level"] for entry in lines(logged, "certificate.not_renewed")]
    assert [level for level in levels if level != "debug"] == ["warning"]


@in_virtual_time
async def test_other_troubles_are_told_once_a_kind_and_the_end_of_the_certificate_aloud(
    logged: Logged,
) -> None:
    rig = Rig()
    rig.starts_with_one()
    rig.signing.trouble = ApiUnavailable("connection refused")
    async with going(rig.rotator().run()):
        await asyncio.sleep(0.95 * HOUR)
        (loud,) = lines(logged, "certificate.about_to_end")
        assert (loud["log_level"], loud["good_until"]) == ("error", "2026-01-01T01:00:00Z")
        rig.signing.trouble = None
        await asyncio.sleep(5 * MINUTE)
        assert len(rig.signing.obtained) == 1
    gaps = [round(b - a - 1) for a, b in itertools.pairwise(rig.asked_at)]
    assert gaps[:9] == [2, 4, 8, 16, 32, 64, 128, 256, 300][: len(gaps[:9])]
    levels = [entry["log_level"] for entry in lines(logged, "certificate.not_renewed")]
    assert levels.count("warning") == 1


@in_virtual_time
async def test_a_request_that_nobody_approves_is_told_aloud_before_the_end(logged: Logged) -> None:
    rig = Rig()
    rig.starts_with_one()
    rig.signing.is_approved.clear()
    async with going(rig.rotator().run()):
        await asyncio.sleep(0.89 * HOUR)
        assert lines(logged, "certificate.about_to_end") == []
        await asyncio.sleep(0.05 * HOUR)
        assert len(lines(logged, "certificate.about_to_end")) == 1
    assert len(rig.signing.asked) == 1


@in_virtual_time
async def test_a_node_that_is_not_known_any_more_gives_up_after_its_certificate_has_ended() -> None:
    rig = Rig()
    rig.starts_with_one()
    rig.signing.trouble = Unauthorized("Unauthorized", status=401)
    with pytest.raises(CredentialsExpired, match="expired at 2026-01-01T01:00:00Z"):
        await rig.rotator().run()
    assert HOUR + 5 * MINUTE <= _time() <= HOUR + 15 * MINUTE


def test_the_real_store_and_signer_go_on_under_a_clock_that_is_wrong(
    tmp_path: Path, logged: Logged
) -> None:
    @in_virtual_time
    async def story() -> None:
        clock = SettableClock()
        requests = FakeRequests()
        store = Store(tmp_path / "pki", clock=clock)
        rotator = Rotator(
            Purpose.CLIENT,
            lambda: client_wanted(node=NODE),
            store=store,
            signing=Signing(store, requests, clock),
            clock=clock,
        )
        async with going(rotator.run()), going(_grants(requests)):
            await asyncio.sleep(5)
            for wrong_by_s in (0, HOUR, 0, -HOUR, 0):
                clock.wrong_by_s = wrong_by_s
                for _ in range(10):
                    await asyncio.sleep(MINUTE)
                    current = facts_of(store.path(Purpose.CLIENT).read_bytes())
                    assert LoopClock().now() < current.not_after, f"ended after {_time()} s"
        assert 50 / (0.9 * 2) - 1 <= len(requests.made) <= 50 / (0.7 * 2) + 5

    story()


async def _grants(requests: FakeRequests) -> None:
    """Sign for two minutes whatever is asked for."""
    granted = 0
    while True:
        await asyncio.sleep(1)
        for name in requests.made[granted:]:
            requests.grant(name, life_s=2 * MINUTE)
            granted += 1
