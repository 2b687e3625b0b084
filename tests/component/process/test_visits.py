"""Processes beside containers, and what is typed into containers: real pipes and terminals."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from krustlet.process import StartRefused
from krustlet.process.errors import NotRunning
from krustlet.process.session import ProcessSession
from tests.support.supervised import LIMIT_S, Supervised
from tests.support.until import until_not

SLEEPS = "import time; time.sleep(600)"
ECHOES = """
import os
while data := os.read(0, 100):
    os.write(1, b"<" + data + b">")
os.write(2, b"over")
os._exit(7)
"""


@pytest.fixture
async def supervised(tmp_path: Path) -> AsyncIterator[Supervised]:
    async with Supervised(tmp_path) as it:
        yield it


async def all_of(session: ProcessSession, stream: str = "stdout") -> bytes:
    """What it prints until it stops to."""
    read = b""
    async with asyncio.timeout(LIMIT_S):
        while data := await session.read(stream):
            read += data
    return read


async def until_read(session: ProcessSession, text: bytes) -> bytes:
    read = b""
    async with asyncio.timeout(LIMIT_S):
        while text not in read:
            data = await session.read("stdout")
            assert data, f"it ended after {read!r}"
            read += data
    return read


async def code_of(session: ProcessSession) -> int:
    async with asyncio.timeout(LIMIT_S):
        return await session.wait()


# executed beside a container ----------------------------------------------------------------------


async def test_it_prints_on_both_streams_and_its_code_is_told(supervised: Supervised) -> None:
    await supervised.script(SLEEPS, id_="a")
    runs = "import os; os.write(1, b'out'); os.write(2, b'err'); os._exit(42)"
    session = await supervised.execute(runs, within="a")
    assert await all_of(session) == b"out"
    assert await all_of(session, "stderr") == b"err"
    assert await code_of(session) == 42
    session.close()
    assert [type(event).__name__ for event in supervised.events] == ["Started"]  # the container's


async def test_a_report_beyond_an_exit_status_is_told(supervised: Supervised) -> None:
    await supervised.script(SLEEPS, id_="a")
    session = await supervised.execute("reporter.end(1000)", within="a")
    assert await code_of(session) == 1000
    session.close()


async def test_what_is_typed_is_read_to_its_end(supervised: Supervised) -> None:
    await supervised.script(SLEEPS, id_="a")
    session = await supervised.execute(ECHOES, within="a", stdin=True)
    await session.write(b"one")
    assert await until_read(session, b">") == b"<one>"
    session.end_input()
    assert await all_of(session, "stderr") == b"over"
    assert await code_of(session) == 7
    session.close()


async def test_more_than_a_pipe_holds_goes_both_ways(supervised: Supervised) -> None:
    await supervised.script(SLEEPS, id_="a")
    runs = "import os\nwhile data := os.read(0, 65536):\n    os.write(1, data)\n"
    session = await supervised.execute(runs, within="a", stdin=True)
    data = os.urandom(3_000_000)

    async def types() -> None:
        await session.write(data)
        session.end_input()

    read, _ = await asyncio.gather(all_of(session), types())
    assert read == data
    session.close()


async def test_without_stdin_there_is_nothing_to_read(supervised: Supervised) -> None:
    await supervised.script(SLEEPS, id_="a")
    session = await supervised.execute(ECHOES, within="a")
    assert (await all_of(session), await code_of(session)) == (b"", 7)
    session.close()


async def test_a_terminal_has_a_size_and_interrupts(supervised: Supervised) -> None:
    await supervised.script(SLEEPS, id_="a")
    runs = (
        "import os, signal, time\n"
        "def tell(what): os.write(1, str(what).encode())\n"  # print is none for a handler
        "signal.signal(signal.SIGWINCH, lambda *_: tell(os.get_terminal_size()))\n"
        "tell([os.isatty(0), os.isatty(1), os.isatty(2)])\n"
        "while True: time.sleep(0.01)\n"
    )
    session = await supervised.execute(runs, within="a", stdin=True, tty=True)
    await until_read(session, b"[True, True, True]")
    session.resize(columns=77, rows=33)
    await until_read(session, b"columns=77, lines=33")
    await session.write(b"\x03")
    assert await code_of(session) in (1, 128 + signal.SIGINT)  # Python may have a say in it
    session.close()


async def test_it_ends_with_its_container(supervised: Supervised) -> None:
    await supervised.script(SLEEPS, id_="a")
    session = await supervised.execute(SLEEPS, within="a")
    supervised.supervisor.stop("a", grace_s=0)
    assert await code_of(session) == 128 + signal.SIGKILL
    session.close()


async def test_it_ends_with_its_session(supervised: Supervised) -> None:
    await supervised.script(SLEEPS, id_="a")
    session = await supervised.execute(
        "import os; print(os.getpid(), flush=True)\n" + SLEEPS, within="a"
    )
    pid = int(await until_read(session, b"\n"))
    session.close()
    await asyncio.to_thread(until_not, lambda: Path(f"/proc/{pid}").exists())


async def test_it_ends_with_the_kubelet_that_asked_for_it(supervised: Supervised) -> None:
    await supervised.script(SLEEPS, id_="a")
    session = await supervised.execute(
        "import os; print(os.getpid(), flush=True)\n" + SLEEPS, within="a"
    )
    pid = int(await until_read(session, b"\n"))
    supervised.supervisor.close()
    await asyncio.to_thread(until_not, lambda: Path(f"/proc/{pid}").exists())
    await supervised.connect()
    assert "a" in supervised.supervisor.known
    assert supervised.supervisor.known["a"].end is None
    session.close()


async def test_beside_what_does_not_run_nothing_runs(supervised: Supervised) -> None:
    with pytest.raises(StartRefused, match="the container does not run"):
        await supervised.execute(SLEEPS, within="nobody")
    await supervised.script("pass", id_="a")
    await supervised.end("a")
    with pytest.raises(StartRefused, match="the container does not run"):
        await supervised.execute(SLEEPS, within="a")


async def test_a_supervisor_that_dies_ends_the_session(supervised: Supervised) -> None:
    await supervised.script(SLEEPS, id_="a")
    session = await supervised.execute(SLEEPS, within="a")
    os.kill(supervised.pid, signal.SIGKILL)
    assert await code_of(session) == 128 + signal.SIGKILL
    assert await all_of(session) == b""
    session.close()
    await supervised.until_lost()


async def test_closing_wakes_who_reads(supervised: Supervised) -> None:
    await supervised.script(SLEEPS, id_="a")
    session = await supervised.execute(SLEEPS, within="a")
    reading = asyncio.create_task(session.read("stdout"))
    await asyncio.sleep(0.05)
    session.close()
    async with asyncio.timeout(LIMIT_S):
        assert await reading == b""


async def test_quit_waits_for_what_was_executed(supervised: Supervised) -> None:
    await supervised.script(SLEEPS, id_="a")
    session = await supervised.execute(SLEEPS, within="a")
    await supervised.supervisor.quit(within_s=LIMIT_S)
    assert await code_of(session) == 128 + signal.SIGKILL
    session.close()
    await supervised.until_lost()


# attached to a container --------------------------------------------------------------------------


async def test_what_is_printed_from_now_on_is_seen_and_logged(supervised: Supervised) -> None:
    await supervised.script(ECHOES, id_="a", stdin=True)
    session = await supervised.supervisor.attach("a", stdin=True)
    await session.write(b"one")
    assert await until_read(session, b">") == b"<one>"
    session.close()
    again = await supervised.supervisor.attach("a", stdin=True)
    await again.write(b"two")
    assert await until_read(again, b">") == b"<two>"  # without stdinOnce it is open still
    again.close()
    supervised.supervisor.stop("a", grace_s=0)
    await supervised.end("a")
    assert supervised.printed("a") == b"<one><two>"


async def test_with_stdin_once_the_first_who_leaves_ends_it(supervised: Supervised) -> None:
    await supervised.script(ECHOES, id_="a", stdin=True, stdin_once=True)
    session = await supervised.supervisor.attach("a", stdin=True)
    await session.write(b"one")
    await until_read(session, b">")
    session.close()
    assert (await supervised.end("a")).code == 7


async def test_with_stdin_once_who_only_looks_ends_nothing(supervised: Supervised) -> None:
    await supervised.script(ECHOES, id_="a", stdin=True, stdin_once=True)
    (await supervised.supervisor.attach("a", stdin=False)).close()
    session = await supervised.supervisor.attach("a", stdin=True)
    await session.write(b"one")
    await until_read(session, b">")
    session.end_input()
    session.close()
    assert (await supervised.end("a")).code == 7


async def test_who_only_looked_leaves_whoever_types_alone(supervised: Supervised) -> None:
    await supervised.script(ECHOES, id_="a", stdin=True, stdin_once=True)
    typing = await supervised.supervisor.attach("a", stdin=True)
    (await supervised.supervisor.attach("a", stdin=False)).close()
    await typing.write(b"one")
    assert await until_read(typing, b">") == b"<one>"
    typing.close()
    assert (await supervised.end("a")).code == 7


async def test_the_first_at_a_terminal_sees_its_beginning_and_sets_its_size(
    supervised: Supervised,
) -> None:
    runs = (
        "import os, time\n"
        "os.write(1, b'name? ')\n"
        "while os.get_terminal_size()[0] != 77: time.sleep(0.01)\n"
        "os.write(1, b'wide')\n"
    )
    await supervised.script(runs, id_="a", stdin=True, tty=True)
    await asyncio.sleep(0.3)  # it has asked long ago
    session = await supervised.supervisor.attach("a", stdin=False)
    await session.write(b"nobody types here\n")
    assert await until_read(session, b"name? ") == b"name? "
    second = await supervised.supervisor.attach("a", stdin=False)
    session.resize(columns=77, rows=20)
    assert await until_read(session, b"wide") == b"wide"
    assert await until_read(second, b"wide") == b"wide"
    session.close()
    second.close()
    await supervised.end("a")


async def test_two_see_the_same(supervised: Supervised) -> None:
    await supervised.script(ECHOES, id_="a", stdin=True)
    first = await supervised.supervisor.attach("a", stdin=True)
    second = await supervised.supervisor.attach("a", stdin=False)
    await first.write(b"one")
    assert [await until_read(one, b">") for one in (first, second)] == [b"<one>"] * 2
    first.close()
    second.close()


async def test_the_code_is_that_of_the_container(supervised: Supervised) -> None:
    await supervised.script("import os; os.read(0, 1); os._exit(9)", id_="a", stdin=True)
    session = await supervised.supervisor.attach("a", stdin=True)
    await session.write(b"!")
    assert await code_of(session) == 9
    session.close()


async def test_a_container_with_a_terminal(supervised: Supervised) -> None:
    runs = (
        "import os\n"
        "os.write(1, b'%d ' % os.isatty(1))\n"
        "print(input('name? '), flush=True)\n"
        "os._exit(3)\n"
    )
    await supervised.script(runs, id_="a", stdin=True, tty=True)
    session = await supervised.supervisor.attach("a", stdin=True)
    session.resize(columns=80, rows=24)
    await session.write(b"me\n")
    assert await code_of(session) == 3
    session.close()
    await supervised.end("a")
    assert b"1 name? " in supervised.printed("a")


async def test_to_what_does_not_run_nobody_is_attached(supervised: Supervised) -> None:
    with pytest.raises(NotRunning, match="does not run"):
        await supervised.supervisor.attach("nobody", stdin=False)


async def test_a_container_without_stdin_has_none_to_lend(supervised: Supervised) -> None:
    await supervised.script(ECHOES, id_="b")
    assert (await supervised.end("b")).code == 7
    await supervised.script(SLEEPS, id_="a")
    session = await supervised.supervisor.attach("a", stdin=True)
    await session.write(b"lost")
    session.close()


async def test_a_guest_that_waits_to_be_asked_by_a_file(
    supervised: Supervised, tmp_path: Path
) -> None:
    path = tmp_path / "terminating"
    runs = (
        f"import os, time\nwhile not os.path.exists({str(path)!r}): time.sleep(0.01)\nos._exit(5)"
    )
    await supervised.script(runs, id_="a", terminating=str(path))
    supervised.supervisor.stop("a", grace_s=LIMIT_S)
    assert (await supervised.end("a")).code == 5


async def test_one_that_does_not_heed_the_file_is_killed(
    supervised: Supervised, tmp_path: Path
) -> None:
    await supervised.script(SLEEPS, id_="a", terminating=str(tmp_path / "terminating"))
    supervised.supervisor.stop("a", grace_s=0.1)
    assert (await supervised.end("a")).code == 128 + signal.SIGKILL


async def test_where_the_file_cannot_be_made_it_is_a_sigterm(
    supervised: Supervised, tmp_path: Path
) -> None:
    await supervised.script(SLEEPS, id_="a", terminating=str(tmp_path / "none" / "terminating"))
    supervised.supervisor.stop("a", grace_s=LIMIT_S)
    assert (await supervised.end("a")).code == 128 + signal.SIGTERM


@pytest.mark.parametrize(
    ("counters", "reason"),
    [
        ("oom_kill_disable 0\nunder_oom 0\noom_kill 1\n", "OOMKilled"),
        ("low 0\noom 1\noom_kill 2\noom_group_kill 0\n", "OOMKilled"),
        ("oom_kill 0\n", "Error"),
        ("", "Error"),
        (None, "Error"),
    ],
)
async def test_a_kill_for_want_of_memory_is_told_as_such(
    supervised: Supervised, tmp_path: Path, counters: str | None, reason: str
) -> None:
    path = tmp_path / "counters"
    if counters is not None:
        path.write_text(counters)
    await supervised.script("import os; os.kill(os.getpid(), 9)", id_="b", oom_file=str(path))
    end = await supervised.end("b")
    assert (end.code, end.reason) == (137, reason)
