"""Durations as Go writes them: `10s`, `5m0s`, `1h30m`.

Source: Go's time.ParseDuration and Duration.String.
"""

import re
from typing import Final

_UNITS: Final = {
    "ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0,
}  # fmt: skip
_PIECE: Final = r"(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h)"
_WHOLE: Final = re.compile(rf"(?:{_PIECE})+", re.ASCII)
_TEXT_MAX: Final = 64


def seconds_of(text: str) -> float:
    """How long `text` says.

    Raises:
        ValueError: it is no duration; negative ones are none here.
    """
    if text == "0":
        return 0.0
    if len(text) > _TEXT_MAX or _WHOLE.fullmatch(text) is None:
        raise ValueError(f"{text[:_TEXT_MAX]!r} is no duration; write one such as 10s or 1h30m")
    return sum(float(number) * _UNITS[unit] for number, unit in re.findall(_PIECE, text))


def go_duration(seconds: float) -> str:
    """`5m0s`, as Go writes it; no finer than milliseconds."""
    millis = round(seconds * 1000)
    if 0 < millis < 1000:
        return f"{millis}ms"
    minutes, rest = divmod(millis, 60_000)
    hours, minutes = divmod(minutes, 60)
    shown = f"{rest / 1000:g}s"
    if hours:
        return f"{hours}h{minutes}m{shown}"
    return f"{minutes}m{shown}" if minutes else shown
