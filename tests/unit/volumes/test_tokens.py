"""When a token is asked for, and when it is asked for again."""

import asyncio

import pytest

from krustlet.base import Instant
from krustlet.objects import LookupFailed, ServiceAccountTokenProjection, Token
from krustlet.volumes.tokens import Tokens, renewal_at
from tests.support.lookups import FakeLookups
from tests.support.pods import a_pod
from tests.support.virtual_time import EPOCH, LoopClock, in_virtual_time

HOUR = 3600.0
DAY = 24 * HOUR
TOKEN = ServiceAccountTokenProjection(path="token", expiration_seconds=3607)
FOR_VAULT = ServiceAccountTokenProjection(path="v", expiration_seconds=600, audience="vault")


@pytest.mark.parametrize(
    ("life_s", "after_s"),
    [
        pytest.param(3607, 2885.6, id="after-four-fifths-of-its-life"),
        pytest.param(600, 480, id="however-short"),
        pytest.param(365 * DAY, DAY, id="after-a-day-at-the-latest"),
    ],
)
def test_a_token_is_renewed_in_time(life_s: float, after_s: float) -> None:
    token = Token(text="", issued_at=Instant(1000), expires_at=Instant(1000 + life_s))
    assert renewal_at(token, early_s=0) == pytest.approx(1000 + after_s)
    assert renewal_at(token, early_s=10) == pytest.approx(1000 + after_s - 10)


def tokens(lookups: FakeLookups, jitter_s: float = 0.0) -> Tokens:
    return Tokens(lookups, LoopClock(), jitter_s=lambda: jitter_s)


@in_virtual_time
async def test_a_token_is_held_until_it_is_due() -> None:
    lookups = FakeLookups()
    held = tokens(lookups, jitter_s=5.6)
    pod = a_pod()
    first = await held.get(pod, TOKEN)
    assert first.renewal_at == EPOCH + 2880
    await asyncio.sleep(2879)
    assert await held.get(pod, TOKEN) is first
    await asyncio.sleep(1)
    assert (await held.get(pod, TOKEN)).token.text == "token-2"
    assert lookups.asked == ["token web  3607"] * 2


@in_virtual_time
async def test_tokens_are_told_apart_by_pod_audience_and_life() -> None:
    lookups = FakeLookups()
    held = tokens(lookups)
    for _ in range(2):
        for pod in (a_pod(name="one"), a_pod(name="two")):
            for source in (TOKEN, FOR_VAULT):
                await held.get(pod, source)
    assert lookups.asked == [
        "token one  3607",
        "token one vault 600",
        "token two  3607",
        "token two vault 600",
    ]


@in_virtual_time
async def test_an_old_token_is_held_while_there_is_no_newer_one() -> None:
    lookups = FakeLookups()
    held = tokens(lookups)
    await held.get(a_pod(), TOKEN)
    await asyncio.sleep(HOUR)
    lookups.unavailable = True
    with pytest.raises(LookupFailed):
        await held.get(a_pod(), TOKEN)
    lookups.unavailable = False
    assert (await held.get(a_pod(), TOKEN)).token.text == "token-2"


@in_virtual_time
async def test_what_is_forgotten_is_asked_for_again() -> None:
    lookups = FakeLookups()
    held = tokens(lookups)
    await held.get(a_pod(name="one"), TOKEN)
    await held.get(a_pod(name="two"), TOKEN)
    held.forget("uid-of-one")
    held.forget("uid-of-nobody")
    assert (await held.get(a_pod(name="two"), TOKEN)).token.text == "token-2"
    assert (await held.get(a_pod(name="one"), TOKEN)).token.text == "token-3"


@in_virtual_time
async def test_a_clock_that_is_ahead_does_not_ask_all_the_time() -> None:
    lookups = FakeLookups()
    lookups.life_s = -HOUR  # over before it came, by our clock
    held = tokens(lookups)
    for _ in range(60):
        await held.get(a_pod(), TOKEN)
        await asyncio.sleep(1)
    assert lookups.tokens == 1


@in_virtual_time
async def test_pods_that_come_together_do_not_ask_together_again() -> None:
    held = Tokens(FakeLookups(), LoopClock())
    due = [(await held.get(a_pod(name=f"p{n}"), TOKEN)).renewal_at - EPOCH for n in range(50)]
    assert len(set(due)) > 40
    assert all(2875.6 <= at <= 2885.6 for at in due)
