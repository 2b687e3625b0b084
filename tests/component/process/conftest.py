"""A supervisor for each test, which has to leave nothing behind."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.supervised import Supervised


@pytest.fixture
async def supervised(tmp_path: Path) -> AsyncIterator[Supervised]:
    """A supervisor with toys and scripts."""
    async with Supervised(tmp_path) as supervised:
        yield supervised
