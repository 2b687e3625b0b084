"""What the tests of this room share."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest

from tests.component.kube.servers import Servers


@pytest.fixture
async def servers() -> AsyncIterator[Servers]:
    """Starts servers for a test, and ends them."""
    async with AsyncExitStack() as stack:
        yield Servers(stack)
