"""Whose the files of volumes are, and that a guest cannot have others' given to it."""

import os
import stat
from pathlib import Path

import pytest

from krustlet.volumes import Owner
from krustlet.volumes.owner import give_directory

pytestmark = pytest.mark.root

ALONE = Owner(5001, 5002)
SHARED = Owner(5001, 5002, fs_group=6000)


def of(path: Path) -> tuple[int, int, str]:
    found = path.lstat()
    return found.st_uid, found.st_gid, f"{stat.S_IMODE(found.st_mode):o}"


@pytest.fixture
def volume(tmp_path: Path) -> Path:
    path = tmp_path / "volume"
    (path / "deep" / "er").mkdir(parents=True)
    (path / "deep" / "er" / "file").write_text("")
    (path / "deep" / "er" / "file").chmod(0o600)
    return path


def test_a_directory_and_all_in_it_becomes_the_owners(volume: Path) -> None:
    give_directory(volume, ALONE, mode=0o777)
    assert of(volume) == (5001, 5002, "777")
    assert of(volume / "deep" / "er") == (5001, 5002, "755")
    assert of(volume / "deep" / "er" / "file") == (5001, 5002, "600")


def test_with_a_group_of_its_own_its_members_may_write_what_is_there_and_comes(
    volume: Path,
) -> None:
    give_directory(volume, SHARED, mode=0o777)
    assert of(volume) == (5001, 6000, "2777")
    assert of(volume / "deep") == (5001, 6000, "2775")
    assert of(volume / "deep" / "er" / "file") == (5001, 6000, "660")


def test_what_is_given_already_is_not_looked_into(volume: Path) -> None:
    give_directory(volume, SHARED, mode=0o777)
    (volume / "deep").chmod(0o700)
    give_directory(volume, SHARED, mode=0o777)
    assert of(volume / "deep") == (5001, 6000, "700")


def test_what_a_killed_kubelet_began_is_finished(volume: Path) -> None:
    give_directory(volume, SHARED, mode=0o777)
    os.chown(volume / "deep", 0, 0)
    os.chown(volume, 0, 0)  # it comes last
    give_directory(volume, SHARED, mode=0o777)
    assert of(volume / "deep") == (5001, 6000, "2775")


def test_no_link_is_followed(volume: Path, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.mkdir(mode=0o700)
    (precious / "file").write_text("")
    before = of(precious), of(precious / "file")
    (volume / "directory").symlink_to(precious)
    (volume / "deep" / "file").symlink_to(precious / "file")
    os.mkfifo(volume / "deep" / "pipe")

    give_directory(volume, SHARED, mode=0o777)

    assert (of(precious), of(precious / "file")) == before
    assert of(volume / "directory")[:2] == of(volume / "deep" / "pipe")[:2] == (5001, 6000)


def test_a_link_in_place_of_the_volume_is_refused(volume: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(volume)
    with pytest.raises(NotADirectoryError):
        give_directory(tmp_path / "link", ALONE, mode=0o777)
    assert of(volume)[:2] == (0, 0)


def test_however_deep_it_goes(tmp_path: Path) -> None:
    volume = here = tmp_path / "volume"
    for _ in range(150):
        here = here / "d"
    here.mkdir(parents=True)
    give_directory(volume, ALONE, mode=0o777)
    assert of(here)[:2] == (5001, 5002)
