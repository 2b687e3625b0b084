"""How containers start, are stopped and end."""

import asyncio
import os
import resource
import signal
import time
from typing import Any

import pytest

from krustlet.process import (
    ERROR,
    START_ERROR,
    START_ERROR_CODE,
    Ended,
    Started,
    StartRefused,
)
from tests.support.processes import descriptors, is_alive
from tests.support.supervised import LIMIT_S, Supervised
from tests.support.until import until, until_not

IGNORES_SIGTERM = """
import os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
os.write(1, b"ready\\n")
while True: time.sleep(600)
"""


async def test_a_container_runs_to_its_end(supervised: Supervised) -> None:
    before = time.time()
    started = await supervised.toy(prints="hello\n", id_="a")
    end = await supervised.end("a")
    assert (end.code, end.reason, end.message) == (0, "Completed", "")
    assert before <= started.at <= end.at <= time.time()
    assert supervised.printed("a") == b"hello\n"
    assert [type(event) for event in supervised.events] == [Started, Ended]


@pytest.mark.parametrize("code", [1, 3, 125, 255])
async def test_an_exit_code_is_told_as_it_was(supervised: Supervised, code: int) -> None:
    await supervised.toy(code=code, id_="a")
    end = await supervised.end("a")
    assert (end.code, end.reason, end.message) == (code, ERROR, "")


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV, signal.SIGHUP])
async def test_an_end_by_a_signal_is_128_and_the_signal(
    supervised: Supervised, number: signal.Signals
) -> None:
    started = await supervised.toy(sleeps_s=600, id_="a")
    os.kill(started.pid, number)
    end = await supervised.end("a")
    assert (end.code, end.reason) == (128 + number, ERROR)


@pytest.mark.parametrize("code", [1, 300, -1, 2_147_483_647])
async def test_a_report_tells_more_than_an_exit_status_can(
    supervised: Supervised, code: int
) -> None:
    await supervised.toy(fails="it broke: ü", code=code, id_="a")
    end = await supervised.end("a")
    assert (end.code, end.reason, end.message) == (code, ERROR, "it broke: ü")


@pytest.mark.parametrize("message", ["x" * 100_000, "ü" * 100_000, "\ud800", "\0"])
async def test_a_report_is_told_whatever_its_message(supervised: Supervised, message: str) -> None:
    await supervised.script(f"reporter.end(7, message={message!r})", id_="a")
    end = await supervised.end("a")
    assert (end.code, end.reason) == (7, ERROR)
    assert message.startswith(end.message) or end.message == "?"
    assert len(end.message) >= min(len(message), 1900)


@pytest.mark.parametrize(
    ("loads", "message"),
    [
        ("raise ValueError('no such engine')", "no such engine"),
        ("raise ValueError", "ValueError"),
        ("open('/does/not/exist')", "[Errno 2] No such file or directory: '/does/not/exist'"),
    ],
)
async def test_what_cannot_be_loaded_is_a_start_error(
    supervised: Supervised, loads: str, message: str
) -> None:
    await supervised.script(loads=loads, id_="a")
    end = await supervised.end("a")
    assert (end.code, end.reason, end.message) == (START_ERROR_CODE, START_ERROR, message)


async def test_a_runner_that_leaves_by_another_way_has_not_started_either(
    supervised: Supervised,
) -> None:
    await supervised.script("raise SystemExit(0)", id_="a")
    assert (await supervised.end("a")).code == START_ERROR_CODE


@pytest.mark.parametrize("code", [2**31, -(2**31) - 1, 2**63])
async def test_a_report_of_a_code_that_no_status_can_hold_is_none(
    supervised: Supervised, code: int
) -> None:
    """Who has taken over a container may write what he likes; the pod's status must stay one."""
    await supervised.script(f"reporter.end({code})", id_="a")
    assert (await supervised.end("a")).code == code & 0xFF


async def test_nobody_waits_for_a_report_that_another_process_may_still_write(
    supervised: Supervised,
) -> None:
    forks = """
import os, time
if (pid := os.fork()) == 0:
    time.sleep(600)
os.write(1, b"%d\\n" % pid)
os._exit(5)
"""
    await supervised.script(forks, id_="a")
    end = await supervised.end("a")
    os.kill(int(supervised.printed("a")), signal.SIGKILL)
    assert (end.code, end.message) == (5, "")


@pytest.mark.parametrize("field", ["directory", "log", "terminating", "oom_file"])
async def test_a_path_that_is_none_is_refused(supervised: Supervised, field: str) -> None:
    broken: dict[str, Any] = {field: "/tmp/\0"}
    with pytest.raises(StartRefused, match="zero byte"):
        await supervised.script(**broken)
    await supervised.toy(id_="b")
    assert (await supervised.end("b")).code == 0


async def test_stop_is_a_sigterm(supervised: Supervised) -> None:
    await supervised.toy(sleeps_s=600, id_="a")
    supervised.supervisor.stop("a", grace_s=60)
    end = await supervised.end("a")
    assert (end.code, end.reason) == (128 + signal.SIGTERM, ERROR)


async def test_who_does_not_listen_is_killed_after_the_grace_period(
    supervised: Supervised,
) -> None:
    await supervised.script(IGNORES_SIGTERM, id_="a")
    await supervised.until_printed("a", b"ready\n")
    asked = time.time()
    supervised.supervisor.stop("a", grace_s=0.7)
    end = await supervised.end("a")
    assert end.code == 128 + signal.SIGKILL
    assert 0.7 <= end.at - asked < 30


async def test_stopped_again_the_earlier_end_counts(supervised: Supervised) -> None:
    await supervised.script(IGNORES_SIGTERM, id_="a")
    await supervised.until_printed("a", b"ready\n")
    asked = time.time()
    supervised.supervisor.stop("a", grace_s=60)
    supervised.supervisor.stop("a", grace_s=0.3)
    supervised.supervisor.stop("a", grace_s=60)
    end = await supervised.end("a")
    assert end.code == 128 + signal.SIGKILL
    assert 0.3 <= end.at - asked < 30


async def test_a_grace_period_may_be_longer_than_anybody_lives(supervised: Supervised) -> None:
    await supervised.script(IGNORES_SIGTERM, id_="a")
    await supervised.until_printed("a", b"ready\n")
    supervised.supervisor.stop("a", grace_s=2.0**63)  # the most a pod can ask for
    await supervised.toy(id_="b")
    await supervised.end("b")  # whoever keeps them both lives
    supervised.supervisor.stop("a", grace_s=0)
    assert (await supervised.end("a")).code == 128 + signal.SIGKILL


async def test_sigterm_is_sent_once(supervised: Supervised) -> None:
    counts = """
import os, signal, time
signal.signal(signal.SIGTERM, lambda *_: os.write(1, b"term\\n"))
os.write(1, b"ready\\n")
while True: time.sleep(600)
"""
    await supervised.script(counts, id_="a")
    await supervised.until_printed("a", b"ready\n")
    for _ in range(3):
        supervised.supervisor.stop("a", grace_s=60)
    await supervised.until_printed("a", b"term\n")
    supervised.supervisor.stop("a", grace_s=0)
    await supervised.end("a")
    assert supervised.printed("a") == b"ready\nterm\n"


async def test_a_stop_on_the_heels_of_a_start_is_not_lost(supervised: Supervised) -> None:
    for number in range(20):
        await supervised.toy(sleeps_s=600, id_=f"a{number}")
        supervised.supervisor.stop(f"a{number}", grace_s=60)
    codes = {(await supervised.end(f"a{number}")).code for number in range(20)}
    assert codes == {128 + signal.SIGTERM}


async def test_stop_and_forget_of_nobody_do_nothing(supervised: Supervised) -> None:
    supervised.supervisor.stop("nobody", grace_s=0)
    supervised.supervisor.forget("nobody")
    await supervised.toy(id_="a")
    await supervised.end("a")
    supervised.supervisor.stop("a", grace_s=0)  # it has ended
    await supervised.toy(id_="b")
    assert (await supervised.end("b")).code == 0


async def test_many_at_once(supervised: Supervised) -> None:
    ids = [f"c{number}" for number in range(60)]
    await asyncio.gather(
        *(supervised.toy(prints=id_, code=n, id_=id_) for n, id_ in enumerate(ids))
    )
    for number, id_ in enumerate(ids):
        assert (await supervised.end(id_)).code == number
        assert supervised.printed(id_) == id_.encode()


# refused ------------------------------------------------------------------------------------------


async def test_an_unknown_runner_is_refused(supervised: Supervised) -> None:
    with pytest.raises(StartRefused, match="was not prepared"):
        await supervised.start("no.such:Runner", b"", id_="a")
    await _nothing_is_left_of(supervised, "a")


async def test_an_id_is_used_once(supervised: Supervised) -> None:
    started = await supervised.toy(sleeps_s=600, id_="a")
    with pytest.raises(StartRefused, match="known already"):
        await supervised.toy(id_="a")
    assert is_alive(started.pid)
    supervised.supervisor.stop("a", grace_s=0)
    assert (await supervised.end("a")).code in (143, 137)  # it is the first that has ended
    with pytest.raises(StartRefused, match="known already"):
        await supervised.toy(id_="a")
    supervised.supervisor.forget("a")
    supervised.events.clear()
    await supervised.toy(id_="a")
    assert (await supervised.end("a")).code == 0


async def test_of_two_at_once_with_one_id_the_second_is_refused(supervised: Supervised) -> None:
    first, second = await asyncio.gather(
        supervised.toy(id_="a"), supervised.toy(id_="a"), return_exceptions=True
    )
    assert isinstance(first, Started)
    assert isinstance(second, StartRefused)
    await supervised.end("a")


async def test_a_directory_that_cannot_be_is_refused(supervised: Supervised) -> None:
    supervised.record_directory("a").parent.write_text("a file where a directory should be")
    with pytest.raises(StartRefused, match="Not a directory"):
        await supervised.toy(id_="a")
    supervised.record_directory("a").parent.unlink()
    await _nothing_is_left_of(supervised, "a")


async def test_without_descriptors_for_another_it_is_refused(supervised: Supervised) -> None:
    pid = supervised.pid
    before = descriptors(pid)
    limits = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    free = [number for number in range(len(before) + 10) if number not in before]
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (free[4], limits[1]))  # the payload, and a pipe
    with pytest.raises(StartRefused, match="Too many open files"):
        await supervised.toy(id_="a")
    until(lambda: descriptors(pid) == before)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, limits)
    await _nothing_is_left_of(supervised, "a")


async def _nothing_is_left_of(supervised: Supervised, id_: str) -> None:
    """No event, no record, and the id is free for another."""
    assert supervised.events == []
    assert not (supervised.record_directory(id_) / "record").exists()
    assert not supervised.log(id_).exists()
    await supervised.toy(id_=id_)
    assert (await supervised.end(id_)).code == 0


async def test_forgotten_while_it_runs_it_is_dropped_at_its_end(supervised: Supervised) -> None:
    await supervised.toy(sleeps_s=600, id_="a")
    supervised.supervisor.forget("a")
    supervised.supervisor.stop("a", grace_s=0)
    await supervised.end("a")
    supervised.events.clear()
    await supervised.toy(id_="a")
    assert (await supervised.end("a")).code == 0


async def test_quit_ends_everything(supervised: Supervised) -> None:
    pids = [(await supervised.script(IGNORES_SIGTERM)).pid for _ in range(3)]
    pids += [supervised.pump, supervised.pid]
    await supervised.supervisor.quit(within_s=LIMIT_S)
    until_not(lambda: [pid for pid in pids if is_alive(pid)])
    ends = [event.end.code for event in supervised.events if isinstance(event, Ended)]
    assert ends == [137, 137, 137]
    await supervised.until_lost()


async def test_sigterm_ends_the_supervisor_and_everything_with_it(supervised: Supervised) -> None:
    started = await supervised.toy(sleeps_s=600)
    os.kill(supervised.pid, signal.SIGTERM)
    await supervised.until_lost()
    assert not is_alive(started.pid)


async def test_a_start_that_nobody_waits_for_is_still_told(supervised: Supervised) -> None:
    starting = asyncio.create_task(supervised.toy(prints="x", id_="a"))
    await asyncio.sleep(0)  # it has been asked for
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert (await supervised.end("a")).code == 0
