"""The log pump may die at any time; what containers print after that is not lost."""

import asyncio
import os
import signal
import time
from pathlib import Path

import pytest

from krustlet.process import LogEntry
from tests.component.process.test_logs import WAITS_TO_GO_ON, follow
from tests.support.processes import descriptors, is_alive
from tests.support.supervised import Supervised
from tests.support.until import until, until_not

CHUNK = 64 * 1024
LONGEST = 16 * 1024


def kill_pump(supervised: Supervised) -> int:
    pump = supervised.pump
    os.kill(pump, signal.SIGKILL)
    until_not(lambda: is_alive(pump))
    return pump


def prints_around(gate: Path, before: str, after: str) -> str:
    waits = WAITS_TO_GO_ON.replace("GATE", repr(str(gate)))
    return f"import os\n{before}\n{waits}\n{after}"


async def test_the_next_pump_takes_over(supervised: Supervised, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    script = prints_around(gate, "os.write(1, b'before\\n')", "os.write(2, b'after\\n')")
    for id_ in ("a", "b"):
        await supervised.script(script, id_=id_)
        await supervised.until_printed(id_, b"before\n")
    died = kill_pump(supervised)
    until(lambda: supervised.pump != died)
    gate.touch()
    for id_ in ("a", "b"):
        assert (await supervised.end(id_)).code == 0
        assert supervised.printed(id_) == b"before\n"
        assert supervised.printed(id_, "stderr") == b"after\n"
    assert "the log pump died" in supervised.settings.log.read_text()


async def test_what_is_printed_while_there_is_no_pump_waits(
    supervised: Supervised, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    await supervised.script(prints_around(gate, "", "os.write(1, b'x' * 1000 + b'\\n')"), id_="a")
    os.kill(supervised.pump, signal.SIGSTOP)
    gate.touch()
    await asyncio.sleep(0.1)
    kill_pump(supervised)
    await supervised.toy(prints="meanwhile\n", id_="b")
    assert (await supervised.end("a")).code == 0
    await supervised.end("b")
    assert supervised.printed("a") == b"x" * 1000 + b"\n"
    assert supervised.printed("b") == b"meanwhile\n"


async def test_a_pump_that_dies_in_the_flood_loses_what_was_in_its_hand(
    supervised: Supervised,
) -> None:
    """One chunk, and a line that was begun."""
    count = 200_000
    floods = f"""
import os
output = b"".join(b"%07d\\n" % number for number in range({count}))
while output:
    output = output[os.write(1, output[:4096]):]
"""
    await supervised.script(floods, id_="a")
    await supervised.until_printed("a", b"0000100\n")
    kill_pump(supervised)
    assert (await supervised.end("a")).code == 0
    found, over = list[LogEntry](), asyncio.Event()
    over.set()
    await follow(supervised.log("a"), over, found)  # which leaves out a line that was torn
    numbers = [int(entry.text) for entry in found if len(entry.text) == 8]
    assert numbers == sorted(set(numbers))
    assert numbers[-1] == count - 1
    assert (count - len(numbers)) * 8 <= CHUNK + LONGEST


async def test_pumps_that_die_again_and_again(supervised: Supervised, tmp_path: Path) -> None:
    gates = [tmp_path / f"gate-{number}" for number in range(4)]
    ticks = [prints_around(gate, "", "os.write(1, b'tick\\n')") for gate in gates]
    await supervised.script("\n".join(ticks), id_="a")
    for number, gate in enumerate(gates):
        await supervised.until_printed("a", b"tick\n" * number)  # so that none is in its hand
        kill_pump(supervised)
        gate.touch()
    assert (await supervised.end("a")).code == 0
    assert supervised.printed("a") == b"tick\n" * len(gates)
    begun = time.monotonic()
    await supervised.toy(prints="x\n", id_="b")
    await supervised.end("b")
    assert supervised.printed("b") == b"x\n"
    assert time.monotonic() - begun < 30


async def test_neither_start_nor_stop_waits_for_a_pump_that_is_stuck(
    supervised: Supervised,
) -> None:
    """More containers than the socket to the pump has room for, and more than it can answer."""
    pump = supervised.pump
    os.kill(pump, signal.SIGSTOP)
    count = 400
    try:
        async with asyncio.timeout(60):
            for number in range(count):
                await supervised.toy(prints=f"{number}\n", id_=f"c{number}")
            # Ends are told without a complete log, at last.
            assert (await supervised.end("c0")).code == 0
    finally:
        os.kill(pump, signal.SIGCONT)
    for number in range(count):
        assert (await supervised.end(f"c{number}")).code == 0
    await supervised.toy(prints="x\n", id_="after")
    await supervised.end("after")
    assert supervised.printed("after") == b"x\n"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
async def test_it_ends_with_its_supervisor_and_at_nobody_elses_word(
    supervised: Supervised, number: signal.Signals
) -> None:
    pump = supervised.pump
    os.kill(pump, number)
    await supervised.toy(prints="x\n", id_="a")
    await supervised.end("a")
    assert supervised.pump == pump
    assert supervised.printed("a") == b"x\n"


async def test_the_last_words_are_written_though_the_supervisor_is_dead(
    supervised: Supervised, tmp_path: Path
) -> None:
    printed = tmp_path / "printed"
    prints = f"import os, time; os.write(1, b'last'); os.mkdir({str(printed)!r})"
    await supervised.script(f"{prints}; time.sleep(600)", id_="a")
    until(printed.exists)
    pump = supervised.pump
    os.kill(supervised.pid, signal.SIGKILL)
    await supervised.until_lost()
    until_not(lambda: is_alive(pump))
    assert supervised.printed("a") == b"last"


async def test_a_pump_holds_nothing_of_the_supervisors(supervised: Supervised) -> None:
    until(lambda: "anon_inode:[eventpoll]" in descriptors(supervised.pump).values())
    found = descriptors(supervised.pump)
    assert sorted(found)[:3] == [0, 1, 2]
    assert sorted(link.split(":")[0] for n, link in found.items() if n > 2) == [
        "anon_inode",  # its epoll
        "socket",
    ]
