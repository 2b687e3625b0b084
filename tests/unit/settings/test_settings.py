from pathlib import Path

import pytest

from krustlet.settings import default_data_dir


def test_the_variable_names_the_data_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KRUSTLET_DATA_DIR", "/srv/krustlet")
    assert default_data_dir() == Path("/srv/krustlet")


@pytest.mark.parametrize("variable", [None, ""])
def test_else_it_lies_in_the_home_directory(
    monkeypatch: pytest.MonkeyPatch, variable: str | None
) -> None:
    monkeypatch.setenv("HOME", "/home/somebody")
    monkeypatch.delenv("KRUSTLET_DATA_DIR", raising=False)
    if variable is not None:
        monkeypatch.setenv("KRUSTLET_DATA_DIR", variable)
    assert default_data_dir() == Path("/home/somebody/.krustlet")
