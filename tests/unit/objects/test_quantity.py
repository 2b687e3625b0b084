from contextlib import suppress
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from krustlet.objects import QuantityError, as_int, exact, from_exact, millis

POWERS = {
    "n": Fraction(1, 10**9),
    "u": Fraction(1, 10**6),
    "m": Fraction(1, 10**3),
    "": Fraction(1),
    "k": Fraction(10**3),
    "M": Fraction(10**6),
    "G": Fraction(10**9),
    "T": Fraction(10**12),
    "P": Fraction(10**15),
    "E": Fraction(10**18),
    "Ki": Fraction(2**10),
    "Mi": Fraction(2**20),
    "Gi": Fraction(2**30),
    "Ti": Fraction(2**40),
    "Pi": Fraction(2**50),
    "Ei": Fraction(2**60),
}
BINARY_MAX = 2**63 - 1
NANO = Fraction(1, 10**9)

numbers = st.decimals(min_value=-(10**12), max_value=10**12, places=6).map(lambda n: f"{n:f}")
suffixes = st.sampled_from(sorted(POWERS))


def away_from_zero(amount: Fraction) -> int:
    whole = -(-abs(amount).numerator // abs(amount).denominator)
    return whole if amount >= 0 else -whole


def in_nanos(amount: Fraction) -> Fraction:
    return away_from_zero(amount / NANO) * NANO


@given(numbers, suffixes)
def test_an_amount_is_its_number_times_its_suffix(number: str, suffix: str) -> None:
    amount = Fraction(number) * POWERS[suffix]
    if suffix.endswith("i"):
        amount = max(Fraction(-BINARY_MAX), min(amount, Fraction(BINARY_MAX)))

    assert Fraction(exact(number + suffix)) == in_nanos(amount)


@given(numbers, st.integers(min_value=-12, max_value=12), st.sampled_from("eE"))
def test_an_exponent_is_a_power_of_ten(number: str, exponent: int, letter: str) -> None:
    amount = Fraction(number) * Fraction(10) ** exponent

    assert Fraction(exact(f"{number}{letter}{exponent}")) == in_nanos(amount)


@given(numbers, suffixes)
def test_whole_units_and_thousandths_are_rounded_away_from_zero(number: str, suffix: str) -> None:
    amount = Fraction(exact(number + suffix))

    assert as_int(number + suffix) == away_from_zero(amount)
    assert millis(number + suffix) == away_from_zero(amount * 1000)


@given(st.integers(min_value=-(10**21), max_value=10**21))
def test_thousandths_survive_being_written(thousandths: int) -> None:
    amount = Decimal(thousandths).scaleb(-3)

    assert exact(from_exact(amount)) == amount


@given(st.text(max_size=80))
def test_any_text_is_a_quantity_or_a_quantity_error(text: str) -> None:
    with suppress(QuantityError):
        amount = exact(text)
        assert abs(exact(from_exact(amount))) >= abs(amount)


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("0", "0"),
        ("1", "1"),
        ("+1", "1"),
        ("-1.5", "-1.5"),
        (".5", "0.5"),
        ("5.", "5"),
        ("007", "7"),
        ("100m", "0.1"),
        ("1E", "1e18"),
        ("1E3", "1000"),
        ("1e3", "1000"),
        ("2e-3", "0.002"),
        ("12Ki", "12288"),
        ("0.5Gi", "536870912"),
        ("64Mi", "67108864"),
        ("0.1n", "1e-9"),
        ("-0.1n", "-1e-9"),
        ("8Ei", "9223372036854775807"),
    ],
)
def test_what_kubernetes_reads(text: str, amount: str) -> None:
    assert exact(text) == Decimal(amount)


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "+", "-", ".", "Ki", "m", "1 Ki", " 1", "1 ", "1\n", "1_000", "1,5", "--1"),
        *("1ki", "1K", "1mi", "1e", "1e1.5", "0x1", "1m1", "NaN", "inf", "１"),
    ],
)
def test_what_kubernetes_refuses(text: str) -> None:
    with pytest.raises(QuantityError) as caught:
        exact(text)

    assert caught.value.message == f"`{text}` is no quantity"
    assert caught.value.hint == "write a number with an optional suffix: 250m, 1.5, 64Mi, 2G"


@pytest.mark.parametrize("text", ["1e41", "1e100", "1e101", "-1e41", "1e-999999999", "1e999999999"])
def test_what_would_be_beyond_all_reason_is_refused(text: str) -> None:
    with pytest.raises(QuantityError, match="is out of all range"):
        as_int(text)


def test_a_text_without_end_is_refused_and_not_repeated() -> None:
    with pytest.raises(QuantityError) as caught:
        exact("1" * 1000)

    assert caught.value.message == f"`{'1' * 64}…` is no quantity"
