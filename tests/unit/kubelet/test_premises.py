"""Directories that cannot be used are told of, with the option that names another."""

import os
import resource
import stat
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from krustlet.kubelet.premises import (
    DirectoryUnusable,
    data_directory,
    logs_directory,
    open_as_many_files_as_allowed,
)


def test_directories_are_made(tmp_path: Path) -> None:
    data = data_directory(tmp_path / "a b" / "data")
    assert data.stat().st_mode & 0o777 == 0o700
    logs = logs_directory(tmp_path / "logs" / "pods")
    assert logs.stat().st_mode & 0o555 == 0o555
    assert list(logs.iterdir()) == list(data.iterdir()) == []


def test_what_cannot_be_used_is_told_of(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DirectoryUnusable, match=r"a node's data .*: Not a directory") as no:
        data_directory(tmp_path / "file" / "data")
    assert "--data-dir" in no.value.hint
    for path in ("/proc/pods", "/proc/self"):  # cannot be made, and cannot be written
        with pytest.raises(DirectoryUnusable, match="pod logs") as no:
            logs_directory(Path(path))
        assert "--pod-logs-dir" in no.value.hint


def test_the_limit_of_open_files_is_raised_as_far_as_may_be() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, 256), hard))
    try:
        open_as_many_files_as_allowed()
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (hard, hard)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_data_directory_that_others_could_change_is_closed(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    data.chmod(0o2777)
    with capture_logs() as logged:
        data_directory(data)
    assert stat.S_IMODE(data.stat().st_mode) == 0o2755
    (told,) = logged
    assert (told["event"], told["mode"]) == ("node.data_was_open", "2777")


def test_a_data_directory_of_somebody_else_is_told_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 12345)
    with capture_logs() as logged:
        data_directory(tmp_path)
    (told,) = logged
    assert (told["event"], told["owner"]) == ("node.data_is_anothers", os.getuid())
