"""A server's rig for each test."""

from pathlib import Path

import pytest

from tests.component.server.rig import Rig


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path)
