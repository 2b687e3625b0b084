"""Values of options that are numbers, durations, amounts and levels."""

from typing import Any

import click
import pytest

from krustlet.cli.settings_values import (
    EVICTION,
    RATE,
    RESERVED,
    Duration,
    Whole,
    eviction_text,
    level_of_rust,
)
from krustlet.settings import DEFAULT_EVICTION_HARD


@pytest.mark.parametrize(
    ("kind", "text", "said"),
    [
        (Whole(1, 10), "many", "'many' is not a whole number from 1 to 10"),
        (Whole(1, 10), "1.5", "'1.5' is not a whole number from 1 to 10"),
        (Whole(1, 10), "11", "11 is not in the range 1<=x<=10"),
        (Whole(min=-1), "x", "'x' is not a whole number, -1 or more"),
        (RATE, "often", "'often' is not a number, 0 or more"),
        (RATE, "-1", "not in the range"),
        (RATE, "nan", "'nan' is not a number, 0 or more"),
        (RATE, "1e400", "'1e400' is not a number, 0 or more"),
        (Duration(at_least_s=1), "10", "write one such as 10s or 1h30m"),
        (Duration(at_least_s=1), "0s", "'0s' is less than 1s"),
        (RESERVED, "cpu=many", "a number with an optional suffix"),
        (RESERVED, "gpu=1", "what can is cpu, memory, ephemeral-storage, pid"),
        (EVICTION, "memory.available", "write memory.available<100Mi"),
        (EVICTION, "memory<100Mi", "there are memory.available"),
        (EVICTION, "memory.available<200%", "write 0% to 100%"),
        (EVICTION, {"memory": "1"}, "there are memory.available"),
    ],
)
def test_what_cannot_be_is_told_what_can(kind: click.ParamType[Any], text: Any, said: str) -> None:
    with pytest.raises(click.BadParameter) as refused:
        kind.convert(text, None, None)
    assert said in refused.value.message


def test_amounts_and_thresholds_come_as_text_or_as_keys() -> None:
    amounts = {"cpu": "500m", "memory": "1Gi"}
    assert RESERVED.convert("cpu=500m, memory=1Gi", None, None) == amounts
    assert RESERVED.convert(amounts, None, None) == amounts
    assert RESERVED.convert("", None, None) == {}
    least = {"memory.available": "100Mi", "nodefs.available": "10%"}
    text = "memory.available<100Mi, nodefs.available < 10%"
    assert EVICTION.convert(text, None, None) == least
    assert EVICTION.convert(least, None, None) == least


def test_the_default_thresholds_read_as_they_are_written() -> None:
    text = eviction_text(DEFAULT_EVICTION_HARD)
    assert EVICTION.convert(text, None, None) == DEFAULT_EVICTION_HARD


@pytest.mark.parametrize(
    ("directives", "level"),
    [
        ("info", "info"),
        ("DEBUG", "debug"),
        ("trace", "debug"),
        ("warn", "warning"),
        ("off", "error"),
        ("3", "info"),
        ("krustlet=debug,info", "debug"),
        ("info, kubelet::webserver=trace", "debug"),
        ("hyper=debug,warn", "warning"),
        ("hyper=debug", None),
        ("krustletish=debug", None),
        ("nonsense", None),
        ("", None),
    ],
)
def test_the_original_s_variable_gives_the_level(directives: str, level: str | None) -> None:
    assert level_of_rust(directives) == level
