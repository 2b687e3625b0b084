"""What a reader of a written volume sees, before, after and at every moment in between."""

import itertools
import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from krustlet.volumes import InvalidVolume, Owner
from krustlet.volumes.atomic_writer import File, write


def files(**data: str) -> dict[str, File]:
    return {path: File(text.encode(), 0o644) for path, text in data.items()}


def visible(volume: Path) -> dict[str, bytes]:
    """All files that a guest finds, by path: those that do not begin with `..`."""
    found = {}
    for name in os.listdir(volume):
        if name.startswith(".."):
            continue
        top = volume / name
        for path in [top, *top.rglob("*")]:
            if path.is_file():
                found[str(path.relative_to(volume))] = path.read_bytes()
    return found


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def volume(tmp_path: Path) -> Path:
    return tmp_path / "volume"


@pytest.fixture(params=[0o022, 0o077])
def _umask(request: pytest.FixtureRequest) -> Iterator[None]:
    before = os.umask(request.param)
    yield
    os.umask(before)


@pytest.mark.usefixtures("_umask")
def test_it_looks_as_the_kubelet_makes_it(volume: Path) -> None:
    assert write(volume, {"a": File(b"A", 0o400), "d/b": File(b"\0B", 0o640)})

    (hidden,) = (name for name in os.listdir(volume) if name not in ("a", "d", "..data"))
    assert hidden.startswith("..20")
    assert os.readlink(volume / "..data") == hidden
    assert os.readlink(volume / "a") == "..data/a"
    assert os.readlink(volume / "d") == "..data/d"
    assert visible(volume) == {"a": b"A", "d/b": b"\0B"}
    assert (mode(volume / "a"), mode(volume / "d" / "b")) == (0o400, 0o640)
    assert mode(volume) == mode(volume / hidden) == mode(volume / "d") == 0o755


def test_a_volume_may_be_empty(volume: Path) -> None:
    assert write(volume, {})
    assert visible(volume) == {}
    assert (volume / "..data").is_dir()
    assert not write(volume, {})


def test_what_is_as_it_should_be_is_not_written_again(volume: Path) -> None:
    write(volume, files(a="A"))
    before = os.readlink(volume / "..data")
    assert not write(volume, files(a="A"))
    assert os.readlink(volume / "..data") == before


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param({"a": File(b"B", 0o644)}, id="content"),
        pytest.param({"a": File(b"A", 0o600)}, id="mode"),
        pytest.param({"b": File(b"A", 0o644)}, id="name"),
        pytest.param({"a/b": File(b"A", 0o644)}, id="a-directory-in-its-place"),
        pytest.param(files(a="A", b="B"), id="one-more"),
        pytest.param({}, id="none-left"),
    ],
)
def test_a_new_version_replaces_the_old_one(volume: Path, changed: Mapping[str, File]) -> None:
    write(volume, files(a="A"))
    before = os.readlink(volume / "..data")

    assert write(volume, changed)

    assert visible(volume) == {path: file.data for path, file in changed.items()}
    assert {path: mode(volume / path) for path in changed} == {
        path: file.mode for path, file in changed.items()
    }
    assert os.readlink(volume / "..data") != before
    assert not (volume / before).exists()


def test_what_a_killed_kubelet_left_is_swept(volume: Path) -> None:
    write(volume, files(a="A"))
    (volume / "..data_tmp").symlink_to("..2001")
    (volume / "..2001").mkdir()
    (volume / "..2001" / "half").write_text("written")
    write(volume, files(a="B"))
    assert sorted(os.listdir(volume))[1:] == ["..data", "a"]
    assert visible(volume) == {"a": b"B"}


def test_a_link_that_was_never_made_is_made(volume: Path) -> None:
    write(volume, files(a="A"))
    (volume / "a").unlink()
    assert not write(volume, files(a="A"))
    assert visible(volume) == {"a": b"A"}


def test_what_a_mount_made_beside_the_links_stays(volume: Path) -> None:
    write(volume, files(a="A"))
    (volume / "sub").mkdir()
    write(volume, files(a="B"))
    assert (volume / "sub").is_dir()


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("/etc/passwd", "relative"),
        ("", "empty"),
        (".", "empty"),
        ("..", "'..'"),
        ("../x", "'..'"),
        ("a/../../x", "'..'"),
        ("..data", "start with"),
        ("..data/a", "start with"),
        ("a\0b", "relative"),
        ("a" * 256, "shorter"),
        ("/".join(["a"] * 3000), "shorter"),
    ],
)
def test_a_path_that_leads_elsewhere_is_refused(volume: Path, path: str, why: str) -> None:
    write(volume, files(a="A"))
    with pytest.raises(InvalidVolume, match="invalid path") as refused:
        write(volume, {"b": File(b"B", 0o644), path: File(b"X", 0o644)})
    assert why in refused.value.message
    assert visible(volume) == {"a": b"A"}


def test_odd_paths_are_made_plain(volume: Path) -> None:
    write(volume, {"./a//b/": File(b"B", 0o644), "c/..d": File(b"D", 0o644)})
    assert visible(volume) == {"a/b": b"B", "c/..d": b"D"}


@pytest.mark.parametrize("pair", [("a", "a/b"), ("a/b", "a")])
def test_a_file_that_is_a_directory_too_changes_nothing(
    volume: Path, pair: tuple[str, str]
) -> None:
    write(volume, files(x="X"))
    before = sorted(os.listdir(volume))
    with pytest.raises(OSError, match="a"):
        write(volume, {path: File(b"", 0o644) for path in pair})
    assert sorted(os.listdir(volume)) == before


def test_a_file_does_not_show_what_it_holds() -> None:
    assert "hidden" not in repr(File(b"hidden", 0o600))


# at every moment --------------------------------------------------------------------------------

_names = st.sampled_from(["a", "b", "c", "d/a", "d/b", "e/f/g"])
_versions = st.dictionaries(_names, st.binary(max_size=3).map(lambda data: File(data, 0o644)))


@settings(deadline=None)  # the disk is not ours alone
@given(versions=st.lists(_versions, min_size=2, max_size=4))
def test_a_reader_never_sees_parts_of_two_versions(versions: list[dict[str, File]]) -> None:
    with tempfile.TemporaryDirectory() as directory:
        volume = Path(directory) / "volume"
        write(volume, versions[0])
        for old, new in itertools.pairwise(versions):
            seen = states_while(volume, new)
            allowed = [contents(old), contents(new)]
            assert all(state in allowed for state in seen)
            assert seen == sorted(seen, key=allowed.index)  # and never goes back
            assert whole(volume) == visible(volume) == contents(new)


@settings(deadline=None)  # the disk is not ours alone
@given(old=_versions, new=_versions)
def test_a_file_of_both_versions_is_there_at_every_moment(
    old: dict[str, File], new: dict[str, File]
) -> None:
    lasting = old.keys() & new.keys()
    with tempfile.TemporaryDirectory() as directory:
        volume = Path(directory) / "volume"
        write(volume, old)
        seen: list[dict[str, bytes]] = []
        with watched(lambda: seen.append({p: (volume / p).read_bytes() for p in lasting})):
            write(volume, new)
        of_old, of_new = ({p: version[p].data for p in lasting} for version in (old, new))
        assert all(state in (of_old, of_new) for state in seen)


@settings(deadline=None)  # the disk is not ours alone
@given(old=_versions, new=_versions, fails_at=st.integers(min_value=0, max_value=40))
def test_a_write_that_fails_leaves_one_version_whole(
    old: dict[str, File], new: dict[str, File], fails_at: int
) -> None:
    steps = iter(range(1000))

    def fail() -> None:
        if next(steps) == fails_at:
            raise OSError("the disk is full")

    with tempfile.TemporaryDirectory() as directory:
        volume = Path(directory) / "volume"
        write(volume, old)
        try:
            with watched(fail):
                write(volume, new)
        except OSError:
            assert whole(volume) in (contents(old), contents(new))
        write(volume, new)
        assert whole(volume) == visible(volume) == contents(new)
        assert len([name for name in os.listdir(volume) if name.startswith("..2")]) == 1


def states_while(volume: Path, version: dict[str, File]) -> list[dict[str, bytes]]:
    """What a reader finds before each step of writing `version`."""
    seen: list[dict[str, bytes]] = []
    with watched(lambda: seen.append(whole(volume))):
        write(volume, version)
    return seen


def contents(version: Mapping[str, File]) -> dict[str, bytes]:
    return {path: file.data for path, file in version.items()}


def whole(volume: Path) -> dict[str, bytes]:
    """What one finds who has followed `..data` once."""
    data = Path(os.path.realpath(volume / "..data"))
    return {
        str(path.relative_to(data)): path.read_bytes() for path in data.rglob("*") if path.is_file()
    }


_STEPS = (
    (os, ("mkdir", "open", "fchmod", "chmod", "symlink", "replace", "unlink", "rmdir")),
    (shutil, ("rmtree",)),
    (tempfile, ("mkdtemp",)),
)


@contextmanager
def watched(look: Callable[[], object]) -> Iterator[None]:
    """Within the block, `look` is called before each thing that the writer does to the disk."""

    def seen(real: Callable[..., Any]) -> Callable[..., Any]:
        def step(*args: Any, **kwargs: Any) -> Any:
            look()
            return real(*args, **kwargs)

        return step

    with pytest.MonkeyPatch.context() as patch:
        for owner, names in _STEPS:
            for name in names:
                patch.setattr(owner, name, seen(getattr(owner, name)))
        yield


def test_every_kind_of_step_is_watched(volume: Path) -> None:
    seen = []
    write(volume, files(a="A"))
    with watched(lambda: seen.append(os.readlink(volume / "..data"))):
        write(volume, files(b="B"))
    assert len(seen) > 8
    assert len(set(seen)) == 2


# owners -----------------------------------------------------------------------------------------


def whose(path: Path) -> tuple[int, int, str]:
    found = path.stat()
    return found.st_uid, found.st_gid, f"{stat.S_IMODE(found.st_mode):o}"


@pytest.mark.root
def test_the_files_are_the_owners_and_the_directories_the_nodes_own(volume: Path) -> None:
    write(volume, {"a": File(b"A", 0o400), "d/b": File(b"B", 0o644)}, Owner(5001, 5002))
    assert whose(volume / "a") == (5001, 5002, "400")
    assert whose(volume / "d" / "b") == (5001, 5002, "644")
    for directory in (volume, volume / "..data", volume / "d"):
        assert whose(directory) == (0, 0, "755")


@pytest.mark.root
def test_with_an_fs_group_its_members_can_read_it_all(volume: Path) -> None:
    files = {"a": File(b"A", 0o400), "x": File(b"X", 0o755), "d/b": File(b"B", 0o600)}
    write(volume, files, Owner(5001, 5002, fs_group=6000))
    assert whose(volume / "a") == (5001, 6000, "440")
    assert whose(volume / "x") == (5001, 6000, "755")
    assert whose(volume / "d" / "b") == (5001, 6000, "640")
    for directory in (volume, volume / "..data", volume / "d"):
        assert whose(directory) == (0, 6000, "2755")


@pytest.mark.root
def test_another_owner_is_a_new_version_and_the_same_is_none(volume: Path) -> None:
    one, other = Owner(5001, 5001), Owner(5003, 5001)
    assert write(volume, files(a="A"), one)
    assert not write(volume, files(a="A"), one)
    assert write(volume, files(a="A"), other)
    assert whose(volume / "a") == (5003, 5001, "644")
