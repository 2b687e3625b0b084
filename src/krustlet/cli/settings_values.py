"""Values of `krustlet node`'s options that are numbers, durations, amounts and levels."""

import math
import os
import re
from collections.abc import Mapping
from typing import Any, Final

import click

from krustlet.base import KrustletError
from krustlet.base.logs import LEVELS
from krustlet.cli.node_values import Option, in_full, pairs_of
from krustlet.objects import Quantity
from krustlet.settings import DEFAULT_EVICTION_HARD, seconds_of

_LEVEL_VARIABLE: Final = "KRUSTLET_LOG_LEVEL"
_ORIGINAL_VARIABLE: Final = "RUST_LOG"
# The levels of Rust's `tracing` by name and number; ours are fewer.
_RUST_LEVELS: Final[Mapping[str, str]] = {
    **dict.fromkeys(("trace", "5", "debug", "4"), "debug"),
    **dict.fromkeys(("info", "3"), "info"),
    **dict.fromkeys(("warn", "2", "warning"), "warning"),
    **dict.fromkeys(("error", "1", "off", "0"), "error"),
}
_OUR_TARGET: Final = re.compile(r"(?:krustlet|kubelet|wasi_provider)\b")
_THRESHOLD: Final = re.compile(r"([^<>=\s]+)\s*<\s*([^<>=\s]+)")


class Whole(click.IntRange):
    """A whole number; what is none is told which there are."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """As the range has it.

        Raises:
            click.BadParameter: it is no whole number, or out of range.
        """
        try:
            int(value)
        except ValueError:
            self.fail(f"{value!r} is not a whole number{self._bounds()}", param, ctx)
        return super().convert(value, param, ctx)

    def _bounds(self) -> str:
        if self.max is not None:
            return f" from {self.min} to {self.max}"
        return f", {self.min} or more" if self.min is not None else ""


class Rate(click.FloatRange):
    """How often a second; 0 for as often as may be."""

    def __init__(self) -> None:
        super().__init__(min=0)

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """As the range has it.

        Raises:
            click.BadParameter: it is no number, or less than 0.
        """
        try:
            is_number = math.isfinite(float(value))
        except ValueError:
            is_number = False
        if not is_number:
            self.fail(f"{value!r} is not a number, 0 or more", param, ctx)
        return super().convert(value, param, ctx)


class Duration(click.ParamType[float]):
    """`10s`, `5m`, `1h30m`, in seconds."""

    name = "duration"

    def __init__(self, *, at_least_s: float) -> None:
        self._at_least_s = at_least_s

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """As many seconds.

        Raises:
            click.BadParameter: it is no duration, or too short.
        """
        try:
            seconds = value if isinstance(value, float) else seconds_of(str(value))
        except ValueError as exc:
            self.fail(str(exc), param, ctx)
        if seconds < self._at_least_s:
            self.fail(f"{value!r} is less than {self._at_least_s:g}s", param, ctx)
        return seconds


class _Reserved(click.ParamType[dict[str, Quantity]]):
    """`cpu=500m,memory=1Gi`."""

    name = "resource=amount[,…]"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> dict[str, Quantity]:
        amounts = {name: Quantity(text) for name, text in pairs_of(value, param, ctx).items()}
        if amounts:
            from krustlet.node import reserved  # here, as `--help` needs none of that room

            try:
                reserved(amounts)
            except KrustletError as exc:
                self.fail(in_full(exc), param, ctx)
        return amounts


class _Eviction(click.ParamType[dict[str, str]]):
    """`memory.available<100Mi,nodefs.available<10%`."""

    name = "signal<amount[,…]"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> dict[str, str]:
        signals = value if isinstance(value, dict) else self._read(str(value), param, ctx)
        if signals and signals != DEFAULT_EVICTION_HARD:
            from krustlet.node import thresholds  # here, as `--help` needs none of that room

            try:
                thresholds(signals)
            except KrustletError as exc:
                self.fail(in_full(exc), param, ctx)
        return signals

    def _read(
        self, text: str, param: click.Parameter | None, ctx: click.Context | None
    ) -> dict[str, str]:
        signals = {}
        for word in filter(None, map(str.strip, text.split(","))):
            match = _THRESHOLD.fullmatch(word)
            if match is None:
                self.fail(f"{word!r} is no threshold; write memory.available<100Mi", param, ctx)
            signals[match[1]] = match[2]
        return signals


class LogLevelOption(Option):
    """A level that the original's variable may give, too, in the words of Rust programs."""

    def resolve_envvar_value(self, ctx: click.Context) -> str | None:
        """Ours first; what the other says for other programs is nothing to us."""
        return os.environ.get(_LEVEL_VARIABLE) or level_of_rust(
            os.environ.get(_ORIGINAL_VARIABLE, "")
        )


def level_of_rust(directives: str) -> str | None:
    """The level that `RUST_LOG` has for us, such as `info`, or `debug` of `krustlet=debug,warn`.

    Source: the tracing-subscriber crate, `EnvFilter`.
    """
    general = ours = None
    for directive in map(str.strip, directives.split(",")):
        target, equals, level = directive.rpartition("=")
        word = _RUST_LEVELS.get(level.lower())
        if not equals:
            general = word or general
        elif word and _OUR_TARGET.match(target):
            ours = word
    return ours or general


RESERVED: Final = _Reserved()
EVICTION: Final = _Eviction()
LEVEL: Final = click.Choice(LEVELS)
RATE: Final = Rate()


def eviction_text(signals: Mapping[str, str]) -> str:
    """As the command line takes them."""
    return ",".join(f"{signal}<{amount}" for signal, amount in signals.items())
