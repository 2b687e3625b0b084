"""Processes that enter a group and do as they are told, line by line."""

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from typing import Final

from krustlet.cgroups import Group

_WORDS: Final = """
import os, sys, time

for file in sys.argv[1:]:
    with open(file, "w") as procs:
        procs.write("0")
held = []
until_i_end, my_life = os.pipe()

def use(mib):
    held.append(b"\\1" * (mib << 20))
    return "held"

def fork(number):
    made = 0
    for _ in range(number):
        try:
            pid = os.fork()
        except BlockingIOError:
            break
        if not pid:
            os.close(my_life)
            os.read(until_i_end, 1)
            os._exit(0)
        made += 1
    return made

def burn(seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass
    return time.process_time()

def burn_on_one_processor(seconds):
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    return burn(seconds)

print("entered", flush=True)
while line := sys.stdin.readline():
    print(eval(line), flush=True)
"""


class Member:
    """A process in a group. Made by `member`."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process
        self.pid = process.pid

    def does(self, words: str) -> str:
        """What it answers; empty if that was its end."""
        self.begins(words)
        return self.answers()

    def begins(self, words: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{words}\n")
        self._process.stdin.flush()

    def answers(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def ends(self) -> int:
        """How it ended; negative for a signal."""
        return self._process.wait(60)

    def kill(self) -> None:
        """It is dying, and nobody has waited for it yet."""
        self._process.kill()


@contextlib.contextmanager
def member(group: Group) -> Iterator[Member]:
    """A process that has entered `group`, and has gone afterwards, with all that it forked."""
    process = subprocess.Popen(
        [sys.executable, "-ISc", _WORDS, *group.procs],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            entered = Member(process)
            assert entered.answers() == "entered"
            yield entered
        finally:
            process.kill()  # and so what it forked reads the end of its life
            assert process.stdin is not None
            with contextlib.suppress(BrokenPipeError):
                process.stdin.close()
