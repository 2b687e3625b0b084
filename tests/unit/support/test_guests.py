"""The cache of guest modules: sources of a test's own, in the format that needs no compiler."""

from pathlib import Path

import pytest

from tests.support.guests import GuestError, Guests, default_cache

EMPTY = "(module)"


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    directory = tmp_path / "sources"
    directory.mkdir()
    (directory / "empty.wat").write_text(EMPTY)
    return directory


@pytest.fixture
def guests(tmp_path: Path, sources: Path) -> Guests:
    return Guests(tmp_path / "cache", sources)


def test_a_guest_is_built_when_it_is_asked_for(guests: Guests) -> None:
    assert guests.path("empty").read_bytes() == b"\0asm\1\0\0\0"


def test_a_guest_is_built_once(guests: Guests, sources: Path, tmp_path: Path) -> None:
    first = guests.path("empty")
    built = first.stat()
    again = Guests(tmp_path / "cache", sources).path("empty")
    assert again == first
    assert again.stat().st_ino == built.st_ino


def test_another_source_makes_another_module(guests: Guests, sources: Path, tmp_path: Path) -> None:
    before = guests.path("empty")
    (sources / "empty.wat").write_text("(module (memory 1))")
    after = Guests(tmp_path / "cache", sources).path("empty")
    assert after != before
    assert before.exists()  # somebody may be running it


def test_a_guest_without_a_source_is_told_with_those_that_have_one(guests: Guests) -> None:
    with pytest.raises(GuestError, match=r"no guest 'none' in .*\['empty'\]"):
        guests.path("none")


def test_a_source_that_does_not_compile_leaves_no_module(
    guests: Guests, sources: Path, tmp_path: Path
) -> None:
    (sources / "broken.wat").write_text("(module")
    with pytest.raises(GuestError, match=r"broken\.wat does not compile"):
        guests.path("broken")
    assert not list((tmp_path / "cache").rglob("*.wasm"))


def test_all_are_built_with_a_line_for_each(
    guests: Guests, sources: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (sources / "other.wat").write_text("(module (memory 1))")
    guests.path("empty")
    guests.build_all()
    told = capsys.readouterr().err
    assert "other … " in told
    assert "empty" not in told


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        pytest.param({"KRUSTLET_TEST_CACHE": "/a", "XDG_CACHE_HOME": "/b"}, "/a", id="named"),
        pytest.param({"XDG_CACHE_HOME": "/b"}, "/b/krustlet-tests", id="among-other-caches"),
        pytest.param({"HOME": "/c"}, "/c/.cache/krustlet-tests", id="in-the-home-directory"),
    ],
)
def test_where_the_cache_is(
    environment: dict[str, str], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("KRUSTLET_TEST_CACHE", "XDG_CACHE_HOME", "HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert default_cache() == Path(expected)
