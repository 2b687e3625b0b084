"""What a container's process is and has, and what it has not."""

import hashlib
import json
import os
import resource
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.support.processes import descriptors, is_alive, processes_of, status
from tests.support.supervised import Supervised
from tests.support.until import until, until_not

TELLS_OF_ITSELF = """
import json, os, resource, signal
umask = os.umask(0)
facts = {
    "environ": dict(os.environ),
    "umask": umask,
    "core": resource.getrlimit(resource.RLIMIT_CORE),
    "cwd": os.getcwd(),
    "stdin": os.read(0, 10).decode(),
    "session": os.getsid(0),
}
os.write(1, json.dumps(facts).encode())
"""
# Python itself ignores these two, for a write to a broken pipe or past a limit to be an error
# number instead: which is what a guest gets, too.
IGNORED = {signal.SIGPIPE, signal.SIGXFSZ}


def signals(mask: str) -> set[int]:
    bits = int(mask, 16)
    return {number for number in signal.valid_signals() if bits >> (number - 1) & 1}


def environment(pid: int) -> bytes:
    return Path(f"/proc/{pid}/environ").read_bytes()


async def facts_of(supervised: Supervised) -> dict[str, Any]:
    await supervised.script(TELLS_OF_ITSELF, id_="facts")
    await supervised.end("facts")
    told: dict[str, Any] = json.loads(supervised.printed("facts"))
    return told


async def test_it_has_its_three_streams_and_the_way_to_report(supervised: Supervised) -> None:
    await supervised.toy(sleeps_s=600)  # a neighbour, whose pipes the supervisor holds, too
    started = await supervised.toy(prints="x\n", sleeps_s=600, id_="a")
    await supervised.until_printed("a", b"x")
    found = descriptors(started.pid)
    assert set(found) == {0, 1, 2, 4}
    assert found[0] == "/dev/null"
    assert all(found[number].startswith("pipe:") for number in (1, 2, 4))
    assert len({found[number] for number in (1, 2, 4)}) == 3


async def test_its_environment_is_the_zygotes(supervised: Supervised) -> None:
    facts = await facts_of(supervised)
    assert {k: v for k, v in facts["environ"].items() if k != "LC_CTYPE"} == {
        "TOKIO_WORKER_THREADS": "1"
    }
    started = await supervised.toy(sleeps_s=600)
    assert environment(started.pid) == b"TOKIO_WORKER_THREADS=1\0"


async def test_it_reads_nothing_and_dumps_no_core(supervised: Supervised) -> None:
    facts = await facts_of(supervised)
    assert facts["stdin"] == ""
    assert facts["core"] == [0, 0]
    assert facts["umask"] == 0o022
    assert facts["cwd"] == "/"


async def test_its_signals_are_those_of_a_fresh_process(supervised: Supervised) -> None:
    started = await supervised.toy(prints="x\n", sleeps_s=600, id_="a")
    await supervised.until_printed("a", b"x")
    facts = status(started.pid)
    assert signals(facts["SigPnd"]) | signals(facts["ShdPnd"]) == set()
    assert signals(facts["SigBlk"]) == set()
    assert signals(facts["SigCgt"]) == set()
    assert signals(facts["SigIgn"]) == IGNORED


async def test_it_gains_no_privileges(supervised: Supervised) -> None:
    started = await supervised.toy(prints="x\n", sleeps_s=600, id_="a")
    await supervised.until_printed("a", b"x")
    assert status(started.pid)["NoNewPrivs"] == "1"


async def test_it_is_called_like_its_container(supervised: Supervised) -> None:
    name = "a-name-longer-than-the-kernel-keeps"
    started = await supervised.toy(prints="x\n", sleeps_s=600, id_=name)
    await supervised.until_printed(name, b"x")
    assert status(started.pid)["Name"] == name[:15]


async def test_a_terminal_reaches_neither_it_nor_its_supervisor(supervised: Supervised) -> None:
    started = await supervised.toy(sleeps_s=600)
    pid = supervised.pid
    assert os.getsid(pid) == pid != os.getsid(0)
    assert os.getsid(started.pid) == os.getsid(supervised.pump) == pid


@pytest.mark.parametrize("size", [0, 1, 4096, 1_000_000, 20_000_000])
async def test_a_payload_of_any_size_arrives_whole(supervised: Supervised, size: int) -> None:
    data = os.urandom(size)
    digests = "import hashlib, os; os.write(1, hashlib.sha256(data).hexdigest().encode())"
    await supervised.script(digests, data=data, id_="a")
    assert (await supervised.end("a")).code == 0
    assert supervised.printed("a").decode() == hashlib.sha256(data).hexdigest()


async def test_it_dies_with_its_supervisor(supervised: Supervised) -> None:
    ignores = "import os, signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(600)"
    pids = [(await supervised.script(ignores)).pid for _ in range(5)]
    os.kill(supervised.pid, signal.SIGKILL)
    until_not(lambda: [pid for pid in pids if is_alive(pid)])
    await supervised.until_lost()
    until_not(lambda: processes_of(supervised.directory))


async def test_it_dies_with_a_supervisor_that_died_before_it_could_ask_to(
    supervised: Supervised,
) -> None:
    """Stopped between the fork and its asking to be told of the parent's death."""
    started = await supervised.script(
        loads="import os, signal; os.kill(os.getpid(), signal.SIGSTOP)", id_="a"
    )
    until(lambda: status(started.pid)["State"].startswith("T"))
    os.kill(supervised.pid, signal.SIGKILL)
    await supervised.until_lost()
    os.kill(started.pid, signal.SIGCONT)
    until_not(lambda: is_alive(started.pid))


async def test_the_supervisor_keeps_no_descriptor_of_what_has_ended(
    supervised: Supervised,
) -> None:
    await supervised.toy(id_="first")
    await supervised.end("first")
    pid, pump = supervised.pid, supervised.pump
    before = len(descriptors(pid)), len(descriptors(pump))
    for number in range(10):
        await supervised.toy(prints="x", id_=f"c{number}")
        await supervised.end(f"c{number}")
    assert (len(descriptors(pid)), len(descriptors(pump))) == before


async def test_the_supervisor_has_nothing_that_was_not_meant_for_it(tmp_path: Path) -> None:
    """A shell's redirection, or its lock: whoever waits for it would wait for the supervisor."""
    strangers = [os.open(tmp_path, os.O_RDONLY) for _ in range(8)]
    for stranger in strangers:
        os.set_inheritable(stranger, True)
    try:
        async with Supervised(tmp_path) as supervised:
            started = await supervised.toy(prints="x\n", sleeps_s=600, id_="a")
            await supervised.until_printed("a", b"x\n")
            for pid in (supervised.pid, supervised.pump, started.pid):
                assert str(tmp_path) not in descriptors(pid).values()
    finally:
        for stranger in strangers:
            os.close(stranger)


async def test_helpers_dump_no_core_and_have_no_environment(supervised: Supervised) -> None:
    for pid in (supervised.pid, supervised.pump):
        assert resource.prlimit(pid, resource.RLIMIT_CORE) == (0, 0)
        assert environment(pid) == b"TOKIO_WORKER_THREADS=1\0"
