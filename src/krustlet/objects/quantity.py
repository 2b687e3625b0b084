"""Amounts of resources, exactly.

Source: apimachinery `pkg/api/resource/quantity.go`, `suffix.go`.
"""

import re
from decimal import ROUND_UP, Context, Decimal
from typing import NewType

from krustlet.objects.errors import QuantityError

Quantity = NewType("Quantity", str)
"""An amount as the API writes it, `1500m` or `64Mi`; not yet known to be readable."""

_BINARY = {
    suffix: Decimal(1 << (10 * power))
    for power, suffix in enumerate(("Ki", "Mi", "Gi", "Ti", "Pi", "Ei"), start=1)
}
_DECIMAL = {
    "n": -9,
    "u": -6,
    "m": -3,
    "": 0,
    "k": 3,
    "M": 6,
    "G": 9,
    "T": 12,
    "P": 15,
    "E": 18,
}
_FINEST = Decimal("1e-9")
_BINARY_MAX = Decimal((1 << 63) - 1)  # Kubernetes caps what carries a binary suffix there

_TEXT_MAX = 64  # longer is no amount but an attempt to keep us busy
_EXPONENT_MAX = 100
_TOO_MUCH = Decimal("1e40")  # so that every amount can be written as a quantity again
_EXACT = Context(prec=256)  # more digits than the longest text with the largest suffix can have

_FORM = re.compile(
    r"([+-]?(?:\d+\.?\d*|\.\d+))(?:[eE]([+-]?\d{1,9})|([KMGTPE]i|[numkMGTPE]?))", re.ASCII
)
_HINT = "write a number with an optional suffix: 250m, 1.5, 64Mi, 2G"


def exact(quantity: Quantity | str) -> Decimal:
    """The amount in base units (cores, bytes); finer than a nano unit is rounded away from zero.

    Raises:
        QuantityError: it is no number with an optional suffix, or out of all range.
    """
    match = _FORM.fullmatch(quantity)
    if match is None or len(quantity) > _TEXT_MAX:
        raise QuantityError(f"`{_shortened(quantity)}` is no quantity", hint=_HINT)
    number, exponent, suffix = match.groups()
    if suffix in _BINARY:
        amount = _EXACT.multiply(Decimal(number), _BINARY[suffix])
        amount = min(max(amount, -_BINARY_MAX), _BINARY_MAX)
    else:
        power = _DECIMAL[suffix] if exponent is None else int(exponent)
        if abs(power) > _EXPONENT_MAX:
            raise _out_of_range(quantity)
        amount = _EXACT.scaleb(Decimal(number), power)
    if amount.copy_abs() >= _TOO_MUCH:
        raise _out_of_range(quantity)
    too_fine = _EXACT.remainder(amount, _FINEST) != 0
    return amount.quantize(_FINEST, ROUND_UP, _EXACT) if too_fine else amount


def _out_of_range(quantity: str) -> QuantityError:
    return QuantityError(f"`{quantity}` is out of all range", hint=_HINT)


def as_int(quantity: Quantity | str) -> int:
    """The amount in whole base units, rounded away from zero: 1 for `100m`.

    Raises:
        QuantityError: as `exact`.
    """
    return _rounded(exact(quantity))


def millis(quantity: Quantity | str) -> int:
    """The amount in thousandths of the base unit, rounded away from zero: 1500 for `1.5`.

    Raises:
        QuantityError: as `exact`.
    """
    return _rounded(_EXACT.scaleb(exact(quantity), 3))


def from_exact(amount: Decimal) -> Quantity:
    """The amount in Kubernetes' words: whole if it can be, else in thousandths, rounded up."""
    thousandths = _rounded(_EXACT.scaleb(amount, 3))
    whole, rest = divmod(thousandths, 1000)
    return Quantity(f"{thousandths}m" if rest else str(whole))


def _rounded(amount: Decimal) -> int:
    return int(amount.to_integral_value(ROUND_UP, _EXACT))


def _shortened(text: str) -> str:
    return text if len(text) <= _TEXT_MAX else text[:_TEXT_MAX] + "…"
