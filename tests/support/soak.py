"""Very many containers, many of them at once, and how each has to end."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from krustlet.process.logfile import parse_entry
from krustlet.provider import ContainerEnded
from tests.support.processes import GONE, processes_of, status
from tests.support.until import until
from tests.support.wasm_node import WasmNode

LIMIT_S: Final = 60.0  # for a wave, which takes seconds
_COMM: Final = 15  # characters of a process' name
_STARTING: Final = 16  # at the same time; a node has as many pods in work
_SIGTERM: Final = 128 + 15


class Kind(msgspec.Struct, frozen=True):
    """What a container runs, and how that ends.

    Attributes:
        told: what its message has in it.
        stays: whether it has to be stopped.
    """

    guest: str
    argv: tuple[str, ...]
    code: int
    reason: str
    printed: bytes
    told: str = ""
    stays: bool = False


KINDS: Final = (
    Kind("hello", (), 0, "Completed", b"Hello, world!\n"),
    Kind("exit", ("3",), 3, "Error", b""),
    Kind("trap", (), 134, "Error", b"about to trap\n", told="unreachable"),
    Kind("ticks", ("5", "2"), 0, "Completed", b"".join(b"tick %d\n" % n for n in range(5))),
    Kind("sleep", (), _SIGTERM, "Error", b"ready\n", stays=True),
)
STAYS: Final = KINDS[-1]


class Wrong(msgspec.Struct, frozen=True):
    """A container that was not as it should have been; empty lists of them are what tests want."""

    id: str
    what: str


class Soak:
    """Runs containers on a node, and watches them."""

    def __init__(self, node: WasmNode) -> None:
        self.wrong: list[Wrong] = []
        self.ran = 0
        self._node = node

    async def all_at_once(self, many: int, *, kinds: Sequence[Kind] = KINDS) -> None:
        """So many containers are started, run together, end as they should, and are gone."""
        room = asyncio.Semaphore(_STARTING)
        ids = [f"c{self.ran + number}" for number in range(many)]
        chosen = {id_: kinds[number % len(kinds)] for number, id_ in enumerate(ids)}
        self.ran += many

        async def start(id_: str, kind: Kind) -> None:
            async with room:
                await self._node.start(id_, kind.guest, *kind.argv)

        async with asyncio.timeout(LIMIT_S):
            await asyncio.gather(*(start(id_, kind) for id_, kind in chosen.items()))
            staying = [id_ for id_, kind in chosen.items() if kind.stays]
            await asyncio.to_thread(self._until_running, staying)
            for id_ in staying:
                self._node.runtime.stop(id_, grace_s=30)
            ends = await asyncio.gather(*map(self._node.ended, ids))
            for end, (id_, kind) in zip(ends, chosen.items(), strict=True):
                self._judge(end, kind, self._node.log(id_))
            await asyncio.gather(*map(self._node.forget, ids))

    def _until_running(self, ids: Sequence[str]) -> None:
        """All of them run at this moment, each as one process, and have said so."""
        names = sorted(id_[:_COMM] for id_ in ids)
        until(lambda: self.running() == names)
        logs = [self._node.log(id_) for id_ in ids]
        until(lambda: all(b"ready" in log.read_bytes() for log in logs))

    def running(self) -> list[str]:
        """The names of the processes that are containers."""
        names = []
        for pid in processes_of(self._node.directory):
            try:
                names.append(status(pid)["Name"])
            except GONE:
                continue  # it has ended meanwhile
        return sorted(name for name in names if not name.startswith("krustlet"))

    def _judge(self, end: ContainerEnded, kind: Kind, log: Path) -> None:
        if (end.code, end.reason) != (kind.code, kind.reason) or kind.told not in end.message:
            self.wrong.append(Wrong(end.id, f"ended with {end}, not as {kind}"))
        if (printed := printed_in(log)) != kind.printed:
            self.wrong.append(Wrong(end.id, f"printed {printed[:200]!r}, not {kind.printed!r}"))


def printed_in(log: Path) -> bytes:
    """What a container has printed to stdout, by its log; nothing if there is none yet."""
    if not log.exists():
        return b""
    lines = [parse_entry(line) for line in log.read_bytes().split(b"\n")[:-1]]
    return b"".join(line.text for line in lines if line.stream == "stdout")
