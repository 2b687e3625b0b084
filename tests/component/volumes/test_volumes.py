import os
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from krustlet.objects import (
    EmptyDirVolumeSource,
    HostPathVolumeSource,
    ObjectMeta,
    Pod,
    PodSpec,
    Volume,
)
from krustlet.volumes import HostPathUnfit, InvalidVolume, Owner, Volumes, VolumeStorageFailed

UID = "7f1c"
CACHE = Volume(name="cache", empty_dir=EmptyDirVolumeSource())


def a_pod(*volumes: Volume, uid: str = UID) -> Pod:
    return Pod(metadata=ObjectMeta(name="p", uid=uid), spec=PodSpec(volumes=volumes))


def at(path: Path, of_type: str | None = None) -> Volume:
    return Volume(name="host", host_path=HostPathVolumeSource(path=str(path), type=of_type))


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture(params=[0o022, 0o077])
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


@pytest.mark.usefixtures("umask")
async def test_an_empty_dir_is_open_to_everybody_inside_a_private_directory(root: Path) -> None:
    mounted = await Volumes(root).mount(a_pod(CACHE))

    cache = root / "pods" / UID / "volumes" / "kubernetes.io~empty-dir" / "cache"
    assert mounted == {"cache": cache}
    assert mode(cache) == 0o777
    assert mode(cache.parent) == mode(cache.parent.parent) == 0o700


async def test_mounting_again_finds_what_was_written(root: Path) -> None:
    volumes = Volumes(root)
    cache = (await volumes.mount(a_pod(CACHE)))["cache"]
    (cache / "kept").write_text("kept")
    cache.chmod(0o700)

    assert await volumes.mount(a_pod(CACHE)) == {"cache": cache}
    assert (cache / "kept").read_text() == "kept"
    assert mode(cache) == 0o777


@pytest.mark.root
@pytest.mark.usefixtures("umask")
@pytest.mark.parametrize(
    ("owner", "whose"),
    [
        pytest.param(Owner(5001, 5002), (5001, 5002, 0o777), id="of-a-user-alone"),
        pytest.param(Owner(5001, 5002, 6000), (5001, 6000, 0o2777), id="of-an-fs-group-too"),
    ],
)
async def test_an_empty_dir_belongs_to_whom_the_pod_runs_as(
    root: Path, owner: Owner, whose: tuple[int, int, int]
) -> None:
    cache = (await Volumes(root).mount(a_pod(CACHE), owner=owner))["cache"]
    found = cache.stat()
    assert (found.st_uid, found.st_gid, mode(cache)) == whose


async def test_sweeping_leaves_pods_that_are_here_and_other_rooms_alone(root: Path) -> None:
    volumes = Volumes(root)
    here = (await volumes.mount(a_pod(CACHE, uid="here")))["cache"]
    for uid in ("gone", "gone-too"):
        await volumes.mount(a_pod(CACHE, uid=uid))
    (root / "pods" / "gone" / "state").write_text("another room's")
    (root / "pods" / "strange").write_text("")

    await volumes.sweep(but=["here"])

    assert here.is_dir()
    assert os.listdir(root / "pods" / "gone") == ["state"]
    assert not (root / "pods" / "gone-too").exists()


async def test_what_cannot_be_swept_is_told_when_the_rest_is(root: Path) -> None:
    volumes = Volumes(root)
    (root / "pods" / "a" / "volumes").parent.mkdir(parents=True)
    (root / "pods" / "a" / "volumes").write_text("in the way")
    await volumes.mount(a_pod(CACHE, uid="b"))
    with pytest.raises(VolumeStorageFailed, match="pod a: cannot remove"):
        await volumes.sweep(but=())
    assert not (root / "pods" / "b").exists()


async def test_unmounting_removes_only_what_was_made(root: Path, tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    (theirs / "file").write_text("stays")
    volumes = Volumes(root)
    mounted = await volumes.mount(a_pod(CACHE, at(theirs)))
    (mounted["cache"] / "deep").mkdir()
    (mounted["cache"] / "deep" / "way-out").symlink_to(theirs)
    (root / "pods" / UID / "state").write_text("another room's")
    other = (await volumes.mount(a_pod(CACHE, uid="other")))["cache"]

    await volumes.unmount(UID)
    await volumes.unmount(UID)

    assert os.listdir(root / "pods" / UID) == ["state"]
    assert (theirs / "file").read_text() == "stays"
    assert other.is_dir()


async def test_unmounting_a_pod_that_never_mounted_is_nothing(root: Path) -> None:
    await Volumes(root).unmount(UID)
    assert not root.exists()


@pytest.mark.parametrize("link", ["pods/7f1c", "pods/7f1c/volumes"])
async def test_unmounting_does_not_follow_a_link(root: Path, tmp_path: Path, link: str) -> None:
    precious = tmp_path / "elsewhere" / "volumes" / "precious"
    precious.mkdir(parents=True)
    (root / link).parent.mkdir(parents=True)
    (root / link).symlink_to(tmp_path / "elsewhere")

    with pytest.raises(VolumeStorageFailed, match="cannot remove"):
        await Volumes(root).unmount(UID)
    assert precious.is_dir()


@pytest.mark.parametrize("uid", ["", ".", "..", "../x", "/", "a\0"])
async def test_a_uid_is_never_a_path(root: Path, uid: str) -> None:
    with pytest.raises(InvalidVolume):
        await Volumes(root).mount(a_pod(CACHE, uid=uid))
    with pytest.raises(InvalidVolume):
        await Volumes(root).unmount(uid)
    assert not root.exists()


async def test_a_file_in_the_way_is_told(root: Path) -> None:
    in_the_way = root / "pods" / UID / "volumes" / "kubernetes.io~empty-dir" / "cache"
    in_the_way.parent.mkdir(parents=True)
    in_the_way.write_text("")
    with pytest.raises(VolumeStorageFailed, match=r"'cache': cannot make .*: File exists"):
        await Volumes(root).mount(a_pod(CACHE))


@pytest.mark.usefixtures("umask")
@pytest.mark.parametrize(
    ("of_type", "path", "made"),
    [
        ("DirectoryOrCreate", "new", 0o755),
        ("DirectoryOrCreate", "new/below/new", 0o755),
        ("FileOrCreate", "new", 0o644),
    ],
)
async def test_what_may_be_made_is_made(
    root: Path, tmp_path: Path, of_type: str, path: str, made: int
) -> None:
    volumes = Volumes(root)
    mounted = await volumes.mount(a_pod(at(tmp_path / path, of_type)))

    assert mounted == {"host": tmp_path / path}
    assert mode(tmp_path / path) == made
    assert (tmp_path / path).is_dir() == of_type.startswith("Directory")

    await volumes.unmount(UID)
    assert (tmp_path / path).exists()


@pytest.fixture
def one_of_each(tmp_path: Path) -> Iterator[dict[str, Path]]:
    """A path of each type, by the type's name; no block device is sure to be anywhere."""
    directory = tmp_path / "directory"
    directory.mkdir(mode=0o711)
    (directory / "inside").write_text("")
    file = tmp_path / "file"
    file.write_text("full")
    file.chmod(0o600)
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(tmp_path / "s"))
    yield {
        "Directory": directory,
        "File": file,
        "Socket": tmp_path / "s",
        "CharDevice": Path("/dev/null"),
    }
    listening.close()


@pytest.mark.parametrize("of_type", ["Directory", "File", "Socket", "CharDevice", None, ""])
async def test_what_is_there_is_taken_as_it_is(
    root: Path, one_of_each: dict[str, Path], of_type: str | None
) -> None:
    path = one_of_each.get(of_type or "File", Path())
    assert await Volumes(root).mount(a_pod(at(path, of_type))) == {"host": path}


@pytest.mark.parametrize(
    ("found", "of_type"), [("Directory", "DirectoryOrCreate"), ("File", "FileOrCreate")]
)
async def test_what_need_not_be_made_is_left_as_it_is(
    root: Path, one_of_each: dict[str, Path], found: str, of_type: str
) -> None:
    before = one_of_each[found].stat()
    await Volumes(root).mount(a_pod(at(one_of_each[found], of_type)))
    after = one_of_each[found].stat()
    assert (after.st_mode, after.st_ino, after.st_size) == (
        before.st_mode,
        before.st_ino,
        before.st_size,
    )


@pytest.mark.parametrize(
    ("found", "of_type", "told"),
    [
        ("File", "Directory", "is not a directory, it's a File"),
        ("File", "DirectoryOrCreate", "is not a directory, it's a File"),
        ("Directory", "File", "is not a file, it's a Directory"),
        ("Directory", "FileOrCreate", "is not a file, it's a Directory"),
        ("File", "Socket", "is not a socket file, it's a File"),
        ("Socket", "CharDevice", "is not a character device, it's a Socket"),
        ("CharDevice", "BlockDevice", "is not a block device, it's a CharDevice"),
    ],
)
async def test_something_else_is_refused_in_the_kubelets_words(
    root: Path, one_of_each: dict[str, Path], found: str, of_type: str, told: str
) -> None:
    path = one_of_each[found]
    with pytest.raises(HostPathUnfit) as refused:
        await Volumes(root).mount(a_pod(at(path, of_type)))
    assert refused.value.message == f"hostPath type check failed: {path} {told}"
    assert refused.value.reason == "FailedMount"


async def test_a_fifo_is_of_no_type(root: Path, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(HostPathUnfit, match="of no type"):
        await Volumes(root).mount(a_pod(at(tmp_path / "fifo", "File")))


@pytest.mark.parametrize("of_type", ["Directory", "File", "Socket", "CharDevice", "BlockDevice"])
@pytest.mark.parametrize("missing", ["missing", "file/below", "dangling"])
async def test_what_is_missing_is_refused_and_not_made(
    root: Path, tmp_path: Path, of_type: str, missing: str
) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "dangling").symlink_to("nowhere")
    with pytest.raises(HostPathUnfit, match="doesn't exist") as refused:
        await Volumes(root).mount(a_pod(at(tmp_path / missing, of_type)))
    assert "make it on the node" in refused.value.hint
    assert not (tmp_path / missing).exists()


async def test_a_link_to_the_right_type_will_do(root: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    mounted = await Volumes(root).mount(a_pod(at(tmp_path / "link", "DirectoryOrCreate")))
    assert mounted == {"host": tmp_path / "link"}


async def test_a_file_is_not_made_where_its_directory_is_missing(
    root: Path, tmp_path: Path
) -> None:
    with pytest.raises(VolumeStorageFailed, match="No such file or directory"):
        await Volumes(root).mount(a_pod(at(tmp_path / "missing" / "file", "FileOrCreate")))
    assert not (tmp_path / "missing").exists()


async def test_without_a_type_nothing_is_looked_at(root: Path, tmp_path: Path) -> None:
    assert await Volumes(root).mount(a_pod(at(tmp_path / "missing"))) == {
        "host": tmp_path / "missing"
    }
