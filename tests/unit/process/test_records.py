"""Records on disk, as whole as a crash left them."""

from pathlib import Path

import pytest

from krustlet.process import End, Record, boot_id, read_record
from krustlet.process.records import remove_record, write_end, write_start

RECORD = Record("a", "boot", 12.5)
END = End(3, "Error", "it broke\nhere: ü", 13.5)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "pod" / "container" / "0"


def test_a_record_of_what_runs(directory: Path) -> None:
    write_start(str(directory), RECORD)
    assert read_record(directory) == RECORD


def test_a_record_of_what_has_ended(directory: Path) -> None:
    write_start(str(directory), RECORD)
    write_end(str(directory), END)
    assert read_record(directory) == Record("a", "boot", 12.5, END)


def test_a_new_record_takes_the_place_of_the_old(directory: Path) -> None:
    write_start(str(directory), RECORD)
    write_end(str(directory), END)
    write_start(str(directory), Record("b", "boot", 14))
    assert read_record(directory) == Record("b", "boot", 14)


def test_a_record_taken_back(directory: Path) -> None:
    write_start(str(directory), RECORD)
    remove_record(str(directory))
    assert read_record(directory) is None


def test_no_record(directory: Path) -> None:
    assert read_record(directory) is None


def test_every_torn_record_is_none_or_says_less(directory: Path) -> None:
    write_start(str(directory), RECORD)
    begun = len((directory / "record").read_bytes())
    write_end(str(directory), END)
    whole = (directory / "record").read_bytes()
    for length in range(len(whole) - 1):
        (directory / "record").write_bytes(whole[:length])
        expected = None if length < begun - 1 else RECORD
        assert read_record(directory) == expected, length


def test_a_disk_that_fills_up(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_descriptor: int, _data: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.write", full)
    with pytest.raises(OSError, match="No space left"):
        write_start(str(directory), RECORD)
    assert list(directory.iterdir()) == []


def test_a_record_is_for_its_owner_only(directory: Path) -> None:
    write_start(str(directory), RECORD)
    assert (directory / "record").stat().st_mode & 0o077 == 0


def test_every_boot_has_a_name() -> None:
    assert boot_id() == boot_id() != ""
