import os
import subprocess
import sys
from pathlib import Path

import pytest

from krustlet.base import Unnamed, make_private_directory, sweep_parts, write_atomically


def test_a_written_file_is_whole_and_private(tmp_path: Path) -> None:
    path = tmp_path / "state"
    write_atomically(path, b"one")
    write_atomically(path, b"two")
    assert path.read_bytes() == b"two"
    assert path.stat().st_mode & 0o777 == 0o600
    assert os.listdir(tmp_path) == ["state"]


def test_the_mode_does_not_depend_on_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        write_atomically(tmp_path / "hosts", b"", mode=0o644, durable=True)
    finally:
        os.umask(before)
    assert (tmp_path / "hosts").stat().st_mode & 0o777 == 0o644


def test_a_failed_write_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "state"
    write_atomically(path, b"old")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OSError, match="No space left"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["state"]


@pytest.mark.parametrize("kind", ["link", "file"])
def test_what_others_have_put_in_the_way_is_not_written_to(tmp_path: Path, kind: str) -> None:
    theirs = tmp_path / "theirs"
    theirs.write_bytes(b"mine")
    part = tmp_path / f".key.{os.getpid()}.part"
    if kind == "link":
        part.symlink_to(theirs)
    else:
        part.hardlink_to(theirs)  # whoever has it open would read along
    write_atomically(tmp_path / "key", b"secret")
    assert theirs.read_bytes() == b"mine"
    assert not (tmp_path / "key").is_symlink()
    assert (tmp_path / "key").read_bytes() == b"secret"


def test_all_new_parents_of_a_private_directory_are_private(tmp_path: Path) -> None:
    make_private_directory(tmp_path / "a" / "b" / "c")
    made = [tmp_path / "a", tmp_path / "a" / "b", tmp_path / "a" / "b" / "c"]
    assert {path.stat().st_mode & 0o777 for path in made} == {0o700}
    assert make_private_directory(made[-1]) == made[-1]  # asked twice


def test_a_file_is_no_directory(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    with pytest.raises(FileExistsError):
        make_private_directory(tmp_path / "a")


@pytest.fixture(params=["unnamed", "named"])
def kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Also as it goes where the file system knows no files without a name."""
    if request.param == "named":
        opened = os.open

        def without_tmpfile(path: str, flags: int, *rest: int) -> int:
            if flags & os.O_TMPFILE == os.O_TMPFILE:
                raise OSError(95, "Operation not supported")
            return opened(path, flags, *rest)

        monkeypatch.setattr(os, "open", without_tmpfile)
    return str(request.param)


def test_an_unnamed_file_gets_its_name_when_complete(tmp_path: Path, kind: str) -> None:
    (tmp_path / "code").write_bytes(b"old")
    with Unnamed(tmp_path) as file:
        os.write(file.descriptor, b"new")
        assert (tmp_path / "code").read_bytes() == b"old"
        file.keep_as(tmp_path / "code")
    assert (tmp_path / "code").read_bytes() == b"new"
    assert (tmp_path / "code").stat().st_mode & 0o777 == 0o600
    assert os.listdir(tmp_path) == ["code"]


def test_an_unnamed_file_that_is_not_kept_is_gone(tmp_path: Path, kind: str) -> None:
    with Unnamed(tmp_path) as file:
        os.write(file.descriptor, b"half of it")
    assert os.listdir(tmp_path) == []


def test_a_killed_process_leaves_no_unnamed_file(tmp_path: Path) -> None:
    code = (
        "import os, pathlib, sys; from krustlet.base import Unnamed\n"
        "with Unnamed(pathlib.Path(sys.argv[1])) as file:\n"
        "    os.write(file.descriptor, b'half'); os.kill(os.getpid(), 9)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False, timeout=30)
    assert done.returncode == -9
    assert os.listdir(tmp_path) == []


def test_what_a_killed_process_had_begun_is_swept_and_nothing_else(tmp_path: Path) -> None:
    begun = tmp_path / ".key.pem.4711.part"
    others = [tmp_path / name for name in ("key.pem", "key.part", ".hidden")]
    for path in (begun, *others):
        path.touch()
    sweep_parts(tmp_path)
    assert sorted(tmp_path.iterdir()) == sorted(others)
    sweep_parts(tmp_path / "absent")
