from pathlib import Path

import pytest

from krustlet.volumes.mount_table import MountPoint, mounts_below

# A table as the kernel writes it: no optional fields, one, two; a space in a path; one deleted.
TABLE = r"""22 1 0:20 / / rw,relatime - ext4 /dev/root rw
30 22 0:21 / /data/pods/a rw,nosuid shared:3 - tmpfs krustlet rw,size=64k
31 22 0:22 / /data/pods/a/b\040c rw shared:4 master:1 - tmpfs krustlet rw
32 22 0:23 /x /data/pods/ab rw - ext4 /dev/sdb rw
33 30 0:24 / /data/pods/a rw - ext4 //server/share\134 rw
34 22 0:25 / /elsewhere/data/pods/a rw - tmpfs tmpfs rw
"""


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "mountinfo"
    path.write_text(TABLE)
    return path


def test_what_is_mounted_below_a_directory_comes_last_first(table: Path) -> None:
    assert mounts_below(Path("/data/pods/a"), table=table) == [
        MountPoint("/data/pods/a", "ext4", "//server/share\\"),
        MountPoint("/data/pods/a/b c", "tmpfs", "krustlet"),
        MountPoint("/data/pods/a", "tmpfs", "krustlet"),
    ]


def test_a_directory_with_a_space_is_found(table: Path) -> None:
    (found,) = mounts_below(Path("/data/pods/a/b c"), table=table)
    assert found.path == "/data/pods/a/b c"


def test_below_the_root_is_everything(table: Path) -> None:
    assert len(mounts_below(Path("/"), table=table)) == 6


def test_a_system_without_a_table_has_nothing_mounted(tmp_path: Path) -> None:
    assert mounts_below(Path("/"), table=tmp_path / "missing") == []
