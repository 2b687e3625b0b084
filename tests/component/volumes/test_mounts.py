import contextlib
import os
import stat
import tempfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from krustlet.objects import Container, Mount, VolumeMount
from krustlet.volumes import (
    MountError,
    MountSourceUnusable,
    SingleFileMountUnsupported,
    SubPathEscapes,
    SubPathVariableMissing,
    VolumeUnknown,
    resolve_mounts,
)
from krustlet.volumes.atomic_writer import File, write


@pytest.fixture
def volume(tmp_path: Path) -> Path:
    path = tmp_path / "volume"
    path.mkdir()
    path.chmod(0o777)
    return path


def resolve(
    volume: Path,
    sub_path: str = "",
    *,
    expr: str = "",
    env: Mapping[str, str] | None = None,
    files_allowed: bool = False,
) -> Path:
    mount = VolumeMount(name="v", mount_path="/data", sub_path=sub_path, sub_path_expr=expr)
    container = Container(name="c", volume_mounts=(mount,))
    (resolved,) = resolve_mounts(container, {"v": volume}, env or {}, files_allowed=files_allowed)
    return Path(resolved.host)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_mounts_come_in_the_containers_order(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    container = Container(
        name="c",
        volume_mounts=(
            VolumeMount(name="b", mount_path="/z/", read_only=True),
            VolumeMount(name="a", mount_path="relative/./x"),
            VolumeMount(name="a", mount_path="//y/../.."),
        ),
    )
    mounted = {"a": tmp_path / "a", "b": tmp_path / "b", "unused": tmp_path / "missing"}
    assert resolve_mounts(container, mounted, {}) == (
        Mount(host=str(tmp_path / "b"), guest="/z", read_only=True),
        Mount(host=str(tmp_path / "a"), guest="/relative/x", read_only=False),
        Mount(host=str(tmp_path / "a"), guest="/", read_only=False),
    )


def test_a_volume_behind_a_link_is_named_by_where_it_is(tmp_path: Path, volume: Path) -> None:
    (tmp_path / "link").symlink_to(volume)
    assert resolve(tmp_path / "link") == volume
    assert resolve(tmp_path / "link", "sub") == volume / "sub"


@pytest.mark.parametrize("umask", [0o022, 0o077])
@pytest.mark.parametrize("sub_path", ["sub", "sub/below/it", "./sub//below/"])
def test_a_missing_sub_path_is_made_as_open_as_its_volume(
    volume: Path, sub_path: str, umask: int
) -> None:
    before = os.umask(umask)
    try:
        made = resolve(volume, sub_path)
    finally:
        os.umask(before)
    assert made == volume / sub_path
    assert made.is_dir()
    assert mode(made) == mode(volume / "sub") == 0o777


def test_containers_that_start_at_once_share_what_they_make(volume: Path) -> None:
    with ThreadPoolExecutor(8) as threads:
        made = set(threads.map(lambda _: resolve(volume, "/".join("abcdef")), range(64)))
    assert made == {volume / "a/b/c/d/e/f"}
    assert {mode(path) for path in volume.rglob("*")} == {0o777}


def test_a_sub_path_that_is_there_is_left_as_it_is(volume: Path) -> None:
    (volume / "sub").mkdir(mode=0o700)
    (volume / "sub" / "file").write_text("kept")
    assert resolve(volume, "sub") == volume / "sub"
    assert mode(volume / "sub") == 0o700
    assert (volume / "sub" / "file").read_text() == "kept"


def test_an_expression_is_expanded(volume: Path) -> None:
    env = {"POD": "web-1", "ZONE": "a"}
    assert resolve(volume, expr="$(ZONE)/$(POD)", env=env) == volume / "a" / "web-1"
    assert resolve(volume, expr="$$(POD)", env=env) == volume / "$(POD)"


@pytest.mark.parametrize("env", [{}, {"POD": ""}], ids=["unset", "empty"])
def test_an_expression_needs_all_its_variables(volume: Path, env: dict[str, str]) -> None:
    with pytest.raises(SubPathVariableMissing, match="missing value for POD, ZONE") as refused:
        resolve(volume, expr="$(ZONE)/$(POD)", env=env)
    assert refused.value.reason == "CreateContainerConfigError"
    assert os.listdir(volume) == []


@pytest.mark.parametrize("sub_path", ["..", "a/../..", "a/../b", "/", "/etc", "a\0b"])
def test_a_sub_path_only_goes_down(volume: Path, sub_path: str) -> None:
    with pytest.raises(SubPathEscapes):
        resolve(volume, sub_path)
    with pytest.raises(SubPathEscapes):
        resolve(volume, expr="$(WHERE)", env={"WHERE": sub_path})
    assert os.listdir(volume) == []


@pytest.mark.parametrize(
    ("links", "sub_path"),
    [
        pytest.param({"out": "/etc"}, "out", id="absolute"),
        pytest.param({"out": ".."}, "out", id="relative"),
        pytest.param({"out": ".."}, "out/volume-2", id="a-neighbour-of-a-similar-name"),
        pytest.param({"out": "../new"}, "out", id="to-what-could-be-made"),
        pytest.param({"a": "b", "b": "/etc"}, "a", id="in-two-steps"),
        pytest.param({"a": "a/../b", "b": "/etc"}, "a", id="hidden-behind-a-loop"),
        pytest.param({"a": "x/../b", "b": "/etc"}, "a", id="hidden-behind-what-is-missing"),
    ],
)
def test_a_link_does_not_lead_out(volume: Path, links: dict[str, str], sub_path: str) -> None:
    (volume.parent / "volume-2").mkdir()
    for name, to in links.items():
        (volume / name).symlink_to(to)
    with pytest.raises(MountError):
        resolve(volume, sub_path)
    assert sorted(os.listdir(volume.parent)) == ["volume", "volume-2"]
    assert sorted(os.listdir(volume)) == sorted(links)


def test_a_link_inside_its_volume_is_followed(volume: Path) -> None:
    (volume / "current").symlink_to("releases/2")
    assert resolve(volume, "current/logs") == volume / "releases" / "2" / "logs"


def test_a_loop_of_links_is_an_error(volume: Path) -> None:
    (volume / "a").symlink_to("a")
    with pytest.raises(MountSourceUnusable, match="cannot enter"):
        resolve(volume, "a/b")


def test_a_link_that_appears_after_the_check_is_not_followed(
    volume: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.path.realpath

    def realpath_then_swap(path: Path) -> str:
        found = real(path)
        if path == volume / "sub" / "new":
            (volume / "sub").symlink_to(volume.parent)
        return found

    monkeypatch.setattr(os.path, "realpath", realpath_then_swap)
    with pytest.raises(MountSourceUnusable):
        resolve(volume, "sub/new")
    assert os.listdir(volume.parent) == ["volume"]


@pytest.mark.parametrize("sub_path", ["file", ""])
def test_without_a_mount_namespace_a_single_file_cannot_be_mounted(
    volume: Path, sub_path: str
) -> None:
    (volume / "file").write_text("")
    source = volume if sub_path else volume / "file"
    with pytest.raises(SingleFileMountUnsupported, match="only root can") as refused:
        resolve(source, sub_path)
    assert refused.value.reason == "CreateContainerConfigError"
    assert "directory that holds it" in refused.value.hint


@pytest.mark.parametrize("sub_path", ["deep/file", "link", ""])
def test_a_single_file_can_be_mounted_where_there_is_a_mount_namespace(
    volume: Path, sub_path: str
) -> None:
    (volume / "deep").mkdir()
    (volume / "deep" / "file").write_text("")
    (volume / "link").symlink_to("deep/file")
    source = volume if sub_path else volume / "link"
    assert resolve(source, sub_path, files_allowed=True) == volume / "deep" / "file"


def test_one_file_of_a_volume_that_we_write_is_that_of_its_version(volume: Path) -> None:
    write(volume, {"key": File(b"old", 0o644), "other": File(b"", 0o644)})
    found = resolve(volume, "key", files_allowed=True)
    assert found.read_bytes() == b"old"
    assert found.parent.name.startswith("..2")
    write(volume, {"key": File(b"new", 0o644)})
    assert resolve(volume, "key", files_allowed=True).read_bytes() == b"new"


def test_a_file_out_of_its_volume_cannot_be_mounted(volume: Path) -> None:
    (volume.parent / "secret").write_text("")
    (volume / "link").symlink_to(volume.parent / "secret")
    with pytest.raises(SubPathEscapes):
        resolve(volume, "link", files_allowed=True)


def test_a_missing_sub_path_is_a_directory_even_so(volume: Path) -> None:
    assert resolve(volume, "missing", files_allowed=True).is_dir()


@pytest.mark.root
def test_a_sub_path_that_is_made_belongs_to_whom_its_volume_does(volume: Path) -> None:
    os.chown(volume, 5001, 6000)
    volume.chmod(0o2770)
    made = resolve(volume, "sub/below").stat()
    assert (made.st_uid, made.st_gid, stat.S_IMODE(made.st_mode)) == (5001, 6000, 0o2770)


def test_a_file_on_the_way_down_is_an_error(volume: Path) -> None:
    (volume / "file").write_text("")
    with pytest.raises(MountSourceUnusable, match=r"cannot enter file of .*: Not a directory"):
        resolve(volume, "file/sub")


@pytest.mark.parametrize("sub_path", ["", "sub"])
def test_a_missing_host_path_is_not_made(tmp_path: Path, sub_path: str) -> None:
    with pytest.raises(MountSourceUnusable, match="doesn't exist") as refused:
        resolve(tmp_path / "missing", sub_path)
    assert "DirectoryOrCreate" in refused.value.hint
    assert not (tmp_path / "missing").exists()


@pytest.mark.parametrize(("mounted", "told"), [(["a", "b"], "a, b"), ([], "no volumes")])
def test_an_unknown_volume_is_named(mounted: list[str], told: str) -> None:
    container = Container(name="c", volume_mounts=(VolumeMount(name="v", mount_path="/x"),))
    with pytest.raises(VolumeUnknown, match="cannot find volume 'v' to mount into") as refused:
        resolve_mounts(container, {name: Path("/") for name in mounted}, {})
    assert told in refused.value.hint


_names = st.sampled_from(["a", "b", "c", "file"])
_downward = st.lists(_names, min_size=1, max_size=4).map("/".join)
_paths = st.lists(_names | st.sampled_from(["..", ".", ""]), max_size=5).map("/".join)
_targets = _paths | _paths.map(lambda path: f"/{path}") | st.just("../..")


@settings(deadline=None)  # the disk is not ours alone
@given(
    links=st.dictionaries(st.tuples(_names, _names), _targets, max_size=6),
    sub_path=_downward | _paths,
)
def test_whatever_the_links_a_mount_stays_in_its_volume(
    links: dict[tuple[str, str], str], sub_path: str
) -> None:
    with tempfile.TemporaryDirectory() as directory:
        volume = Path(os.path.realpath(directory)) / "outer" / "volume"
        volume.mkdir(parents=True)
        (volume / "file").write_text("")
        for name in ("a", "b"):
            (volume / name).mkdir()
        for (above, name), to in links.items():
            link = volume / above / name
            if (volume / above).is_dir() and to and not os.path.lexists(link):
                link.symlink_to(to)

        with contextlib.suppress(MountError):
            source = resolve(volume, sub_path, files_allowed=True)
            assert source.exists()
            assert os.path.realpath(source) == str(source)
            assert source.is_relative_to(volume)
        assert os.listdir(volume.parent) == ["volume"]
        assert os.listdir(volume.parent.parent) == ["outer"]
