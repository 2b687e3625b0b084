"""`kill -9` of every kind of process a node is made of, again and again: it comes through."""

import secrets
from pathlib import Path
from typing import Final

import pytest

from tests.support.faults import Faults, counted
from tests.support.leftovers import Traces, differences, groups_below, traces
from tests.support.mortal_kubelet import MODULES
from tests.support.processes import processes_of
from tests.support.until import until_not
from tests.support.verdict import summary, wrong_in
from tests.support.victims import Victim
from tests.support.wasm_node import CACHE

_ROUNDS: Final = 120
_SEED: Final = 20260314
_SEEN: Final = {"ended", "killed", "lost", "adopted", "visited", "cut short", "CompileFailed"}
_MEMORY_KB: Final = 1024  # other processes by then, which have had another life

pytestmark = pytest.mark.root


def test_whatever_is_killed_whenever_nothing_is_doubled_lost_or_left(tmp_path: Path) -> None:
    top = f"krustlet-test/{secrets.token_hex(4)}"
    with Faults(tmp_path / "node", cgroups=top, seed=_SEED) as faults:
        faults.tell("warm")
        rested = faults.rest()
        before = _traces(faults, top)
        faults.tell("go")
        for victim in faults.plan(_ROUNDS):
            faults.kill(victim)
        rests = faults.rest()
        assert counted(faults.killed) == dict.fromkeys(map(str, Victim), _ROUNDS // len(Victim))
        assert summary(faults.journal).keys() >= _SEEN
        assert faults.wrong == []
        assert wrong_in(faults.journal, faults.killed) == []
        # Who was killed last may not have a successor yet.
        until_not(lambda: differences(before, _traces(faults, top), memory_kb=_MEMORY_KB))
        assert rests.descriptors == rested.descriptors
        assert faults.quit() == 0, faults.said
        until_not(lambda: processes_of(faults.directory))
        assert list(groups_below(top)) == []


def _traces(faults: Faults, top: str) -> Traces:
    return traces(faults.directory, cgroups=top, aside=(CACHE, MODULES))
