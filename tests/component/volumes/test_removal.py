"""What is left of a pod's files, whatever a guest and others did to them: nothing, and no more."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from krustlet.volumes import VolumeStillMounted, tmpfs
from krustlet.volumes.mount_table import mounts_below
from krustlet.volumes.removal import remove


def a_deep_tree(top: Path, *, levels: int) -> None:
    """Deeper than a path may be long, than Python recurses, and than there are descriptors."""
    top.mkdir()
    here = os.open(top, os.O_RDONLY | os.O_DIRECTORY)
    for level in range(levels):
        name = f"level-{level}"
        os.mkdir(name, dir_fd=here)
        os.close(os.open("file", os.O_CREAT | os.O_WRONLY, dir_fd=here))
        below = os.open(name, os.O_RDONLY | os.O_DIRECTORY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)


@pytest.fixture
def volume(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "volume"
    yield path
    for found in mounts_below(tmp_path):
        tmpfs.unmount(Path(found.path))


def test_no_tree_is_too_deep(volume: Path) -> None:
    a_deep_tree(volume, levels=3000)
    remove(volume)
    assert not volume.exists()


def test_many_files_and_directories_go(volume: Path) -> None:
    for a in range(20):
        for b in range(20):
            (volume / f"{a}" / f"{b}").mkdir(parents=True)
            (volume / f"{a}" / f"{b}" / "file").write_text("")
    (volume / "1.moved").mkdir()  # a name that might be wanted while it is taken apart
    (volume / "1.moved" / "2.moved").mkdir()
    os.mkfifo(volume / "pipe")
    remove(volume)
    assert os.listdir(volume.parent) == []


def test_links_are_removed_and_not_followed(volume: Path, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "file").write_text("stays")
    volume.mkdir()
    (volume / "way-out").symlink_to(precious)
    (volume / "deep").mkdir()
    (volume / "deep" / "file").symlink_to(precious / "file")
    os.link(precious / "file", volume / "hard")
    remove(volume)
    assert os.listdir(tmp_path) == ["precious"]
    assert (precious / "file").read_text() == "stays"


def test_what_is_gone_is_no_error(tmp_path: Path) -> None:
    remove(tmp_path / "missing")
    remove(tmp_path / "missing" / "below")
    assert os.listdir(tmp_path) == []


def test_a_link_in_its_place_is_left_alone(volume: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    volume.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(NotADirectoryError):
        remove(volume)
    assert (tmp_path / "elsewhere").exists()


@pytest.mark.root
def test_what_we_mounted_goes_with_it_however_often(volume: Path) -> None:
    inner = volume / "in ner"
    inner.mkdir(parents=True)
    tmpfs.mount(inner, mode=0o700)
    (inner / "file").write_text("")
    tmpfs.mount(inner, mode=0o700)
    remove(volume)
    assert not volume.exists()
    assert mounts_below(volume.parent) == []


@pytest.mark.root
def test_what_somebody_else_mounted_is_never_removed_through(volume: Path, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "file").write_text("stays")
    theirs = volume / "deep" / "theirs"
    theirs.mkdir(parents=True)
    # As `mount --bind` does: the same file system, so nothing but the table tells.
    assert tmpfs._libc().mount(bytes(precious), bytes(theirs), None, 4096, None) == 0

    with pytest.raises(VolumeStillMounted, match=f"cannot remove {theirs}: something is mounted"):
        remove(volume)

    assert (precious / "file").read_text() == "stays"
    assert (theirs / "file").exists()


@pytest.mark.root
def test_what_is_in_use_is_told_and_can_be_removed_later(volume: Path) -> None:
    volume.mkdir()
    tmpfs.mount(volume, mode=0o700)
    (volume / "file").write_text("")
    with (volume / "file").open():
        with pytest.raises(VolumeStillMounted) as told:
            remove(volume)
        assert told.value.retryable
        assert "fuser" in told.value.hint
    remove(volume)
    assert not volume.exists()
