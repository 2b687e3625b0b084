"""Fixtures that every test may ask for."""

import pytest

from tests.support.guests import Guests, default_cache

pytest_plugins = [
    "pytester",
    "tests.support.golden",
    "tests.support.signals",
    "tests.support.skips",
    "tests.support.tidiness",
]


@pytest.fixture(scope="session")
def guests() -> Guests:
    """The guest modules of `tests/modules`, by name."""
    return Guests(default_cache())
