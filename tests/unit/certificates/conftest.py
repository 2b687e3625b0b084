"""Fixtures of these tests."""

from collections.abc import Iterator, MutableMapping
from typing import Any

import pytest
from structlog.testing import capture_logs

Logged = list[MutableMapping[str, Any]]


@pytest.fixture(autouse=True)
def logged() -> Iterator[Logged]:
    """What is logged, as it came."""
    with capture_logs() as entries:
        yield entries


def lines(logged: Logged, event: str) -> Logged:
    return [entry for entry in logged if entry["event"] == event]
