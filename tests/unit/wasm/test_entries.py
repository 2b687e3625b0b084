"""What is kept of native code, for how long, and what goes first."""

import hashlib
import os
import time
from pathlib import Path

import pytest

from krustlet.base import Unnamed
from krustlet.wasm.entries import Entries
from krustlet.wasm.outcome import Inspection

ENGINE = "0123456789abcdef"
OTHER = "fedcba9876543210"
MINUTE = 60.0
DAY = 24 * 60 * MINUTE


def keep(entries: Entries, digest: str, *, size: int, age_s: float = 0.0) -> Path:
    """An entry of that size, last used so long ago."""
    code = digest.encode() * size
    code = code[:size]
    entries.prepare()
    inspection = Inspection(
        kind="module",
        entry="_start",
        exports=[],
        missing=[],
        code_digest=f"sha256:{hashlib.sha256(code).hexdigest()}",
        code_bytes=size,
    )
    with Unnamed(entries.directory) as output:
        os.write(output.descriptor, code)
        entries.keep(digest, output, inspection)
    used(entries, digest, age_s)
    return entries.code(digest)


def used(entries: Entries, digest: str, age_s: float) -> None:
    at = time.time() - age_s
    os.utime(entries.code(digest).with_suffix(".json"), (at, at))


def of(root: Path, engine: str = ENGINE, *, max_bytes: int = 1 << 30) -> Entries:
    return Entries(root, engine, max_bytes=max_bytes)


def found(entries: Entries, *digests: str) -> list[str]:
    return [digest for digest in digests if entries.code(digest).exists()]


def test_what_is_too_much_goes_the_least_recently_used_first(tmp_path: Path) -> None:
    entries = of(tmp_path, max_bytes=25_000)
    for digest, age in (("a1", 3), ("b2", 5), ("c3", 1), ("d4", 4)):
        keep(entries, digest, size=10_000, age_s=age * DAY)
    entries.sweep()
    assert found(entries, "a1", "b2", "c3", "d4") == ["a1", "c3"]
    assert sorted(path.suffix for path in entries.directory.iterdir()) == [
        ".cwasm",
        ".cwasm",
        ".json",
        ".json",
    ]


def test_what_was_used_in_the_last_minutes_stays_however_much_it_is(tmp_path: Path) -> None:
    entries = of(tmp_path, max_bytes=10)
    keep(entries, "a1", size=10_000, age_s=9 * MINUTE)
    keep(entries, "b2", size=10_000, age_s=11 * MINUTE)
    entries.sweep()
    assert found(entries, "a1", "b2") == ["a1"]


def test_to_be_found_is_to_be_used(tmp_path: Path) -> None:
    entries = of(tmp_path, max_bytes=10)
    keep(entries, "a1", size=10_000, age_s=DAY)
    assert entries.find("a1") is not None
    entries.sweep()
    assert found(entries, "a1") == ["a1"]


def test_nothing_is_written_for_what_was_used_a_moment_ago(tmp_path: Path) -> None:
    entries = of(tmp_path)
    note = keep(entries, "a1", size=10, age_s=10).with_suffix(".json")
    before = note.stat().st_mtime_ns
    assert entries.find("a1") is not None
    assert note.stat().st_mtime_ns == before


def test_what_is_mapped_does_not_mind(tmp_path: Path) -> None:
    entries = of(tmp_path, max_bytes=10)
    with keep(entries, "a1", size=10_000, age_s=DAY).open("rb") as mapped:
        entries.sweep()
        assert found(entries, "a1") == []
        assert len(mapped.read()) == 10_000


def test_entries_of_other_engines_count_and_go_like_ours(tmp_path: Path) -> None:
    ours, others = of(tmp_path, max_bytes=15_000), of(tmp_path, OTHER)
    keep(ours, "a1", size=10_000, age_s=2 * DAY)
    keep(others, "a1", size=10_000, age_s=3 * DAY)
    ours.sweep()
    assert (found(ours, "a1"), found(others, "a1")) == (["a1"], [])


def test_engines_unused_for_a_month_go_with_all_they_have(tmp_path: Path) -> None:
    ours, old, young = of(tmp_path), of(tmp_path, OTHER), of(tmp_path, "f" * 16)
    for entries, age in ((ours, 60), (old, 31), (young, 29)):
        keep(entries, "a1", size=10, age_s=age * DAY)
        (entries.directory / "lock").touch()
        at = time.time() - age * DAY
        os.utime(entries.directory, (at, at))
    ours.sweep()
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([ENGINE, "f" * 16])


def test_what_is_not_ours_to_sweep_stays(tmp_path: Path) -> None:
    entries = of(tmp_path, max_bytes=10)
    keep(entries, "a1", size=10)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "x.part").touch()
    os.utime(elsewhere / "x.part", (0, 0))
    (tmp_path / OTHER).symlink_to(elsewhere)
    (tmp_path / "notes.json").touch()
    entries.sweep()
    assert (elsewhere / "x.part").exists()
    assert (tmp_path / "notes.json").exists()


def test_what_killed_compilers_left_goes_after_an_hour(tmp_path: Path) -> None:
    entries = of(tmp_path)
    keep(entries, "a1", size=10)
    old = [entries.directory / ".x.1.part", entries.directory / "b2.cwasm"]
    young = [entries.directory / ".y.2.part", entries.directory / "c3.cwasm"]
    for path in (*old, *young):
        path.touch()
    for path in old:
        os.utime(path, (time.time() - 2 * 3600, time.time() - 2 * 3600))
    entries.sweep()
    assert [path.exists() for path in old] == [False, False]
    assert [path.exists() for path in young] == [True, True]
    assert found(entries, "a1") == ["a1"]


def test_a_note_for_another_engine_vouches_for_nothing(tmp_path: Path) -> None:
    others = of(tmp_path, OTHER)
    keep(others, "a1", size=10)
    assert others.find("a1") is not None
    others.directory.rename(tmp_path / ENGINE)
    assert of(tmp_path).find("a1") is None


@pytest.mark.parametrize("suffix", [".cwasm", ".json"])
@pytest.mark.parametrize("mode", [0o660, 0o620, 0o602, 0o604])
def test_files_that_others_can_reach_are_not_loaded(tmp_path: Path, suffix: str, mode: int) -> None:
    entries = of(tmp_path)
    keep(entries, "a1", size=10).with_suffix(suffix).chmod(mode)
    assert entries.find("a1") is None


@pytest.mark.parametrize("suffix", [".cwasm", ".json"])
def test_files_that_have_another_name_are_not_loaded(tmp_path: Path, suffix: str) -> None:
    entries = of(tmp_path)
    path = keep(entries, "a1", size=10).with_suffix(suffix)
    (tmp_path / "another").hardlink_to(path)
    assert entries.find("a1") is None


@pytest.mark.parametrize("suffix", [".cwasm", ".json"])
def test_links_are_not_followed(tmp_path: Path, suffix: str) -> None:
    entries = of(tmp_path)
    path = keep(entries, "a1", size=10).with_suffix(suffix)
    path.rename(tmp_path / "moved")
    path.symlink_to(tmp_path / "moved")
    assert entries.find("a1") is None


def test_a_pipe_in_its_place_does_not_hold_us_up(tmp_path: Path) -> None:
    entries = of(tmp_path)
    path = keep(entries, "a1", size=10)
    path.unlink()
    os.mkfifo(path, 0o600)
    assert entries.find("a1") is None


def test_a_directory_that_is_a_link_is_not_used(tmp_path: Path) -> None:
    entries = of(tmp_path)
    keep(entries, "a1", size=10)
    entries.directory.rename(tmp_path / "moved")
    entries.directory.symlink_to(tmp_path / "moved")
    assert entries.find("a1") is None
    with pytest.raises(PermissionError):
        entries.prepare()
