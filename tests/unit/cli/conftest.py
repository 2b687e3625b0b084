"""Commands that are called within the tests' own process leave it as it was."""

from collections.abc import Iterator

import pytest
import structlog


@pytest.fixture(autouse=True)
def _logs_as_before() -> Iterator[None]:
    """A command sets the level of the log, for the whole process."""
    yield
    structlog.reset_defaults()
