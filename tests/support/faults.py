"""SIGKILL for every kind of process of a node, at random moments; everything comes of one seed.

Owns the kubelet that is killed, and what was killed when. Leaves what the kubelet does to
`mortal_kubelet`, and whether all it wrote down can be true to `verdict`.
"""

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final, TypeVar

from krustlet.cgroups import detect
from tests.support.mortal_kubelet import MODULES, AnyEntry, Lives, Rests, read_journal
from tests.support.processes import GONE, is_alive, processes_of, status
from tests.support.supervised import ROOT
from tests.support.until import PATIENCE_S, until, until_not
from tests.support.victims import Killed, Victim, kind_of

T = TypeVar("T")

_PAUSE_S: Final = 0.12


class Faults:
    """A kubelet in trouble, as `with`; all of it is gone afterwards.

    Attributes:
        killed: what was, in order.
        wrong: what must not have been seen meanwhile.
    """

    def __init__(self, directory: Path, *, cgroups: str, seed: int) -> None:
        self.directory = directory
        self.killed: list[Killed] = []
        self.wrong: list[str] = []
        self._cgroups = cgroups
        self._seed = seed
        self._random = random.Random(seed)
        self._said = directory.with_suffix(".stderr")  # beside it: it is no trace of the node
        self._kubelet: subprocess.Popen[str] | None = None

    def __enter__(self) -> "Faults":
        (self.directory / MODULES).mkdir(parents=True)
        self._start()
        return self

    def __exit__(self, *_: object) -> None:
        """However the test went, nothing stays."""
        kubelet = self._process
        kubelet.kill()
        kubelet.communicate()
        for pid in processes_of(self.directory):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        until_not(lambda: processes_of(self.directory))
        cgroups = detect(self._cgroups)
        for path in reversed(cgroups.below()):
            cgroups.remove(path, within_s=PATIENCE_S)
        cgroups.close()

    # the kubelet ------------------------------------------------------------------------------

    @property
    def journal(self) -> list[AnyEntry]:
        return read_journal(self.directory)

    @property
    def said(self) -> str:
        """What all of its lives have complained of."""
        return self._said.read_text(errors="replace")

    def tell(self, *words: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write("".join(f"{word}\n" for word in words))
        self._process.stdin.flush()

    def rest(self) -> Rests:
        """What it says when nothing runs any more."""
        before = self._count(Rests)
        self.tell("rest")
        self._until(lambda: self._count(Rests) > before, within_s=2 * PATIENCE_S)
        return next(entry for entry in reversed(self.journal) if isinstance(entry, Rests))

    def quit(self) -> int:
        """Its exit code, once it has ended and all it ran with it."""
        self.tell("quit")
        return self._process.wait(PATIENCE_S)

    @property
    def _process(self) -> "subprocess.Popen[str]":
        assert self._kubelet is not None
        return self._kubelet

    def _start(self) -> None:
        lives = self._count(Lives)
        arguments = (str(self.directory), self._cgroups, str(self._seed))
        with self._said.open("ab") as said:
            self._kubelet = subprocess.Popen(
                [sys.executable, "-m", "tests.support.mortal_kubelet", *arguments],
                stdin=subprocess.PIPE,
                stderr=said,
                text=True,
                env=os.environ | {"PYTHONPATH": str(ROOT)},
            )
        self._until(lambda: self._count(Lives) > lives)

    def _count(self, kind: type[AnyEntry]) -> int:
        return sum(isinstance(entry, kind) for entry in self.journal)

    def _until(self, condition: Callable[[], T], *, within_s: float = PATIENCE_S) -> T:
        """As `until`, but a kubelet that ends by itself is told of at once."""

        def seen() -> T:
            assert self._process.poll() is None, f"the kubelet has ended by itself:\n{self.said}"
            return condition()

        return until(seen, within_s=within_s)

    # trouble ----------------------------------------------------------------------------------

    def plan(self, rounds: int) -> list[Victim]:
        """Whom to kill; each kind as often as the others, in any order."""
        kinds = list(Victim)
        victims = [kinds[number % len(kinds)] for number in range(rounds)]
        self._random.shuffle(victims)
        return victims

    def kill(self, victim: Victim) -> None:
        """Kill one of them in a moment, whatever it is at."""
        time.sleep(self._random.uniform(0, _PAUSE_S))
        if victim is Victim.KUBELET:
            self._kill_kubelet()
        else:
            self._until(lambda: self._kill_one(victim))
        self._look_for_doubles()

    def _kill_one(self, victim: Victim) -> bool:
        """Whether there was one, and it died of this."""
        found = [(pid, name) for pid, (kind, name) in self._there().items() if kind is victim]
        if not found:
            return False
        pid, name = self._random.choice(found)
        try:
            process = os.pidfd_open(pid)
        except ProcessLookupError:
            return False
        try:
            if status(pid)["Name"] != name:
                return False  # another has that number by now
            at = time.time()
            signal.pidfd_send_signal(process, signal.SIGKILL)
        except GONE:
            return False
        finally:
            os.close(process)
        self.killed.append(Killed(victim, name, at))
        return True

    def _kill_kubelet(self) -> None:
        at = time.time()
        self._process.kill()
        self._process.communicate()
        self.killed.append(Killed(Victim.KUBELET, "", at))
        running = {name for kind, name in self._there().values() if kind is Victim.CONTAINER}
        time.sleep(self._random.uniform(0, _PAUSE_S))
        self._start()
        self.tell("go")
        lives = next(entry for entry in reversed(self.journal) if isinstance(entry, Lives))
        if unknown := running - set(lives.found):
            self.wrong.append(f"{sorted(unknown)} ran, and were not found: {lives}")

    def _there(self) -> Mapping[int, tuple[Victim, str]]:
        """All processes that can be killed but the kubelet, by their numbers."""
        found = {}
        for pid in processes_of(self.directory):
            with contextlib.suppress(*GONE):
                if pid != self._process.pid and (kind := kind_of(pid)) is not None:
                    found[pid] = kind, status(pid)["Name"]
        return found

    def _look_for_doubles(self) -> None:
        there = self._there()
        names = Counter(
            name
            for kind, name in there.values()
            if kind in (Victim.CONTAINER, Victim.VISITOR, Victim.SUPERVISOR)
        )
        for name, count in names.items():
            alive = [pid for pid, (_, of) in there.items() if of == name and is_alive(pid)]
            if count > 1 and len(alive) > 1:
                self.wrong.append(f"{name} runs as {alive}")


def counted(killed: Sequence[Killed]) -> dict[str, int]:
    """How many of each kind."""
    return dict(Counter(str(each.victim) for each in killed))
