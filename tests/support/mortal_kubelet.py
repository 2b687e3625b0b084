"""A kubelet that may be killed at any moment: `python -m tests.support.mortal_kubelet DIRECTORY`.

It runs guests of all kinds and lets people into them, as many as it can, and writes down what it
asks for before it does so, and all that it is told. Its next life goes on from there. What to do it
reads from its stdin: `go`, `rest`, `quit`. Leaves it to `faults` to say whether what is written
down can be true.
"""

import asyncio
import contextlib
import os
import random
import sys
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, Final

import msgspec

from krustlet.base import KrustletError
from krustlet.base.logs import set_up_logs
from krustlet.images import Image
from krustlet.process import ProcessSession
from krustlet.provider import ContainerStarted, RuntimeEvent
from tests.support.guests import Guests, default_cache
from tests.support.soak import KINDS, Kind, printed_in
from tests.support.wasm_node import WasmNode, image_of

JOURNAL: Final = "journal"
MODULES: Final = "modules"
VISITOR: Final = Kind(
    "ticks", ("4", "15", "5"), 5, "Error", b"".join(b"tick %d\n" % n for n in range(4))
)
"""What people run in containers."""

_LONG: Final = Kind(
    "ticks", ("25", "8"), 0, "Completed", b"".join(b"tick %d\n" % n for n in range(25))
)
OF_NAME: Final = {
    **{kind.guest: kind for kind in KINDS if kind.guest != _LONG.guest},
    _LONG.guest: _LONG,
}
_AT_ONCE: Final = 8
_FRESH: Final = 0.3  # of all containers: of a module that was never compiled
_VISITED: Final = 0.7  # of those that last
_LASTS_S: Final = 0.3
_LIMIT_S: Final = 40.0  # for anything at all
_GRACE_S: Final = 30.0  # nobody needs it: a SIGKILL that nobody sent would be seen


class Entry(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """A line of the journal; `at` is in Unix seconds."""

    at: float = msgspec.field(default_factory=time.time)


class Lives(Entry, frozen=True):
    """A kubelet has found its containers."""

    pid: int
    found: list[str]


class Asked(Entry, frozen=True):
    """A container is going to be started; `kind` is one of `OF_NAME`."""

    id: str
    kind: str


class Began(Entry, frozen=True):
    """A start was told; `started_at` is when it was."""

    id: str
    started_at: float


class Failed(Entry, frozen=True):
    """It was not started, or nobody was let in."""

    id: str
    error: str
    why: str


class Never(Entry, frozen=True):
    """An earlier life asked for it, and nobody knows of it; `printed` shows whether it ran."""

    id: str
    printed: bytes


class Stopped(Entry, frozen=True):
    id: str


class Over(Entry, frozen=True):
    """An end was told, and what the log held then."""

    id: str
    code: int
    reason: str
    message: str
    ended_at: float
    printed: bytes


class Gone(Entry, frozen=True):
    """Nothing is kept of it."""

    id: str


class Entered(Entry, frozen=True):
    """Somebody is going to be let into the container `within`."""

    id: str
    within: str


class Left(Entry, frozen=True):
    """What was executed has ended."""

    id: str
    code: int
    printed: bytes


class Rests(Entry, frozen=True):
    """Nothing is run any more; `descriptors` are those of the kubelet."""

    descriptors: int


AnyEntry = Lives | Asked | Began | Failed | Never | Stopped | Over | Gone | Entered | Left | Rests
_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(AnyEntry).decode


def read_journal(directory: Path) -> list[AnyEntry]:
    """All that was written down; the last line may be cut short."""
    path = directory / JOURNAL
    lines = path.read_bytes().split(b"\n")[:-1] if path.exists() else []
    return [_decode(line) for line in lines]


class MortalKubelet:
    """One life of it."""

    def __init__(self, directory: Path, *, cgroups: str, seed: int) -> None:
        self._directory = directory
        self._past = read_journal(directory)
        self._journal = os.open(directory / JOURNAL, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._node = WasmNode(directory, cgroups=cgroups, tell=self._told)
        lives = sum(isinstance(entry, Lives) for entry in self._past)
        self._random = random.Random(f"{seed} {lives}")
        self._number = 1000 * (lives + 1)
        self._going = asyncio.Event()
        self._work: set[asyncio.Task[None]] = set()

    async def live(self) -> None:
        """Go on where the last life ended, and do as told."""
        await self._node.open()
        self._note(Lives(pid=os.getpid(), found=sorted(self._node.found)))
        async with asyncio.TaskGroup() as house:
            for id_, kind in self._open_questions().items():
                self._begin(house, self._answer(id_, kind))
            makes = house.create_task(self._make(house), name="make")
            await self._obey()
            makes.cancel()
        await self._node.close()

    async def _obey(self) -> None:
        while line := await asyncio.to_thread(sys.stdin.readline):
            match line.strip():
                case "go":
                    self._going.set()
                case "rest":
                    self._going.clear()
                    while self._work:
                        await asyncio.wait(self._work)
                    self._note(Rests(descriptors=len(os.listdir("/proc/self/fd"))))
                case "warm":
                    await self._warm_up()
                case "quit":
                    return

    async def _warm_up(self) -> None:
        """One of each kind, so that all is there that comes with the first."""
        for name in OF_NAME:
            await self._run(name, visited=OF_NAME[name].stays, fresh=False)

    async def _make(self, house: asyncio.TaskGroup) -> None:
        while True:
            await self._going.wait()
            if len(self._work) >= _AT_ONCE:
                await asyncio.wait(self._work, return_when=asyncio.FIRST_COMPLETED)
                continue
            name = self._random.choice(sorted(OF_NAME))
            visited = self._random.random() < _VISITED
            fresh = self._random.random() < _FRESH
            self._begin(house, self._run(name, visited=visited, fresh=fresh))
            await asyncio.sleep(0)

    def _begin(self, house: asyncio.TaskGroup, work: Coroutine[Any, Any, None]) -> None:
        task = house.create_task(work)
        self._work.add(task)
        task.add_done_callback(self._work.discard)

    # containers -------------------------------------------------------------------------------

    async def _run(self, name: str, *, visited: bool, fresh: bool) -> None:
        kind, id_ = OF_NAME[name], self._id("c")
        image = self._fresh_image(id_, kind.guest) if fresh else self._node.image(kind.guest)
        self._note(Asked(id=id_, kind=name))
        try:
            async with asyncio.timeout(_LIMIT_S):
                await self._node.start(id_, image, *kind.argv)
        except KrustletError as exc:
            self._note(Failed(id=id_, error=type(exc).__name__, why=exc.message))
            await self._forget(id_)
        else:
            await self._see_through(id_, kind, visited=visited)

    async def _see_through(self, id_: str, kind: Kind, *, visited: bool) -> None:
        async with asyncio.TaskGroup() as visits, asyncio.timeout(_LIMIT_S):
            if visited and (kind.stays or kind is _LONG):
                visits.create_task(self._visit(id_))
            if kind.stays:
                await asyncio.sleep(self._random.uniform(0, _LASTS_S))
                self._note(Stopped(id=id_))
                self._node.runtime.stop(id_, grace_s=_GRACE_S)
            end = await self._node.ended(id_)
            self._note(
                Over(
                    id=id_,
                    code=end.code,
                    reason=end.reason,
                    message=end.message,
                    ended_at=end.at,
                    printed=printed_in(self._node.log(id_)),
                )
            )
        await self._forget(id_)

    async def _forget(self, id_: str) -> None:
        await self._node.forget(id_)
        self._note(Gone(id=id_))

    async def _visit(self, within: str) -> None:
        id_ = self._id("x")
        self._note(Entered(id=id_, within=within))
        try:
            async with asyncio.timeout(_LIMIT_S):
                session = await self._node.execute(id_, within, *VISITOR.argv, guest=VISITOR.guest)
        except KrustletError as exc:
            self._note(Failed(id=id_, error=type(exc).__name__, why=exc.message))
            return
        with contextlib.closing(session):
            async with asyncio.timeout(_LIMIT_S):
                printed = await _all_of(session)
                self._note(Left(id=id_, code=await session.wait(), printed=printed))

    # earlier lives ----------------------------------------------------------------------------

    def _open_questions(self) -> dict[str, str]:
        """The kinds of the containers that an earlier life has not seen through, by id."""
        asked = {entry.id: entry.kind for entry in self._past if isinstance(entry, Asked)}
        gone = {entry.id for entry in self._past if isinstance(entry, Gone)}
        return {id_: kind for id_, kind in asked.items() if id_ not in gone}

    async def _answer(self, id_: str, name: str) -> None:
        over = any(isinstance(entry, Over | Failed) and entry.id == id_ for entry in self._past)
        if id_ in self._node.found:
            await self._see_through(id_, OF_NAME[name], visited=True)
            return
        if not over:
            self._note(Never(id=id_, printed=printed_in(self._node.log(id_))))
        await self._forget(id_)

    # what is written down ---------------------------------------------------------------------

    def _told(self, event: RuntimeEvent) -> None:
        if isinstance(event, ContainerStarted):
            self._note(Began(id=event.id, started_at=event.at))

    def _note(self, entry: AnyEntry) -> None:
        os.write(self._journal, _encode(entry) + b"\n")

    def _id(self, letter: str) -> str:
        self._number += 1
        return f"{letter}{self._number}"

    def _fresh_image(self, id_: str, guest: str) -> Image:
        """A module that nobody has compiled: another by a section that says nothing."""
        path = self._directory / MODULES / f"{id_}.wasm"
        name = id_.encode()
        section = bytes([0, len(name) + 1, len(name)]) + name
        path.write_bytes(Guests(default_cache()).path(guest).read_bytes() + section)
        return image_of(guest, path)


async def _all_of(session: ProcessSession) -> bytes:
    read = b""
    while data := await session.read("stdout"):
        read += data
    return read


async def _main(directory: str, cgroups: str, seed: str) -> None:
    await MortalKubelet(Path(directory), cgroups=cgroups, seed=int(seed)).live()


if __name__ == "__main__":
    set_up_logs("error")
    asyncio.run(_main(*sys.argv[1:]))
