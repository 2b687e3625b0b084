"""The node has keys and certificates worked on by processes that soon end."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest
from structlog.testing import capture_logs

from krustlet.certificates import Apart, CraftFailed, client_wanted, patiently
from krustlet.certificates.crafts import Draft, NewOwnPair, NewRequest, ReadPem, ReadRequest
from tests.support.authority import Authority
from tests.support.kubeconfig import write_kubeconfig
from tests.support.processes import children
from tests.support.until import until, until_not

ROOT: Final = Path(__file__).parents[3]
WANTED: Final = client_wanted(node="wasm-1")
HANGS: Final = "exec sleep 60"
PROMPT_S: Final = 10.0

Stand = Callable[[str], None]
Starts = Callable[[], int]


@pytest.fixture(autouse=True)
def _every_process_ends() -> Iterator[None]:
    """By itself, some time after its last answer: no test that comes next is to find it."""
    before = children()
    yield
    until_not(lambda: set(children()).difference(before))


@pytest.fixture
def python_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stand:
    """What the processes are to be, instead of Python: a shell's program; `$python` is the one."""

    def stand(program: str) -> None:
        script = tmp_path / "python"
        script.write_text(f"#!/bin/sh\npython={real}\n{program}\n")
        script.chmod(0o700)
        monkeypatch.setattr(sys, "executable", str(script))

    real = sys.executable
    return stand


@pytest.fixture
def starts(tmp_path: Path, python_is: Stand) -> Starts:
    """How many processes have been started."""
    marks = tmp_path / "marks"
    python_is(f'echo once >> {marks}; exec $python "$@"')
    return lambda: len(marks.read_text().split())


# what it is good for ------------------------------------------------------------------------------


def test_a_node_never_loads_the_library_itself(tmp_path: Path) -> None:
    authority = Authority.create(tmp_path / "authority", "cluster")
    write_kubeconfig(
        tmp_path / "bootstrap.conf",
        server="https://192.0.2.1:6443",
        ca=authority.certificate,
        user="bootstrap",
        credentials="abcdef.0123456789abcdef",
    )
    lived = subprocess.run(
        [sys.executable, "-m", "tests.component.certificates.life", str(tmp_path)],
        cwd=ROOT, capture_output=True, text=True, timeout=90,
    )  # fmt: skip

    assert (lived.returncode, lived.stdout.splitlines()[-1:]) == (0, ["False"]), lived.stderr


def test_what_comes_of_it_is_as_if_it_were_done_here() -> None:
    apart = Apart(stays_s=0.1)
    draft = apart(NewRequest(WANTED, None))
    own = apart(NewOwnPair(("node-1", "192.0.2.7"), 3600.0))
    both = ReadPem(own.certificate + own.key)

    assert NewRequest(WANTED, draft.key).done().key_digest == draft.key_digest
    assert ReadPem(draft.key).done().key_digest == draft.key_digest
    assert apart(ReadRequest(draft.pem)) == ReadRequest(draft.pem).done()
    assert apart(ReadRequest(b"junk")) is None
    assert apart(both) == both.done()
    assert apart(both).pair("file").dns == ("node-1",)
    assert apart(ReadPem(b"junk")) == ReadPem(b"junk").done()


def test_what_was_read_lately_is_remembered(python_is: Stand) -> None:
    apart = Apart(stays_s=0.1)
    key = apart(NewRequest(WANTED, None)).key
    pems = [key, *(b"junk %d" % junk for junk in range(8))]
    read = [apart(ReadPem(pem)) for pem in pems]
    until_not(children)

    python_is("exit 1")
    assert [apart(ReadPem(pem)) for pem in pems[1:]] == read[1:]
    for craft in (ReadPem(key), NewRequest(WANTED, key)):
        with pytest.raises(CraftFailed):
            apart(craft)


def test_a_process_that_has_answered_is_asked_again_and_ends_by_itself(starts: Starts) -> None:
    others = set(children())
    apart = Apart(stays_s=2)
    key = apart(NewRequest(WANTED, None)).key
    assert apart(NewRequest(WANTED, key)).key == key
    assert starts() == 1
    (pid,) = set(children()) - others

    until_not(lambda: pid in children())
    assert apart(NewRequest(WANTED, key)).key == key
    assert starts() == 2


async def test_those_who_ask_at_once_do_not_wait_for_each_other(starts: Starts) -> None:
    apart = Apart(stays_s=0.1)
    drafts = [patiently(apart, NewRequest(WANTED, None)) for _ in range(4)]
    assert len({draft.key for draft in await asyncio.gather(*drafts)}) == 4
    assert starts() == 4
    await asyncio.to_thread(until_not, children)


def test_no_key_is_in_the_list_of_processes(tmp_path: Path, python_is: Stand) -> None:
    seen = tmp_path / "seen"
    python_is(f'cat /proc/$$/cmdline /proc/$$/environ >> {seen}; exec $python "$@"')
    key = Apart(stays_s=0)(NewRequest(WANTED, None)).key
    Apart(stays_s=0)(ReadPem(key))
    Apart(stays_s=0)(NewRequest(WANTED, key))

    told = seen.read_text()
    assert told.count("PYTHONPATH=") == 3
    assert "PRIVATE KEY" not in told
    assert not [line for line in key.decode().splitlines()[1:-1] if line in told]


def test_it_is_started_without_any_http_client() -> None:
    program = (
        "import krustlet.certificates.craftsman, sys\n"
        "print({'aiohttp', 'asyncio', 'krustlet.kube'} & {*sys.modules})"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    assert ended.stdout == "set()\n"


# what goes wrong ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("program", "how"),
    [
        pytest.param(HANGS, "has not answered within 0.5 s", id="it-hangs"),
        pytest.param("kill -9 $$", "died by SIGKILL", id="it-is-killed"),
        pytest.param("echo no room >&2; exit 3", "ended with 3: no room", id="it-crashes"),
        pytest.param("exit 0", "ended with 0", id="it-says-nothing"),
        pytest.param("exec 0<&-; exec sleep 60", "has hung up", id="it-hangs-up"),
        pytest.param(
            "dd bs=9999 count=1 of=/dev/null 2>/dev/null; printf '\\0\\0\\0\\1x' >&0",
            "gave an answer that makes no sense",
            id="it-talks-nonsense",
        ),
    ],
)
def test_a_process_that_fails_is_told_and_gone(python_is: Stand, program: str, how: str) -> None:
    apart = Apart(within_s=0.5, stays_s=0.1)
    python_is(program)
    began = time.monotonic()
    with pytest.raises(CraftFailed) as caught:
        apart(ReadPem(b"junk"))
    assert time.monotonic() - began < PROMPT_S
    assert caught.value.message == f"the process that works on keys and certificates {how}"
    assert caught.value.retryable
    until_not(children)

    python_is('exec $python "$@"')
    assert apart(ReadPem(b"junk")).certificate is None


def test_one_that_cannot_be_started_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(CraftFailed, match="cannot be started: No such file or directory"):
        Apart()(ReadPem(b"junk"))


def test_the_words_of_an_error_are_kept_back() -> None:
    apart = Apart(stays_s=0.1)
    pair = apart(NewOwnPair(("node-1",), 60.0))
    with pytest.raises(CraftFailed, match=r"ended with 1: ValueError at \w+\.py:\d+$") as caught:
        apart(NewOwnPair(("s3cret\N{SNOWMAN}",), 60.0))
    assert "s3cret" not in repr(caught.value)
    assert pair.key.decode() not in repr(pair)


async def test_whoever_waits_has_it_tried_again(tmp_path: Path, python_is: Stand) -> None:
    marks = tmp_path / "marks"
    python_is(f'echo x >> {marks}; test $(wc -l < {marks}) -ge 2 || exit 1; exec $python "$@"')
    with capture_logs() as logged:
        draft = await patiently(Apart(stays_s=0.1), NewRequest(WANTED, None))

    assert isinstance(draft, Draft)
    assert [(line["event"], line["log_level"]) for line in logged] == [
        ("certificate.craft_failed", "warning")
    ]
    assert "ended with 1" in logged[0]["reason"]


async def test_whoever_is_cancelled_leaves_no_process_behind(
    tmp_path: Path, python_is: Stand
) -> None:
    pid = tmp_path / "pid"
    python_is(f"echo $$ > {pid}.new; mv {pid}.new {pid}; {HANGS}")
    waiting = asyncio.create_task(patiently(Apart(), ReadPem(b"junk")))
    await asyncio.to_thread(until, pid.exists)
    assert int(pid.read_text()) in children()
    began = time.monotonic()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting

    assert time.monotonic() - began < PROMPT_S
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)
    until_not(children)
