"""Between somebody far away and the streams of a process.

Owns who waits for whom: neither side is read faster than the other takes it. Leaves what goes over
the wire to the module of its protocol.
"""

import asyncio
from collections.abc import Collection
from typing import Any, Final, Protocol, TypeAlias

import msgspec

from krustlet.provider import Session

_OUTPUTS: Final = ("stdout", "stderr")


class Typed(msgspec.Struct, frozen=True):
    data: bytes


class InputEnded(msgspec.Struct, frozen=True):
    """Nothing more will be typed; what is printed is still wanted."""


class Resized(msgspec.Struct, frozen=True):
    columns: int
    rows: int


Word: TypeAlias = Typed | InputEnded | Resized


class Wire(Protocol):
    """A connection to whoever wants the streams."""

    async def receive(self) -> Word | None:
        """What comes next from there; None once they are gone."""

    async def send(self, stream: str, data: bytes) -> None:
        """Show it there; returns when there is room for more.

        Raises:
            ConnectionError: they are gone.
        """


class LeftEarly(Exception):
    """Whoever wanted the streams is gone, and the process is not."""


async def relay(session: Session, wire: Wire, *, shown: Collection[str], stdin: bool) -> int:
    """Carry everything to and fro until the process has ended and all it printed is sent.

    Args:
        shown: the streams that are wanted there; what is printed to others is lost.
        stdin: whether they may type.

    Returns:
        The process' exit code.

    Raises:
        LeftEarly: they went away first.
    """
    typing = asyncio.create_task(_carry_in(session, wire, stdin=stdin), name="server.relay_in")
    printing = asyncio.create_task(_carry_out(session, wire, shown), name="server.relay_out")
    try:
        await asyncio.wait({typing, printing}, return_when=asyncio.FIRST_COMPLETED)
        if printing.done():
            return printing.result()
        typing.result()
        raise LeftEarly
    except ConnectionError as exc:
        raise LeftEarly from exc
    finally:
        await _cancelled(typing, printing)


async def _carry_in(session: Session, wire: Wire, *, stdin: bool) -> None:
    """Until there is nobody any more who could type."""
    while (word := await wire.receive()) is not None:
        match word:
            case Typed(data=data):
                if stdin:
                    await session.write(data)
            case InputEnded():
                if stdin:
                    session.end_input()
            case Resized(columns=columns, rows=rows):
                session.resize(columns=columns, rows=rows)


async def _carry_out(session: Session, wire: Wire, shown: Collection[str]) -> int:
    carrying = [
        asyncio.create_task(
            _carry(session, wire, stream, shown=stream in shown), name=f"server.relay_{stream}"
        )
        for stream in _OUTPUTS
    ]
    ending = asyncio.create_task(session.wait(), name="server.relay_end")
    try:
        await asyncio.gather(ending, *carrying)
    finally:
        await _cancelled(ending, *carrying)
    return ending.result()


async def _carry(session: Session, wire: Wire, stream: str, *, shown: bool) -> None:
    """All of one stream; one that nobody wants is read as well, or the process would wait."""
    while data := await session.read(stream):
        if shown:
            await wire.send(stream, data)


async def _cancelled(*tasks: "asyncio.Task[Any]") -> None:
    """None of them goes on; the session may be closed."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
