"""A file system of its own: what is in it, and that nothing leads out of it."""

import ctypes
import errno
import os
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from krustlet.process import START_ERROR, End, mounts
from krustlet.process.syscalls import WallError
from krustlet.process.walls import Bind, Walls
from tests.support.supervised import Supervised
from tests.support.walled import ALICE, WAITS, a_root, a_tmpfs, a_volume, mount_points, walls_around

pytestmark = pytest.mark.root


@pytest.fixture(autouse=True)
def _nothing_is_mounted_afterwards() -> Iterator[None]:
    before = Path("/proc/self/mountinfo").read_text()
    yield
    assert Path("/proc/self/mountinfo").read_text() == before


async def run(supervised: Supervised, walls: Walls, script: str, **more: Any) -> End:
    await supervised.script(f"import os\n{script}", walls=walls, id_="a", **more)
    return await supervised.end("a")


async def printed(supervised: Supervised, walls: Walls, script: str) -> str:
    """What a script prints behind `walls`; it has to end well."""
    end = await run(supervised, walls, script)
    assert (end.code, end.message) == (0, "")
    return supervised.printed("a").decode()


def says(expression: str) -> str:
    return f"os.write(1, str(({expression})).encode())"


def answers(call: str) -> str:
    """A script that prints the error that `call` ends with, or nothing."""
    return (
        "import errno\n"
        f"try:\n    {call}\n"
        "except OSError as exc:\n    os.write(1, errno.errorcode[exc.errno].encode())"
    )


# the root -----------------------------------------------------------------------------------------


async def test_it_finds_its_root_and_nothing_else(supervised: Supervised, tmp_path: Path) -> None:
    root = a_root(tmp_path)
    (root / "mine").write_text("x")
    walls = walls_around(root, Bind(str(a_volume(tmp_path)), "/data"))
    listing = await printed(supervised, walls, says("sorted(os.listdir('/'))"))
    assert listing == "['data', 'mine']"


async def test_from_outside_its_mounts_are_its_own(supervised: Supervised, tmp_path: Path) -> None:
    volume = str(a_volume(tmp_path))
    walls = walls_around(a_root(tmp_path), Bind(volume, "/data"), Bind(volume, "/ro", True))
    started = await supervised.script(WAITS, walls=walls, id_="a")
    await supervised.until_printed("a", b"ready\n")
    found = mount_points(started.pid)
    assert set(found) == {"/", "/data", "/ro"}
    for options in found.values():
        assert {"nosuid", "nodev", "noexec"} <= set(options.split(","))
    assert "rw" in found["/data"].split(",")
    assert "ro" in found["/ro"].split(",")
    seen = set(os.listdir(f"/proc/{started.pid}/root"))
    assert seen == {"data", "ro"}


async def test_it_begins_at_its_root(supervised: Supervised, tmp_path: Path) -> None:
    walls = walls_around(a_root(tmp_path))
    assert await printed(supervised, walls, says("os.getcwd(), os.path.exists('/../etc')")) == (
        "('/', False)"
    )


async def test_it_can_write_to_its_root(supervised: Supervised, tmp_path: Path) -> None:
    root = a_root(tmp_path)
    await printed(supervised, walls_around(root), "os.mkdir('/new')")
    assert (root / "new").stat().st_uid == ALICE.uid


async def test_a_read_only_root_leaves_volumes_to_be_written_to(
    supervised: Supervised, tmp_path: Path
) -> None:
    volume = a_volume(tmp_path)
    walls = walls_around(a_root(tmp_path), Bind(str(volume), "/data/deep"), read_only_root=True)
    script = "os.mkdir('/data/deep/new')\n" + answers("os.mkdir('/data/new')")
    assert await printed(supervised, walls, script) == "EROFS"
    assert (volume / "new").is_dir()


async def test_two_containers_see_nothing_of_each_other(
    supervised: Supervised, tmp_path: Path
) -> None:
    neighbour = walls_around(a_root(tmp_path, "theirs"), Bind(str(a_volume(tmp_path)), "/secret"))
    await supervised.script(WAITS, walls=neighbour, id_="b")
    await supervised.until_printed("b", b"ready\n")
    walls = walls_around(a_root(tmp_path))
    assert await printed(supervised, walls, says("os.listdir('/')")) == "[]"


async def test_a_root_that_is_missing_is_a_start_error(
    supervised: Supervised, tmp_path: Path
) -> None:
    end = await run(supervised, walls_around(tmp_path / "gone"), says("'never'"))
    assert end.reason == START_ERROR
    assert end.message.startswith("the root file system: ")
    assert end.message.endswith("No such file or directory")
    assert supervised.printed("a") == b""


# binds --------------------------------------------------------------------------------------------


async def test_files_and_directories_are_found_where_they_are_wanted(
    supervised: Supervised, tmp_path: Path
) -> None:
    root = a_root(tmp_path)
    (root / "there").mkdir()
    (root / "there" / "file").write_text("covered")
    volume = a_volume(tmp_path, hosts="127.0.0.1 localhost")
    hosts = str(volume / "hosts")
    walls = walls_around(
        root,
        Bind(str(volume), "/a/b/c"),
        Bind(hosts, "/etc/hosts", True),
        Bind(hosts, "/there/file"),
        Bind(str(volume), "relative/path/"),
    )
    paths = ["/a/b/c/hosts", "/etc/hosts", "/there/file", "/relative/path/hosts"]
    script = f"for path in {paths}:\n    os.write(1, open(path, 'rb').read() + b'|')"
    assert await printed(supervised, walls, script) == "127.0.0.1 localhost|" * len(paths)
    assert (root / "there" / "file").read_text() == "covered"
    assert stat.S_IMODE((root / "a" / "b").stat().st_mode) == 0o755


async def test_a_bind_may_lie_in_another(supervised: Supervised, tmp_path: Path) -> None:
    outer, inner = a_volume(tmp_path, "outer"), a_volume(tmp_path, "inner", file="x")
    walls = walls_around(
        a_root(tmp_path), Bind(str(outer), "/data"), Bind(str(inner), "/data/inner", True)
    )
    script = says("os.listdir('/data/inner')") + "\n" + answers("os.mkdir('/data/inner/new')")
    assert await printed(supervised, walls, script) == "['file']EROFS"
    assert os.listdir(outer / "inner") == []


async def test_read_only_reaches_what_is_mounted_below(
    supervised: Supervised, tmp_path: Path
) -> None:
    volume = a_volume(tmp_path)
    (volume / "below").mkdir()
    with a_tmpfs(volume / "below"):
        walls = walls_around(a_root(tmp_path), Bind(str(volume), "/data", True))
        assert await printed(supervised, walls, answers("os.mkdir('/data/below/new')")) == "EROFS"


async def test_no_device_opens_in_a_volume(supervised: Supervised, tmp_path: Path) -> None:
    volume = a_volume(tmp_path)
    os.mknod(volume / "zero", 0o666 | stat.S_IFCHR, os.makedev(1, 5))
    os.chmod(volume / "zero", 0o666)
    walls = walls_around(a_root(tmp_path), Bind(str(volume), "/data"), filters=False)
    assert await printed(supervised, walls, answers("os.open('/data/zero', 0)")) == "EACCES"


async def test_what_the_node_mounts_later_is_not_seen(
    supervised: Supervised, tmp_path: Path
) -> None:
    """Nor is the node told of the container's mounts, though it shares those below `volume`."""
    volume = a_volume(tmp_path)
    with a_tmpfs(volume):
        subprocess.run(["mount", "--make-shared", volume], check=True)  # noqa: ASYNC221 - it is short
        (volume / "later").mkdir()
        root = a_root(volume)
        before = Path("/proc/self/mountinfo").read_text()
        walls = walls_around(root, Bind(str(volume), "/data"))
        started = await supervised.script(WAITS, walls=walls, id_="a")
        await supervised.until_printed("a", b"ready\n")
        assert Path("/proc/self/mountinfo").read_text() == before
        with a_tmpfs(volume / "later"):
            assert set(mount_points(started.pid)) == {"/", "/data"}


@pytest.mark.parametrize(
    ("target", "message"),
    [
        pytest.param("/", "/: nothing can be mounted there", id="the-root"),
        pytest.param("", "(nothing): nothing can be mounted there", id="nothing"),
        pytest.param("/../..", "/../..: nothing can be mounted there", id="above-the-root"),
        pytest.param("/file", "/file is a file, and a directory is to be", id="a-file"),
        pytest.param("/file/x", "/file/x: nothing can be mounted there: Not a d", id="in-a-file"),
        pytest.param("/loop/x", "/loop/x: nothing can be mounted there: Too many", id="a-loop"),
    ],
)
async def test_a_target_that_cannot_be_is_a_start_error(
    supervised: Supervised, tmp_path: Path, target: str, message: str
) -> None:
    root = a_root(tmp_path)
    (root / "file").write_text("x")
    (root / "loop").symlink_to("loop")
    walls = walls_around(root, Bind(str(a_volume(tmp_path)), target))
    end = await run(supervised, walls, says("'never'"))
    assert end.reason == START_ERROR
    assert end.message.startswith(message)


async def test_a_file_is_not_mounted_on_a_directory(supervised: Supervised, tmp_path: Path) -> None:
    walls = walls_around(a_root(tmp_path), Bind(f"{a_volume(tmp_path, file='x')}/file", "/tmp"))
    (tmp_path / "root" / "tmp").mkdir()
    end = await run(supervised, walls, says("'never'"))
    assert end.reason == START_ERROR
    assert end.message == "/tmp is a directory, and a file is to be mounted there"


async def test_a_source_that_is_missing_is_named(supervised: Supervised, tmp_path: Path) -> None:
    walls = walls_around(a_root(tmp_path), Bind(f"{tmp_path}/gone", "/data"))
    end = await run(supervised, walls, says("'never'"))
    assert end.reason == START_ERROR
    assert end.message == (f"/data: {tmp_path}/gone cannot be mounted: No such file or directory")


# links that a guest has planted -------------------------------------------------------------------


@pytest.mark.parametrize("link", ["/escape", "../../../../../../../../../escape"])
async def test_a_link_in_a_volume_leads_no_mount_out_of_the_root(
    supervised: Supervised, tmp_path: Path, link: str
) -> None:
    outside = tmp_path / "escape"
    outside.mkdir()
    root, volume = a_root(tmp_path), a_volume(tmp_path)
    target = f"{tmp_path}/escape" if link == "/escape" else f"{link}/..{tmp_path}/escape"
    (volume / "link").symlink_to(target)
    second = a_volume(tmp_path, "second", file="x")
    walls = walls_around(root, Bind(str(volume), "/data"), Bind(str(second), "/data/link/made"))
    end = await run(supervised, walls, says("'never'"))
    # The link leads nowhere: what it names is not there, below this root.
    assert end.reason == START_ERROR
    assert end.message.startswith("/data/link/made cannot be made")
    assert os.listdir(outside) == []


async def test_a_link_to_what_is_in_the_root_stays_in_it(
    supervised: Supervised, tmp_path: Path
) -> None:
    """Images have such: `/var/run` is `/run`."""
    root, second = a_root(tmp_path), a_volume(tmp_path, "second", file="x")
    (root / "run").mkdir()
    (root / "var").symlink_to("/run")
    walls = walls_around(root, Bind(str(second), "/var/secrets"))
    assert await printed(supervised, walls, says("os.listdir('/run/secrets')")) == "['file']"


@pytest.mark.parametrize("link", ["/", "../outside", "{tmp}/outside", "mine"])
@pytest.mark.parametrize("rest", ["", "/deeper"])
async def test_no_link_in_a_source_is_followed(
    supervised: Supervised, tmp_path: Path, link: str, rest: str
) -> None:
    """It was followed when the source was named; what is there by now may be a guest's."""
    (tmp_path / "outside" / "deeper").mkdir(parents=True)
    volume = a_volume(tmp_path, mine="x")
    (volume / "sub").symlink_to(link.format(tmp=tmp_path))
    walls = walls_around(a_root(tmp_path), Bind(f"{volume}/sub{rest}", "/data"))
    end = await run(supervised, walls, says("'never'"))
    assert end.reason == START_ERROR
    assert end.message.endswith("cannot be mounted: Too many levels of symbolic links")


# kernels that cannot ------------------------------------------------------------------------------


@pytest.mark.parametrize("missing", ["open_tree", "mount_setattr"])
async def test_a_kernel_that_is_too_old_is_told_of(
    supervised: Supervised, tmp_path: Path, missing: str
) -> None:
    number = {"open_tree": 428, "mount_setattr": 442}[missing]
    loads = (
        "import ctypes\nfrom krustlet.process import mounts\nreal = mounts.syscall\n"
        "def old(number, *rest):\n"
        f"    if number != {number}:\n        return real(number, *rest)\n"
        f"    ctypes.set_errno({errno.ENOSYS})\n    return -1\n"
        "mounts.syscall = old"
    )
    end = await run(supervised, walls_around(a_root(tmp_path)), says("'never'"), loads=loads)
    assert end.reason == START_ERROR
    assert end.message == f"this kernel has no {missing}(2): it takes Linux 5.12"


def test_whether_mounts_can_be_made_is_found_out_without_making_any(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert mounts.can_mount()

    def refused(*_: object) -> int:
        ctypes.set_errno(errno.EPERM)
        return -1

    monkeypatch.setattr(mounts, "syscall", refused)
    assert not mounts.can_mount()


def test_nobody_enters_a_container_that_has_ended(tmp_path: Path) -> None:
    ended = subprocess.Popen(["true"])
    ended.wait()
    with pytest.raises(WallError, match="the container has ended"):
        mounts.enter_root(ended.pid, str(tmp_path))
