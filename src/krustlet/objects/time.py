"""Timestamps as the API writes them."""

import math
import re
from datetime import UTC, datetime

from krustlet.base import Instant
from krustlet.objects.errors import TimestampError

_MICROS = 1_000_000
_RFC3339 = re.compile(
    r"(\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?([Zz]|[+-]\d\d:\d\d)", re.ASCII
)


def to_rfc3339(instant: Instant) -> str:
    """`2026-01-02T03:04:05Z`, the form of `metav1.Time`: what follows the second is cut off."""
    moment = datetime.fromtimestamp(math.floor(instant), UTC)
    return f"{_to_the_second(moment)}Z"


def to_rfc3339_micro(instant: Instant) -> str:
    """`2026-01-02T03:04:05.000000Z`, the form of `metav1.MicroTime`, as leases and events use."""
    seconds, micros = divmod(round(instant * _MICROS), _MICROS)
    return f"{_to_the_second(datetime.fromtimestamp(seconds, UTC))}.{micros:06d}Z"


def _to_the_second(moment: datetime) -> str:
    # strftime("%Y") does not pad years below 1000 everywhere
    return moment.replace(tzinfo=None).isoformat(timespec="seconds")


def from_rfc3339(text: str) -> Instant:
    """The moment that `text` names; any offset and up to nine digits of fraction are read.

    Raises:
        TimestampError: it is not of that form, or names no day or hour that exists.
    """
    match = _RFC3339.fullmatch(text)
    if match is None:
        raise _unreadable(text)
    whole, fraction, offset = match.groups()
    try:
        moment = datetime.fromisoformat(whole.upper() + offset.upper())
        seconds = moment.timestamp()
    except (ValueError, OverflowError) as exc:
        raise _unreadable(text) from exc
    return Instant(seconds + float(f"0.{fraction}") if fraction else seconds)


def _unreadable(text: str) -> TimestampError:
    return TimestampError(f"`{text}` is no time", hint="write it like 2026-01-02T03:04:05Z")
