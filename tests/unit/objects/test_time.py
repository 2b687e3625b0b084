import pytest
from hypothesis import given
from hypothesis import strategies as st

from krustlet.base import Instant
from krustlet.objects import TimestampError, from_rfc3339, to_rfc3339, to_rfc3339_micro

AT = Instant(1767323045.0)  # 2026-01-02T03:04:05Z
YEAR_9999 = 253402300799

seconds = st.integers(min_value=0, max_value=YEAR_9999)


def test_a_time_is_written_to_the_second() -> None:
    assert to_rfc3339(AT) == "2026-01-02T03:04:05Z"


def test_what_follows_the_second_is_cut_off() -> None:
    assert to_rfc3339(Instant(AT + 0.999)) == "2026-01-02T03:04:05Z"


def test_a_micro_time_has_six_digits() -> None:
    assert to_rfc3339_micro(AT) == "2026-01-02T03:04:05.000000Z"
    assert to_rfc3339_micro(Instant(AT + 0.000001)) == "2026-01-02T03:04:05.000001Z"


@given(seconds)
def test_seconds_survive_being_written(second: int) -> None:
    assert from_rfc3339(to_rfc3339(Instant(second))) == Instant(second)


@given(st.integers(min_value=0, max_value=4_000_000_000_000_000))  # to the year 2096
def test_microseconds_survive_being_written(micros: int) -> None:
    text = to_rfc3339_micro(Instant(micros / 1_000_000))

    assert round(from_rfc3339(text) * 1_000_000) == micros


@pytest.mark.parametrize(
    "text",
    [
        "2026-01-02T03:04:05Z",
        "2026-01-02t03:04:05z",
        "2026-01-02T04:04:05+01:00",
        "2026-01-01T22:04:05-05:00",
        "2026-01-02T03:04:05.0Z",
        "2026-01-02T03:04:05.000000000Z",
    ],
)
def test_all_spellings_of_a_moment_are_read(text: str) -> None:
    assert from_rfc3339(text) == AT


def test_nine_digits_are_read_as_far_as_a_float_goes() -> None:
    assert from_rfc3339("2026-01-02T03:04:05.123456789Z") == pytest.approx(AT + 0.123456789)


def test_the_zero_time_of_go_is_read() -> None:
    assert to_rfc3339(from_rfc3339("0001-01-01T00:00:00Z")) == "0001-01-01T00:00:00Z"


@pytest.mark.parametrize(
    "text",
    [
        *("", "now", "2026-01-02", "2026-01-02T03:04:05", "2026-01-02 03:04:05Z"),
        *("2026-13-02T03:04:05Z", "2026-01-02T25:04:05Z", "2026-01-02T03:04:60Z"),
        *("2026-01-02T03:04:05.Z", "2026-01-02T03:04:05Z\n", "２026-01-02T03:04:05Z"),
    ],
)
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(TimestampError) as caught:
        from_rfc3339(text)

    assert caught.value.message == f"`{text}` is no time"
    assert caught.value.hint == "write it like 2026-01-02T03:04:05Z"
