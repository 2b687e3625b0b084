"""A certificate is renewed after 70 to 90 % of its life, whatever the clock is set to."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from krustlet.base import Instant
from krustlet.certificates import CertificateFacts, Held, renewal_due
from krustlet.certificates.terms import term_of

NOON = Instant(1_767_268_800.0)
MINUTE = 60.0
HOUR = 3600.0


def held(*, since: float, life_s: float, backdated_s: float = 300.0) -> Held:
    facts = CertificateFacts(
        common_name="system:node:wasm-1",
        organizations=("system:nodes",),
        key_digest="",
        not_before=Instant(since - backdated_s),
        not_after=Instant(since + life_s),
    )
    return Held(Path("pki"), facts, Instant(since))


@given(
    life_s=st.floats(min_value=MINUTE, max_value=10 * 365 * 24 * HOUR),
    luck=st.floats(min_value=0, max_value=1, exclude_max=True),
)
def test_it_is_due_after_70_to_90_percent_of_the_time_since_it_was_obtained(
    life_s: float, luck: float
) -> None:
    used = (renewal_due(held(since=NOON, life_s=life_s), luck) - NOON) / life_s
    assert 0.7 - 1e-6 <= used <= 0.9 + 1e-6


def test_the_time_of_day_counts_if_the_machine_slept_and_the_loops_time_if_it_was_set_back() -> (
    None
):
    term = term_of(held(since=NOON, life_s=HOUR), 0.5, now=NOON, at=100, is_new=True)
    assert term.left_s(NOON, 100) == pytest.approx(0.8 * HOUR)
    assert term.left_s(Instant(NOON + 0.8 * HOUR), 101) == pytest.approx(0)
    assert term.left_s(Instant(NOON - HOUR), 100 + 0.8 * HOUR) == pytest.approx(0)


@pytest.mark.parametrize(
    "wrong_by_s", [pytest.param(HOUR, id="ahead"), pytest.param(-HOUR, id="behind")]
)
def test_a_new_one_that_seems_good_at_another_time_is_counted_by_the_loop(
    wrong_by_s: float,
) -> None:
    new = held(since=NOON, life_s=2 * MINUTE)
    now = Instant(NOON + wrong_by_s)
    term = term_of(new, 0.5, now=now, at=0, is_new=True)
    assert term.left_s(now, 0) == pytest.approx(0.8 * 2 * MINUTE)
    assert term.ends_at == 2 * MINUTE


def test_an_old_one_that_has_expired_is_due_at_once() -> None:
    now = Instant(NOON + 2 * HOUR)
    term = term_of(held(since=NOON, life_s=HOUR), 0.5, now=now, at=0, is_new=False)
    assert term.left_s(now, 0) <= 0
