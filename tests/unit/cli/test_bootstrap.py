"""Where `krustlet bootstrap` puts its file, and what does not go together."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from krustlet.cli.bootstrap import _is_below_data
from krustlet.cli.main import krustlet


def test_a_timeout_of_no_wait_is_wrong_usage() -> None:
    result = CliRunner().invoke(krustlet, ["bootstrap", "--timeout", "5s"])
    assert result.exit_code == 2
    assert "--timeout is for --wait" in result.stderr


@pytest.mark.parametrize(
    ("file", "is_below"),
    [
        ("config/b.conf", True),
        ("deep/er/b.conf", True),
        ("../elsewhere/b.conf", False),
        ("/typo/dir/b.conf", False),
    ],
)
def test_directories_are_made_in_our_own_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str, is_below: bool
) -> None:
    monkeypatch.delenv("KRUSTLET_DATA_DIR", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert _is_below_data(tmp_path / ".krustlet" / file) is is_below
