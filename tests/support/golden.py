"""A pytest plugin: files that hold what others read, compared letter by letter.

`pytest --update-golden` writes what comes out now into `tests/golden`; review the difference.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

GOLDEN: Final = Path(__file__).parents[1] / "golden"

Golden = Callable[[str, str], None]
"""Checks a text against the file of a name, which is relative to `tests/golden`."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="rewrite tests/golden")


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Golden:
    """Compare a text with a golden file, or make it one."""

    def compare(name: str, text: str) -> None:
        path = GOLDEN / name
        if request.config.getoption("--update-golden"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        assert path.exists(), f"{path} is missing: run the test with --update-golden"
        assert text == path.read_text()

    return compare
