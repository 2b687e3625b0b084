"""A supervisor that must not outlive whoever started it: it goes, and takes everything along."""

import asyncio
import os
import signal
import time
from pathlib import Path

import pytest

from tests.support.processes import processes_of
from tests.support.script_provider import a_kubelet
from tests.support.supervised import Supervised, settings
from tests.support.until import until, until_not

GONE_WITHIN_S = 5
IGNORES_SIGTERM = "import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(600)"


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    directory = tmp_path / "scratch"
    directory.mkdir()
    return directory


def _left(scratch: Path) -> list[object]:
    return [*processes_of(scratch), *([scratch] if scratch.exists() else [])]


def test_a_killed_owner_leaves_nothing(scratch: Path) -> None:
    with a_kubelet(scratch, IGNORES_SIGTERM, "import time; time.sleep(600)", scratch=True) as owner:
        assert len(processes_of(scratch)) == 5  # it, the supervisor, the log pump, two containers
        owner.send_signal(signal.SIGKILL)
        owner.wait()
        until_not(lambda: _left(scratch), within_s=GONE_WITHIN_S)


@pytest.mark.parametrize("after_s", [0.0, 0.02, 0.05, 0.1, 0.2])
def test_an_owner_killed_while_the_supervisor_starts_leaves_nothing(
    scratch: Path, after_s: float
) -> None:
    with a_kubelet(scratch, scratch=True, ready=False) as owner:
        until(lambda: len(processes_of(scratch)) > 1)
        time.sleep(after_s)
        owner.send_signal(signal.SIGKILL)
        owner.wait()
        until_not(lambda: _left(scratch), within_s=GONE_WITHIN_S)


async def test_an_owner_that_lets_go_leaves_nothing(scratch: Path) -> None:
    async with Supervised(scratch, settings(scratch, scratch=scratch)) as supervised:
        await supervised.script(IGNORES_SIGTERM)
        supervised.supervisor.close()
        until_not(lambda: _left(scratch), within_s=GONE_WITHIN_S)
        supervised.lost = 1  # there is nobody to be told to quit


async def test_quit_leaves_nothing_as_soon_as_it_is_done(scratch: Path) -> None:
    async with Supervised(scratch, settings(scratch, scratch=scratch)) as supervised:
        await supervised.script(IGNORES_SIGTERM)
        await supervised.supervisor.quit(within_s=GONE_WITHIN_S)
        assert _left(scratch) == []
        supervised.lost = 1


async def test_a_full_scratch_is_removed_too(scratch: Path) -> None:
    async with Supervised(scratch, settings(scratch, scratch=scratch)) as supervised:
        await supervised.toy(prints="x\n" * 10_000)
        (scratch / "deep" / "er").mkdir(parents=True)
        (scratch / "deep" / "er" / "link").symlink_to("/")
        (scratch / "deep").chmod(0o500)
        await supervised.supervisor.quit(within_s=GONE_WITHIN_S)
        assert _left(scratch) == []
        assert Path("/tmp").exists()
        supervised.lost = 1


async def test_without_a_scratch_it_outlives_its_owner(tmp_path: Path) -> None:
    with a_kubelet(tmp_path) as owner:
        os.kill(owner.pid, signal.SIGKILL)
        owner.wait()
    await asyncio.sleep(0.3)
    assert len(processes_of(tmp_path)) == 2
    async with Supervised(tmp_path) as supervised:
        assert supervised.supervisor.known == {}
