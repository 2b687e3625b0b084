"""Durations as Go writes them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from krustlet.settings import go_duration, seconds_of


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("10s", 10),
        ("5m0s", 300),
        ("1h30m", 5400),
        ("1.5h", 5400),
        ("300ms", 0.3),
        (".5s", 0.5),
        ("0", 0),
        ("0s", 0),
    ],
)
def test_durations_are_read_as_go_reads_them(text: str, seconds: float) -> None:
    assert seconds_of(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "text", ["", "10", "s", "-5s", "5 s", "1h 3m", "five", "1d", "9" * 80 + "s"]
)
def test_what_is_none_is_told_how_to_be_one(text: str) -> None:
    with pytest.raises(ValueError, match="write one such as 10s or 1h30m"):
        seconds_of(text)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (0.25, "250ms"), (1.5, "1.5s"), (40, "40s"), (300, "5m0s"), (5400, "1h30m0s")],
)
def test_durations_are_written_as_go_writes_them(seconds: float, text: str) -> None:
    assert go_duration(seconds) == text


@given(st.integers(min_value=0, max_value=10**9).map(lambda millis: millis / 1000))
def test_what_is_written_is_read_again(seconds: float) -> None:
    assert seconds_of(go_duration(seconds)) == pytest.approx(seconds, abs=1e-3)
