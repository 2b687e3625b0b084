"""Fixtures of the pods' tests."""

from collections.abc import Iterator, MutableMapping
from typing import Any

import pytest
from structlog.testing import capture_logs


@pytest.fixture(autouse=True)
def logged() -> Iterator[list[MutableMapping[str, Any]]]:
    """What is logged, as it came; printing it, with all that bugs bring along, takes long."""
    with capture_logs() as entries:
        yield entries
