"""The kubelet's end of visits: sessions with what is executed, and with what is attached to."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Final

from krustlet.process.errors import NotRunning, StartRefused, SupervisorUnavailable
from krustlet.process.messages import (
    AnyMessage,
    Attach,
    Attached,
    EndInput,
    Execute,
    Executed,
    Message,
    Refused,
    Started,
    Stop,
    close_all,
)
from krustlet.process.session import Ends, ProcessSession, output_pipes

_LOST_CODE: Final = 137  # what a supervisor runs is killed when it goes

Say = Callable[[Message, Sequence[int]], None]
_Lent = tuple[Attached, list[int]]


class Visiting:
    """All sessions with what one supervisor runs."""

    def __init__(self, say: Say, started: Callable[[str], Awaitable[Started]]) -> None:
        """Keep what it is given.

        Args:
            say: sends a message, and copies of descriptors.
            started: waits for the answer to a start, by id.
        """
        self._say = say
        self._started = started
        self._attaching: dict[str, asyncio.Future[_Lent]] = {}
        self._ends: dict[str, list[asyncio.Future[int]]] = {}  # who waits for an end, by id
        self._count = 0

    def is_of(self, id_: str) -> bool:
        """Whether this is something that was executed, or that somebody is attached to."""
        return id_ in self._ends

    async def execute(self, wanted: Execute, payload: int, *, stdin: bool) -> ProcessSession:
        """See `client.Supervisor.execute`; `payload` is a descriptor."""
        ended = self._await_end(wanted.id)
        try:
            with Ends(stdin=stdin, tty=wanted.tty) as ends:
                self._say(wanted, (payload, *ends.theirs))
                await self._started(wanted.id)
                ends.kept()
        except StartRefused:
            self._forget(wanted.id, ended)
            raise
        except BaseException:
            self._leave(wanted.id, ended, Stop(wanted.id, 0))  # it may yet come to be
            raise
        session = ProcessSession(
            outputs=ends.outputs,
            terminal=ends.terminal,
            ended=ended,
            on_closed=lambda: self._leave(wanted.id, ended, Stop(wanted.id, 0)),
        )
        if ends.input is not None:
            session.type_into(ends.input)
        return session

    async def attach(self, container_id: str, *, stdin: bool) -> ProcessSession:
        """See `client.Supervisor.attach`."""
        self._count += 1
        id_ = f"{container_id}/{self._count}"
        ended = self._await_end(container_id)
        ours: list[int] = []
        theirs: list[int] = []
        try:
            stdout, stderr = output_pipes(ours, theirs)
            attached, lent = await self._attached(Attach(id_, container_id, stdin), theirs)
        except BaseException:
            close_all(ours)
            self._leave(container_id, ended, EndInput(container_id) if stdin else None)
            raise
        finally:
            close_all(theirs)
        session = ProcessSession(
            outputs={"stdout": stdout, "stderr": stderr},
            terminal=lent[0] if lent and attached.tty else None,
            types=stdin,
            ended=ended,
            on_closed=lambda: self._leave(
                container_id, ended, EndInput(container_id) if stdin else None
            ),
            on_input_ended=lambda: self._end_input(container_id),
        )
        if lent and not attached.tty:
            session.type_into(lent[0])
        return session

    def hear(self, message: AnyMessage, descriptors: list[int]) -> bool:
        """Take what is for visits; whether it was."""
        match message:
            case Attached(id=id_):
                answer = self._attaching.get(id_)
                if answer is None or answer.done():  # whoever asked has left
                    close_all(descriptors)
                else:
                    answer.set_result((message, descriptors))
            case Refused(id=id_, why=why) if answer := self._attaching.get(id_):
                if not answer.done():
                    answer.set_exception(NotRunning(f"cannot attach: {why}"))
            case Executed(id=id_, end=end):
                self.ended(id_, end.code)
            case _:
                return False
        return True

    def ended(self, id_: str, code: int) -> None:
        """Whoever waits for this end is told of it."""
        for ended in self._ends.pop(id_, ()):
            if not ended.done():
                ended.set_result(code)

    def lost(self, why: SupervisorUnavailable) -> None:
        """The supervisor is gone."""
        for answer in self._attaching.values():
            if not answer.done():
                answer.set_exception(why)
        for id_ in list(self._ends):
            self.ended(id_, _LOST_CODE)

    async def _attached(self, wanted: Attach, streams: Sequence[int]) -> _Lent:
        answer: asyncio.Future[_Lent] = asyncio.get_running_loop().create_future()
        self._attaching[wanted.id] = answer
        try:
            self._say(wanted, streams)
            return await answer
        except BaseException:
            if answer.done() and not answer.cancelled() and not answer.exception():
                close_all(answer.result()[1])
            raise
        finally:
            del self._attaching[wanted.id]

    def _await_end(self, id_: str) -> "asyncio.Future[int]":
        ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._ends.setdefault(id_, []).append(ended)
        return ended

    def _forget(self, id_: str, ended: "asyncio.Future[int]") -> None:
        waiting = self._ends.get(id_, [])
        if ended in waiting:
            waiting.remove(ended)
        if not waiting:
            self._ends.pop(id_, None)

    def _end_input(self, container_id: str) -> None:
        """Whoever typed has said all; the supervisor knows whether that is the input's end."""
        with suppress(SupervisorUnavailable):
            self._say(EndInput(container_id), ())

    def _leave(self, id_: str, ended: "asyncio.Future[int]", word: Message | None) -> None:
        """Nobody is interested any more; the supervisor is told, if it matters to it still."""
        if ended.done():
            return
        if not isinstance(word, Stop):  # which an end follows
            self._forget(id_, ended)
        if word is None:
            return
        try:
            self._say(word, ())
        except SupervisorUnavailable:
            self.ended(id_, _LOST_CODE)
