"""The kubelet's end of the supervisor: find it or start it, ask it, hear of ends.

Owns the run directory's socket. Leaves all knowledge of containers to the supervisor, which
outlives this process, and of what a container is to whoever asks.
"""

import asyncio
import contextlib
import fcntl
import os
import socket
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Final

import msgspec
import structlog

from krustlet.process.channel import Channel
from krustlet.process.errors import StartRefused, SupervisorUnavailable
from krustlet.process.messages import (
    PROTOCOL,
    AnyMessage,
    Ended,
    Execute,
    Forget,
    Hello,
    Known,
    Launch,
    Message,
    Quit,
    Refused,
    Start,
    Started,
    Stop,
    Welcome,
    close_all,
)
from krustlet.process.sealed import Sealed, encode_sealed
from krustlet.process.session import ProcessSession
from krustlet.process.spawn import (
    SupervisorSettings,
    Zygote,
    bury,
    dial,
    only_one,
    other_generations,
    spawn,
)
from krustlet.process.visiting import Visiting
from krustlet.process.walls import NO_WALLS, Walls

_ANSWER_S: Final = 30.0
_OLDEST_PROTOCOL: Final = 1
_PROTOCOL_OF_VISITS: Final = 2

log = structlog.get_logger(__name__)


class Supervisor:
    """A connection to the supervisor. Made by `connect`; use as `async with`."""

    def __init__(
        self,
        connection: socket.socket,
        zygote: Zygote | None,
        *,
        its_log: Path,
        on_event: Callable[[Started | Ended], None],
        on_lost: Callable[[], None],
    ) -> None:
        self._channel = Channel(connection, hear=self._hear, cut=self._on_cut)
        self._zygote = zygote
        self._its_log = its_log
        self._on_event = on_event
        self._on_lost = on_lost
        self._known: dict[str, Known] = {}
        self._starting: dict[str, asyncio.Future[Started]] = {}
        self._visiting = Visiting(self._say, self._started)
        self._protocol = PROTOCOL
        self._welcome: asyncio.Future[Welcome] | None = None
        self._closed = False

    @property
    def known(self) -> Mapping[str, Known]:
        """What the supervisor had when we came, by container id."""
        return self._known

    async def __aenter__(self) -> "Supervisor":
        """Greet the supervisor and learn what it has.

        Raises:
            SupervisorUnavailable: it does not answer, or speaks another protocol.
        """
        try:
            async with asyncio.timeout(_ANSWER_S):
                welcome = await self._greet()
            if welcome.protocol < _OLDEST_PROTOCOL:
                raise SupervisorUnavailable(
                    f"the supervisor speaks protocol {welcome.protocol}, not {PROTOCOL}",
                    hint="it belongs to another version: end it, and its containers with it",
                )
            self._protocol = min(welcome.protocol, PROTOCOL)
            if self._zygote is None:
                self._zygote = Zygote(welcome.pid, is_child=False)
        except TimeoutError as exc:
            await self._give_up()
            raise SupervisorUnavailable(
                f"the supervisor does not answer within {_ANSWER_S:.0f} s",
                hint=f"see {self._its_log}; if it hangs, kill it, and its containers with it",
            ) from exc
        except ProcessLookupError as exc:
            await self._give_up()
            raise self._gone() from exc
        except BaseException:
            await self._give_up()
            raise
        log.debug("supervisor.connected", pid=welcome.pid, containers=len(self._known))
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Leave; the containers go on, unless the supervisor was to end with us."""
        self._closed = True
        self._channel.close()
        self._fail_all()
        if self._zygote is not None:
            self._zygote.release()

    async def start(self, launch: Launch, payload: bytes, walls: Walls = NO_WALLS) -> Started:
        """Start a container; true afterwards: its process exists, or none of it does.

        Args:
            payload: for its runner.
            walls: what stands around it.

        Raises:
            StartRefused: the supervisor said no.
            SupervisorUnavailable: it died before it could tell; the record of the container says
                whether there was one.
        """
        if launch.id in self._starting:
            raise StartRefused("the container was not started: one of its id is being started")
        with _sealed(Sealed(walls, payload)) as descriptor:
            self._say(Start(launch), (descriptor,))
        return await self._started(launch.id)

    async def execute(
        self, wanted: Execute, payload: bytes, walls: Walls = NO_WALLS, *, stdin: bool = False
    ) -> ProcessSession:
        """Run one more process beside a container, which it does not outlive, nor its session.

        Args:
            walls: what stands around it; it goes into the name spaces of the container's process.
            stdin: whether anything will be typed; else there is nothing to read.

        Raises:
            StartRefused: the supervisor said no.
            SupervisorUnavailable: it died meanwhile, or is too old for this.
        """
        self._check_protocol()
        with _sealed(Sealed(walls, payload)) as descriptor:
            return await self._visiting.execute(wanted, descriptor, stdin=stdin)

    async def attach(self, container_id: str, *, stdin: bool) -> ProcessSession:
        """What a container prints from now on, and its input.

        Raises:
            NotRunning: it does not run.
            SupervisorUnavailable: the supervisor died meanwhile, or is too old for this.
        """
        self._check_protocol()
        async with _answered_in_time():
            return await self._visiting.attach(container_id, stdin=stdin)

    def stop(self, container_id: str, *, grace_s: float) -> None:
        """SIGTERM now, SIGKILL after `grace_s` seconds; the end is told as any other."""
        self._say(Stop(container_id, grace_s))

    def forget(self, container_id: str) -> None:
        """Say that this container's end has been noted for good."""
        self._known.pop(container_id, None)
        self._say(Forget(container_id))

    async def quit(self, *, within_s: float) -> None:
        """End the supervisor and every container.

        Raises:
            SupervisorUnavailable: it is gone already.
            TimeoutError: it has not ended within `within_s` seconds.
        """
        self._say(Quit())
        assert self._zygote is not None  # known since it welcomed us
        async with asyncio.timeout(within_s):
            await asyncio.shield(self._zygote.ended)

    async def _started(self, id_: str) -> Started:
        answer: asyncio.Future[Started] = asyncio.get_running_loop().create_future()
        self._starting[id_] = answer
        try:
            async with _answered_in_time():
                return await answer
        except SupervisorUnavailable:
            with contextlib.suppress(SupervisorUnavailable):
                self.stop(id_, grace_s=0)  # it may yet come to be, and nobody would know
            raise
        finally:
            del self._starting[id_]

    def _check_protocol(self) -> None:
        if self._protocol < _PROTOCOL_OF_VISITS:
            raise SupervisorUnavailable(
                "the container was started by an earlier version, which lets nobody in",
                hint="what is started from now on can be entered; delete the pod to have it anew",
            )

    def dismiss(self) -> None:
        """End a supervisor that keeps nothing, without waiting for it."""
        with contextlib.suppress(SupervisorUnavailable):
            self._say(Quit())
        self.close()

    # the socket -------------------------------------------------------------------------------

    async def _greet(self) -> Welcome:
        self._channel.open()
        self._say(Hello(PROTOCOL))
        self._welcome = asyncio.get_running_loop().create_future()
        return await self._welcome

    async def _give_up(self) -> None:
        """Leave a supervisor that did not welcome us; one that we started is of no use then."""
        if self._zygote is not None:
            self._zygote.kill()
            await asyncio.shield(self._zygote.ended)
        self.close()

    def _say(self, message: Message, descriptors: Sequence[int] = ()) -> None:
        try:
            self._channel.say(message, descriptors)
        except ConnectionError as exc:
            raise self._gone() from exc

    def _hear(self, message: AnyMessage, descriptors: list[int]) -> None:
        if self._visiting.hear(message, descriptors):
            return
        close_all(descriptors)  # there are none with the others
        match message:
            case Known():
                self._known[message.id] = message
            case Welcome() if self._welcome is not None and not self._welcome.done():
                self._welcome.set_result(message)
            case Started(id=id_):
                if not self._visiting.is_of(id_):
                    self._on_event(message)
                if (answer := self._starting.get(id_)) and not answer.done():
                    answer.set_result(message)
            case Refused(id=id_, why=why):
                if (answer := self._starting.get(id_)) and not answer.done():
                    answer.set_exception(StartRefused(f"the container was not started: {why}"))
            case Ended(id=id_, end=end):
                self._visiting.ended(id_, end.code)
                self._on_event(message)
            case _:
                log.warning("supervisor.unexpected", message=type(message).__name__)

    def _on_cut(self) -> None:
        """Nothing goes through any more. That is no use to anybody, so the supervisor has to go,
        in case it still lives; told as lost when it has, as its containers are lost only then."""
        if self._zygote is None:
            self._fail_all()
            return
        self._zygote.kill()
        self._zygote.ended.add_done_callback(lambda _: self._on_ended())

    def _on_ended(self) -> None:
        self._fail_all()
        if not self._closed:
            self._on_lost()

    def _fail_all(self) -> None:
        for answer in [*self._starting.values(), self._welcome]:
            if answer is not None and not answer.done():
                answer.set_exception(self._gone())
        self._visiting.lost(self._gone())

    def _gone(self) -> SupervisorUnavailable:
        return SupervisorUnavailable("the supervisor is gone", hint=f"see {self._its_log}")


async def connect(
    settings: SupervisorSettings,
    *,
    on_event: Callable[[Started | Ended], None],
    on_lost: Callable[[], None],
) -> Supervisor:
    """The supervisor of `settings`: the one that runs, or else a new one.

    Args:
        settings: where it is, and how it is started.
        on_event: called in the order of what happened; a start before its own end, always.
        on_lost: called when the supervisor is gone, and its containers with it.

    Raises:
        SupervisorUnavailable: none could be started.
        OSError: the directory cannot be used.
    """
    zygote: Zygote | None = None
    with only_one(settings.directory):
        connection = dial(settings)
        if connection is None:
            zygote = spawn(settings)
            connection = dial(settings)
    if connection is None:
        raise SupervisorUnavailable(
            "the supervisor ended as soon as it was started", hint=f"see {settings.log}"
        )
    return Supervisor(connection, zygote, its_log=settings.log, on_event=on_event, on_lost=on_lost)


def earlier(
    settings: SupervisorSettings,
    *,
    on_event: Callable[[Started | Ended], None],
    on_lost: Callable[[str], None],
) -> dict[str, Supervisor]:
    """The supervisors of other generations that still run, by generation; started by nobody.

    Args:
        on_lost: told the generation.

    Raises:
        OSError: the directory cannot be used.
    """
    found = {}
    with only_one(settings.directory):
        for generation in other_generations(settings):
            theirs = msgspec.structs.replace(settings, generation=generation)
            if (connection := dial(theirs)) is None:
                bury(theirs)
                continue
            found[generation] = Supervisor(
                connection,
                None,
                its_log=settings.log,
                on_event=on_event,
                on_lost=partial(on_lost, generation),
            )
    return found


@contextlib.asynccontextmanager
async def _answered_in_time() -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(_ANSWER_S):
            yield
    except TimeoutError as exc:
        raise SupervisorUnavailable(f"no answer within {_ANSWER_S:.0f} s") from exc


@contextlib.contextmanager
def _sealed(contents: Sealed) -> Iterator[int]:
    """`contents` in memory that has no name and never changes."""
    descriptor = os.memfd_create("launch", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        view = memoryview(encode_sealed(contents))
        while view:
            view = view[os.write(descriptor, view) :]
        _seal(descriptor)
        yield descriptor
    finally:
        os.close(descriptor)


def _seal(descriptor: int) -> None:
    seals = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SEAL
    fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, seals)
