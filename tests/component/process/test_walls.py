"""The walls around a container, from outside and from inside.

What is tried from inside is tried without the wall as well: a test that cannot fail shows nothing.
"""

import ast
import os
import platform
import signal
import socket
from pathlib import Path

import msgspec
import pytest

from krustlet.process import START_ERROR
from krustlet.process.messages import Execute
from krustlet.process.walls import Bind, User, Walls
from tests.support.processes import descriptors, is_alive, status
from tests.support.script_runner import Script
from tests.support.supervised import SCRIPT, Supervised
from tests.support.until import until, until_not
from tests.support.walled import (
    ALICE,
    WAITS,
    a_root,
    a_volume,
    capabilities,
    mount_points,
    namespaces,
    walls_around,
)

ROOT = User(0, 0)
DAC_OVERRIDE, FOWNER, NET_BIND_SERVICE = 1 << 1, 1 << 3, 1 << 10
OWN_NAMESPACES = {"mnt", "uts", "ipc"}

# Becomes somebody who may do nothing that root may, as a node that is no root's.
WITHOUT_ROOT = """
import os
if os.getuid() == 0:
    os.setgroups([])
    os.setresgid(65534, 65534, 65534)
    os.setresuid(65534, 65534, 65534)
"""

# Each is tried, and what became of it is printed: an error's name, or nothing.
TRIES = """
import ctypes, errno, os, socket
libc = ctypes.CDLL(None, use_errno=True)

def called(result):
    if result < 0:
        raise OSError(ctypes.get_errno(), "")

told = {}
for name, attempt in attempts.items():
    try:
        attempt()
        told[name] = ""
    except OSError as exc:
        told[name] = errno.errorcode[exc.errno]
os.write(1, repr(told).encode())
"""


async def waiting(supervised: Supervised, walls: Walls, *, id_: str = "a") -> int:
    """The process of a container that waits behind `walls`."""
    started = await supervised.script(WAITS, walls=walls, id_=id_)
    await supervised.until_printed(id_, b"ready\n")
    return started.pid


async def outcome(
    supervised: Supervised, walls: Walls, attempts: str, *, id_: str = "a", loads: str = ""
) -> dict[str, str]:
    """What becomes of each of `attempts`, a dictionary of functions without arguments."""
    prelude, loop = TRIES.split("told = {}")
    script = f"{prelude}\nattempts = {attempts}\ntold = {{}}{loop}"
    loads = f"import ctypes, errno, os, socket\n{loads}"
    await supervised.script(script, walls=walls, id_=id_, loads=loads)
    end = await supervised.end(id_)
    assert (end.code, end.message) == (0, "")
    told: dict[str, str] = ast.literal_eval(supervised.printed(id_).decode())
    return told


# from outside -------------------------------------------------------------------------------------


@pytest.mark.root
async def test_it_is_its_user_in_every_respect(supervised: Supervised, tmp_path: Path) -> None:
    pid = await waiting(supervised, walls_around(a_root(tmp_path)))
    facts = status(pid)
    assert facts["Uid"].split() == [str(ALICE.uid)] * 4
    assert facts["Gid"].split() == [str(ALICE.gid)] * 4
    assert facts["Groups"].split() == [str(group) for group in ALICE.groups]
    assert facts["NoNewPrivs"] == "1"
    assert facts["Seccomp"] == "2"
    assert set(capabilities(pid).values()) == {0}
    assert set(capabilities(pid)) == {"Inh", "Prm", "Eff", "Bnd", "Amb"}


@pytest.mark.root
@pytest.mark.parametrize(
    ("network", "kept"),
    [(False, DAC_OVERRIDE | FOWNER), (True, DAC_OVERRIDE | FOWNER | NET_BIND_SERVICE)],
)
async def test_a_guest_that_is_root_has_power_over_its_files_only(
    supervised: Supervised, tmp_path: Path, *, network: bool, kept: int
) -> None:
    root = a_root(tmp_path, owner=ROOT)
    pid = await waiting(supervised, walls_around(root, user=ROOT, network=network))
    assert capabilities(pid) == {"Inh": 0, "Prm": kept, "Eff": kept, "Bnd": 0, "Amb": 0}


@pytest.mark.root
async def test_a_guest_that_is_root_reads_what_belongs_to_others(
    supervised: Supervised, tmp_path: Path
) -> None:
    volume = a_volume(tmp_path, theirs="x")
    (volume / "theirs").chmod(0o400)
    walls = walls_around(a_root(tmp_path), Bind(str(volume), "/data"), user=ROOT)
    attempts = """{
        "open": lambda: os.open("/data/theirs", os.O_RDONLY),
        "utime": lambda: os.utime("/data/theirs", (1, 1)),
        "chown": lambda: os.chown("/data/theirs", 0, 0),
    }"""
    told = await outcome(supervised, walls, attempts)
    assert told == {"open": "", "utime": "", "chown": "EPERM"}


@pytest.mark.root
async def test_its_namespaces_are_its_own(supervised: Supervised, tmp_path: Path) -> None:
    first = await waiting(supervised, walls_around(a_root(tmp_path, "a")))
    second = await waiting(supervised, walls_around(a_root(tmp_path, "b")), id_="b")
    node = namespaces(supervised.pid)
    for kind, name in namespaces(first).items():
        if kind in OWN_NAMESPACES:
            assert name not in {node[kind], namespaces(second)[kind]}
        else:
            assert name == node[kind]


@pytest.mark.root
async def test_it_has_no_descriptor_of_the_nodes(supervised: Supervised, tmp_path: Path) -> None:
    volume = Bind(str(a_volume(tmp_path)), "/data")
    pid = await waiting(supervised, walls_around(a_root(tmp_path), volume))
    found = descriptors(pid)
    assert set(found) == {0, 1, 2, 4}
    assert found[0] == "/dev/null"
    assert all(found[number].startswith("pipe:") for number in (1, 2, 4))


@pytest.mark.root
async def test_nothing_of_the_node_or_a_neighbour_is_seen_in_it(
    supervised: Supervised, tmp_path: Path
) -> None:
    """All that `/proc` tells of a process, but for Python and its libraries."""
    secrets = a_volume(tmp_path, "neighbours-secrets")
    await waiting(
        supervised, walls_around(a_root(tmp_path, "b"), Bind(str(secrets), "/s")), id_="b"
    )
    pid = await waiting(supervised, walls_around(a_root(tmp_path, "a")))
    told = Path(f"/proc/{pid}")
    assert (told / "environ").read_bytes() == b"TOKIO_WORKER_THREADS=1\0"
    assert set(mount_points(pid)) == {"/"}
    assert os.listdir(told / "root") == os.listdir(told / "cwd") == []
    for file in ("maps", "mountinfo", "environ"):
        text = (told / file).read_text()
        assert "neighbours-secrets" not in text
        assert str(supervised.settings.directory) not in text
    assert str(tmp_path) not in (told / "maps").read_text()


@pytest.mark.root
async def test_it_dumps_no_core_and_makes_files_that_others_may_read(
    supervised: Supervised, tmp_path: Path
) -> None:
    pid = await waiting(supervised, walls_around(a_root(tmp_path)))
    limits = Path(f"/proc/{pid}/limits").read_text().splitlines()
    [core] = [line.split()[4:6] for line in limits if line.startswith("Max core file size")]
    assert core == ["0", "0"]
    assert status(pid)["Umask"] == "0022"


@pytest.mark.root
async def test_its_host_name_is_its_own(supervised: Supervised, tmp_path: Path) -> None:
    before = socket.gethostname()
    await supervised.script(
        "import os; os.write(1, os.uname().nodename.encode())",
        walls=walls_around(a_root(tmp_path), hostname="web-0"),
        id_="a",
    )
    await supervised.end("a")
    assert supervised.printed("a") == b"web-0"
    assert socket.gethostname() == before


@pytest.mark.root
async def test_it_dies_with_its_supervisor_whoever_it_is(
    supervised: Supervised, tmp_path: Path
) -> None:
    """A change of user clears the wish to."""
    ignores = "import os, signal, time; signal.signal(15, 1); os.write(1, b'x\\n'); time.sleep(600)"
    walls = walls_around(a_root(tmp_path))
    started = await supervised.script(ignores, walls=walls, id_="a")
    await supervised.until_printed("a", b"x\n")
    os.kill(supervised.pid, signal.SIGKILL)
    until_not(lambda: is_alive(started.pid))
    await supervised.until_lost()


async def test_it_joins_its_groups_before_it_is_anything_else(
    supervised: Supervised, tmp_path: Path
) -> None:
    procs = [tmp_path / name for name in ("memory", "pids")]
    for file in procs:
        file.touch()
    walls = Walls(cgroups=tuple(map(str, procs)), filters=False)
    loads = f"import os; os.write(1, open({str(procs[1])!r}, 'rb').read())"
    await supervised.script("", loads=loads, walls=walls, id_="a")
    await supervised.end("a")
    assert supervised.printed("a") == b"0"
    assert [file.read_text() for file in procs] == ["0", "0"]


async def test_a_group_that_is_gone_is_a_start_error(
    supervised: Supervised, tmp_path: Path
) -> None:
    walls = Walls(cgroups=(f"{tmp_path}/gone/cgroup.procs",))
    await supervised.script(WAITS, walls=walls, id_="a")
    end = await supervised.end("a")
    assert end.reason == START_ERROR
    assert "gone/cgroup.procs" in end.message


@pytest.mark.root
async def test_a_user_that_cannot_be_is_a_start_error(
    supervised: Supervised, tmp_path: Path
) -> None:
    walls = walls_around(a_root(tmp_path), user=User(2**32 - 1, 5))
    await supervised.script(WAITS, walls=walls, id_="a")
    end = await supervised.end("a")
    assert end.reason == START_ERROR
    assert end.message == "user 4294967295: still somebody else"


async def test_without_walls_none_is_there(supervised: Supervised) -> None:
    pid = await waiting(supervised, Walls(filters=False))
    supervisor = supervised.pid
    assert status(pid)["Seccomp"] == status(supervisor)["Seccomp"]
    assert status(pid)["Uid"] == status(supervisor)["Uid"]
    assert capabilities(pid)["Eff"] == capabilities(supervisor)["Eff"]
    assert namespaces(pid) == namespaces(supervisor)


# system calls -------------------------------------------------------------------------------------

CALLS = """{
    "fork": lambda: os.fork() or os._exit(0),
    "execve": lambda: os.execv("/nothing", ["x"]),
    "kill": lambda: os.kill(os.getpid(), 0),
    "tgkill-self": lambda: called(libc.syscall(TGKILL, os.getpid(), os.getpid(), 0)),
    "tgkill-parent": lambda: called(libc.syscall(TGKILL, os.getppid(), os.getppid(), 0)),
    "ptrace": lambda: called(libc.ptrace(16, os.getppid(), 0, 0)),
    "unshare": lambda: called(libc.unshare(0x10000000)),
    "setuid": lambda: os.setuid(os.getuid()),
    "chmod": lambda: os.chmod("/", 0o777),
    "outlive": lambda: called(libc.prctl(1, 0, 0, 0, 0)),
    "unix": lambda: socket.socket(socket.AF_UNIX).close(),
    "netlink": lambda: socket.socket(16, 3, 0).close(),
    "tcp": lambda: socket.socket().close(),
    "pair": lambda: [end.close() for end in socket.socketpair()],
    "execute-memory": lambda: called(libc.mprotect(page, 4096, 5)),
    "write-memory": lambda: called(libc.mprotect(page, 4096, 3)),
}"""
TGKILL = {"x86_64": 234, "aarch64": 131}.get(platform.machine(), 0)
SETS_UP = f"""
import builtins, ctypes, mmap
builtins.TGKILL = {TGKILL}
builtins.memory = mmap.mmap(-1, 4096)
builtins.page = ctypes.c_void_p(ctypes.addressof(ctypes.c_char.from_buffer(memory)))
"""
HARMLESS = {"tgkill-self": "", "tcp": "", "pair": "", "write-memory": ""}


@pytest.mark.root
async def test_calls_that_no_guest_makes_are_refused(
    supervised: Supervised, tmp_path: Path
) -> None:
    walls = walls_around(a_root(tmp_path), network=True)
    told = await outcome(supervised, walls, CALLS, loads=SETS_UP)
    assert told == {name: HARMLESS.get(name, "EPERM") for name in told}
    assert len(told) == 16


@pytest.mark.root
async def test_without_the_filter_these_calls_would_be_answered(
    supervised: Supervised, tmp_path: Path
) -> None:
    walls = walls_around(a_root(tmp_path), network=True, filters=False)
    told = await outcome(supervised, walls, CALLS, loads=SETS_UP)
    # Some the kernel refuses a user who is not root by itself.
    assert {name for name, error in told.items() if error == "EPERM"} <= {
        "tgkill-parent",
        "ptrace",
        "chmod",
    }


async def test_without_a_network_there_is_no_socket(supervised: Supervised) -> None:
    attempts = '{"tcp": lambda: socket.socket().close(), "pair": socket.socketpair}'
    walls = Walls(visible=(("/", True),), network=False)
    told = await outcome(supervised, walls, attempts)
    assert told == {"tcp": "EPERM", "pair": ""}


@pytest.mark.root
@pytest.mark.parametrize("network", [True, False])
async def test_a_socket_in_a_volume_is_out_of_reach(
    supervised: Supervised, tmp_path: Path, *, network: bool
) -> None:
    """As of a node's journal, or of its container engine, in what a hostPath names."""
    volume = a_volume(tmp_path)
    walls = walls_around(a_root(tmp_path), Bind(str(volume), "/v"), network=network)
    attempts = """{
        "send": lambda: socket.socketpair(type=socket.SOCK_DGRAM)[0].sendto(b"x", "/v/journal"),
        "connect": lambda: socket.socketpair()[0].connect("/v/engine"),
    }"""
    dgram, stream = socket.SOCK_DGRAM, socket.SOCK_STREAM
    with (
        socket.socket(socket.AF_UNIX, dgram) as journal,
        socket.socket(socket.AF_UNIX, stream) as engine,
    ):
        for server, name in ((journal, "journal"), (engine, "engine")):
            server.bind(str(volume / name))
            (volume / name).chmod(0o777)
        engine.listen()
        told = await outcome(supervised, walls, attempts)
    assert told == {"send": "EPERM", "connect": "EISCONN" if network else "EPERM"}


# `getpid` of a 32-bit process, which the filter for 64 bits would take for another call.
GETPID_OF_32_BITS = bytes.fromhex("b814000000 cd80 c3")
OF_32_BITS = f"""
import builtins, ctypes, mmap
builtins.memory = mmap.mmap(-1, 4096, prot=7)
memory.write({GETPID_OF_32_BITS!r})
address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
builtins.of_32_bits = ctypes.CFUNCTYPE(ctypes.c_int)(address)
"""


@pytest.mark.allow_skip("only this architecture has calls of another")
@pytest.mark.skipif(platform.machine() != "x86_64", reason="there are no calls of 32 bits here")
async def test_a_call_of_another_architecture_ends_it(supervised: Supervised) -> None:
    walls = Walls(visible=(("/", True),))
    calls = "import os; of_32_bits(); os.write(1, b'alive')"
    await supervised.script(calls, loads=OF_32_BITS, walls=walls, id_="a")
    assert (await supervised.end("a")).code == 128 + signal.SIGSYS
    assert supervised.printed("a") == b""


@pytest.mark.root
async def test_threads_begin_behind_the_filter(supervised: Supervised, tmp_path: Path) -> None:
    script = """
import _thread, os
ended = _thread.allocate_lock()
ended.acquire()
_thread.start_new_thread(lambda: (os.write(1, b"a thread"), ended.release()), ())
ended.acquire()
"""
    await supervised.script(script, walls=walls_around(a_root(tmp_path)), id_="a")
    assert (await supervised.end("a")).code == 0
    assert supervised.printed("a") == b"a thread"


@pytest.mark.root
async def test_what_aborts_is_told_as_such(supervised: Supervised, tmp_path: Path) -> None:
    """A library's way to end is a signal to itself, which has to get through."""
    await supervised.script("import os; os.abort()", walls=walls_around(a_root(tmp_path)), id_="a")
    assert (await supervised.end("a")).code == 128 + signal.SIGABRT


# without root -------------------------------------------------------------------------------------

FILES = """{
    "read": lambda: os.open(f"{shown}/file", os.O_RDONLY),
    "list": lambda: os.listdir(shown),
    "write": lambda: os.open(f"{shown}/file", os.O_WRONLY | os.O_TRUNC),
    "make": lambda: os.mkdir(f"{shown}/new"),
    "move": lambda: os.rename(f"{shown}/file", f"{shown}/deep/file"),
    "remove": lambda: os.rmdir(f"{shown}/gone"),
    "elsewhere": lambda: os.listdir("/"),
    "program": lambda: os.open("/bin/true", os.O_RDONLY),
}"""


def a_shown_directory(tmp_path: Path) -> Path:
    """A directory that everybody may read and write."""
    shown = tmp_path / "shown"
    for directory in (shown, shown / "deep", shown / "gone"):
        directory.mkdir()
        directory.chmod(0o777)
    (shown / "file").write_text("x")
    (shown / "file").chmod(0o666)
    for parent in (tmp_path, tmp_path.parent, tmp_path.parent.parent):
        parent.chmod(parent.stat().st_mode | 0o055)  # pytest closes them to all others
    return shown


async def tried_without_root(supervised: Supervised, walls: Walls, shown: Path) -> dict[str, str]:
    loads = f"{WITHOUT_ROOT}\nimport builtins; builtins.shown = {str(shown)!r}"
    return await outcome(supervised, walls, FILES, loads=loads)


@pytest.mark.parametrize(
    ("writable", "refused"),
    [
        pytest.param(True, ["elsewhere", "program"], id="to-be-written-to"),
        pytest.param(
            False,
            ["elsewhere", "make", "move", "program", "remove", "write"],
            id="to-be-read",
        ),
    ],
)
async def test_without_root_only_what_is_visible_can_be_touched(
    supervised: Supervised, tmp_path: Path, *, writable: bool, refused: list[str]
) -> None:
    shown = a_shown_directory(tmp_path)
    told = await tried_without_root(supervised, Walls(visible=((str(shown), writable),)), shown)
    assert sorted(name for name, error in told.items() if error) == refused
    assert set(told.values()) <= {"", "EACCES"}


async def test_without_filters_all_that_the_user_may_can_be_touched(
    supervised: Supervised, tmp_path: Path
) -> None:
    shown = a_shown_directory(tmp_path)
    told = await tried_without_root(supervised, Walls(filters=False), shown)
    assert set(told.values()) == {""}


async def test_without_root_both_filters_stand(supervised: Supervised) -> None:
    started = await supervised.script(WAITS, loads=WITHOUT_ROOT, walls=Walls(), id_="a")
    await supervised.until_printed("a", b"ready\n")
    facts = status(started.pid)
    assert (facts["Seccomp"], facts["NoNewPrivs"]) == ("2", "1")
    assert set(capabilities(started.pid).values()) == {0} or os.getuid() != 0


async def test_a_single_file_can_be_visible(supervised: Supervised, tmp_path: Path) -> None:
    shown = a_shown_directory(tmp_path)
    walls = Walls(visible=((f"{shown}/file", True),))
    told = await tried_without_root(supervised, walls, shown)
    assert {name for name, error in told.items() if not error} == {"read", "write"}


@pytest.mark.parametrize(("network", "readable"), [(True, {"hosts"}), (False, set())])
async def test_names_of_hosts_are_found_where_there_is_a_network(
    supervised: Supervised, *, network: bool, readable: set[str]
) -> None:
    attempts = """{
        "hosts": lambda: os.open("/etc/hosts", os.O_RDONLY),
        "users": lambda: os.open("/etc/passwd", os.O_RDONLY),
    }"""
    told = await outcome(supervised, Walls(network=network), attempts)
    assert {name for name, error in told.items() if not error} == readable


async def test_what_is_to_be_visible_and_is_missing_is_a_start_error(
    supervised: Supervised, tmp_path: Path
) -> None:
    walls = Walls(visible=((f"{tmp_path}/gone", True),))
    await supervised.script(WAITS, walls=walls, id_="a")
    end = await supervised.end("a")
    assert end.reason == START_ERROR
    assert end.message == f"{tmp_path}/gone cannot be shown: No such file or directory"


# Landlock by itself, as seccomp would answer first ------------------------------------------------

REACHES = """{
    "tcp": lambda: socket.create_connection(("127.0.0.1", port)).close(),
    "listen": lambda: socket.create_server(("127.0.0.1", 0)).close(),
    "abstract": lambda: socket.socket(socket.AF_UNIX).connect(abstract),
    "signal": lambda: os.kill(os.getppid(), 0),
    "device": lambda: os.mknod(f"{shown}/device", 0o600 | 0o020000, os.makedev(1, 3)),
    "pipe": lambda: os.mkfifo(f"{shown}/pipe"),
    "execute": lambda: os.execv("/proc/self/exe", ["python", "--version"]),
}"""


async def reached(
    supervised: Supervised, tmp_path: Path, *, network: bool, restricted: bool
) -> dict[str, str]:
    shown = a_shown_directory(tmp_path)
    name = f"\0krustlet-test-{os.getpid()}-{shown}"
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket(socket.AF_UNIX) as hidden:
        hidden.bind(name)
        hidden.listen()
        loads = (
            "import builtins\nfrom krustlet.process import landlock, linux\n"
            "builtins.landlock, builtins.linux = landlock, linux\n"
            f"builtins.shown, builtins.port = {str(shown)!r}, {server.getsockname()[1]}\n"
            f"builtins.abstract = {name!r}\n"
        )
        restricts = f'landlock.restrict([("/", True)], network={network})' if restricted else "0"
        attempts = f"linux.give_up_new_privileges() or {restricts} or {REACHES}"
        if not restricted:
            attempts = attempts.replace('"execute"', '"executed" if False else "execute"')
            attempts = attempts.replace("os.execv(", "(lambda *_: None)(")  # it would succeed
        return await outcome(supervised, Walls(filters=False), attempts, loads=loads)


@pytest.mark.root
@pytest.mark.parametrize("network", [True, False])
async def test_landlock_keeps_from_what_namespaces_leave(
    supervised: Supervised, tmp_path: Path, *, network: bool
) -> None:
    told = await reached(supervised, tmp_path, network=network, restricted=True)
    tcp = "" if network else "EACCES"
    assert told == {
        "tcp": tcp,
        "listen": tcp,
        "abstract": "EPERM",
        "signal": "EPERM",
        "device": "EACCES",
        "pipe": "EACCES",
        "execute": "EACCES",
    }


@pytest.mark.root
async def test_without_landlock_all_of_that_is_in_reach(
    supervised: Supervised, tmp_path: Path
) -> None:
    told = await reached(supervised, tmp_path, network=False, restricted=False)
    assert set(told.values()) == {""}


# one more process in the sandbox ------------------------------------------------------------------


async def visit(
    supervised: Supervised, walls: Walls, script: str, *, within: str = "a"
) -> tuple[int, bytes]:
    """How a process ended that was executed in a container, and what it printed."""
    payload = msgspec.msgpack.encode(Script(script))
    wanted = Execute("x", within, SCRIPT, False)
    session = await supervised.supervisor.execute(wanted, payload, walls)
    try:
        printed = b""
        while data := await session.read("stdout"):
            printed += data
        return await session.wait(), printed
    finally:
        session.close()


LOOKS = """
import os
told = sorted(os.listdir("/")), os.getcwd(), os.uname().nodename, os.getuid()
os.write(1, repr(told).encode())
"""


@pytest.mark.root
async def test_who_is_executed_stands_behind_the_same_walls(
    supervised: Supervised, tmp_path: Path
) -> None:
    walls = walls_around(a_root(tmp_path), Bind(str(a_volume(tmp_path)), "/data"))
    pid = await waiting(supervised, walls)
    code, printed = await visit(supervised, walls, LOOKS)
    assert code == 0
    assert ast.literal_eval(printed.decode()) == (["data"], "/", "pod", ALICE.uid)

    payload = msgspec.msgpack.encode(Script(WAITS))
    session = await supervised.supervisor.execute(Execute("y", "a", SCRIPT, False), payload, walls)
    try:
        assert await session.read("stdout") == b"ready\n"
        children = Path(f"/proc/{supervised.pid}/task/{supervised.pid}/children").read_text()
        [beside] = set(map(int, children.split())) - {pid, supervised.pump}
        assert namespaces(beside) == namespaces(pid)
        assert mount_points(beside) == mount_points(pid)
        assert capabilities(beside) == capabilities(pid)
        assert status(beside)["Seccomp"] == "2"
    finally:
        session.close()


@pytest.mark.root
async def test_who_is_executed_early_waits_for_the_walls(
    supervised: Supervised, tmp_path: Path
) -> None:
    """Until they stand, the container's `/` is the node's: nobody is to be let in there."""
    walls = walls_around(a_root(tmp_path), Bind(str(a_volume(tmp_path)), "/data"))
    loads = "import os, signal; os.kill(os.getpid(), signal.SIGSTOP)"
    started = await supervised.script(WAITS, loads=loads, walls=walls, id_="a")
    until(lambda: status(started.pid)["State"].startswith("T"))
    payload = msgspec.msgpack.encode(Script(LOOKS))
    session = await supervised.supervisor.execute(Execute("x", "a", SCRIPT, False), payload, walls)
    try:
        os.kill(started.pid, signal.SIGCONT)
        told = ast.literal_eval((await session.read("stdout")).decode())
        assert told[0] == ["data"]
    finally:
        session.close()


@pytest.mark.root
async def test_who_is_executed_is_never_let_into_the_nodes_root(
    supervised: Supervised, tmp_path: Path
) -> None:
    """The container has no walls, whatever its visitor was told."""
    await waiting(supervised, Walls(filters=False))
    loads = "from krustlet.process import mounts; mounts._ENTER_LIMIT_S = 0.05"
    payload = msgspec.msgpack.encode(Script(LOOKS, loads))
    walls = walls_around(a_root(tmp_path))
    session = await supervised.supervisor.execute(Execute("x", "a", SCRIPT, False), payload, walls)
    try:
        assert await session.read("stdout") == b""
        assert await session.wait() == 128
    finally:
        session.close()
