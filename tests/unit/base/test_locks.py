"""One user of a directory at a time."""

from pathlib import Path

import pytest

from krustlet.base import DirectoryInUse, only_user_of


def test_a_second_user_is_refused_until_the_first_is_done(tmp_path: Path) -> None:
    with only_user_of(tmp_path):
        with pytest.raises(DirectoryInUse) as refused, only_user_of(tmp_path):
            pass
        assert str(tmp_path) in refused.value.message
    with only_user_of(tmp_path):
        pass


def test_a_directory_has_to_be_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), only_user_of(tmp_path / "none"):
        pass
