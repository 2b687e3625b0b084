"""The kubelet's end of the supervisor: find it or start it, ask it, hear of ends.

Owns the run directory's socket. Leaves all knowledge of containers to the supervisor, which
outlives this process, and of what a container is to whoever asks.
"""

import asyncio
import contextlib
import fcntl
import os
import socket
from collections.abc import Callable, Iterator, Mapping
from typing import Final

import structlog

from krustlet.process.errors import StartRefused, SupervisorUnavailable
from krustlet.process.messages import (
    PROTOCOL,
    AnyMessage,
    Ended,
    Forget,
    Hello,
    Known,
    Launch,
    Message,
    ProtocolError,
    Quit,
    Refused,
    Start,
    Started,
    Stop,
    Welcome,
    receive,
    send,
)
from krustlet.process.spawn import SupervisorSettings, Zygote, dial, spawn

_ANSWER_S: Final = 30.0

log = structlog.get_logger(__name__)


class Supervisor:
    """A connection to the supervisor. Made by `connect`; use as `async with`."""

    def __init__(
        self,
        connection: socket.socket,
        zygote: Zygote | None = None,
        *,
        on_event: Callable[[Started | Ended], None],
        on_lost: Callable[[], None],
    ) -> None:
        self._socket = connection
        self._zygote = zygote
        self._on_event = on_event
        self._on_lost = on_lost
        self._known: dict[str, Known] = {}
        self._starting: dict[str, asyncio.Future[Started]] = {}
        self._welcome: asyncio.Future[Welcome] | None = None
        self._outbox: list[tuple[Message, int | None]] = []
        self._lost = False

    @property
    def known(self) -> Mapping[str, Known]:
        """What the supervisor had when we came, by container id."""
        return self._known

    async def __aenter__(self) -> "Supervisor":
        """Greet the supervisor and learn what it has.

        Raises:
            SupervisorUnavailable: it does not answer, or speaks another protocol.
        """
        loop = asyncio.get_running_loop()
        self._socket.setblocking(False)
        self._welcome = loop.create_future()
        loop.add_reader(self._socket.fileno(), self._readable)
        self._send(Hello(PROTOCOL))
        try:
            async with asyncio.timeout(_ANSWER_S):
                welcome = await self._welcome
        except TimeoutError as exc:
            self.close()
            raise SupervisorUnavailable(
                f"the supervisor does not answer within {_ANSWER_S:.0f} s"
            ) from exc
        log.debug("supervisor.connected", pid=welcome.pid, containers=len(self._known))
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Leave; the containers go on, unless the supervisor was to end with us."""
        if not self._lost:
            self._lost = True
            self._forget_socket()
        if self._zygote is not None:
            self._zygote.release()

    async def start(self, launch: Launch, payload: bytes) -> Started:
        """Start a container; true afterwards: its process exists, or none of it does.

        Raises:
            StartRefused: the supervisor said no.
            SupervisorUnavailable: it died before it could tell.
        """
        answer: asyncio.Future[Started] = asyncio.get_running_loop().create_future()
        self._starting[launch.id] = answer
        try:
            with _sealed(payload) as descriptor:
                self._send(Start(launch), descriptor)
            async with asyncio.timeout(_ANSWER_S):
                return await answer
        except TimeoutError as exc:
            raise SupervisorUnavailable(f"no answer within {_ANSWER_S:.0f} s") from exc
        finally:
            del self._starting[launch.id]

    def stop(self, container_id: str, *, grace_s: float) -> None:
        """SIGTERM now, SIGKILL after `grace_s` seconds; the end is told as any other."""
        self._send(Stop(container_id, grace_s))

    def forget(self, container_id: str) -> None:
        """Say that this container's end has been noted for good."""
        self._known.pop(container_id, None)
        self._send(Forget(container_id))

    async def quit(self, *, within_s: float) -> None:
        """End the supervisor and every container.

        Raises:
            TimeoutError: it was started by us and has not ended within `within_s` seconds.
        """
        self._send(Quit())
        if self._zygote is not None:
            async with asyncio.timeout(within_s):
                await self._zygote.gone()

    # the socket -------------------------------------------------------------------------------

    def _send(self, message: Message, descriptor: int | None = None) -> None:
        if self._lost:
            raise SupervisorUnavailable("the supervisor is gone")
        if not self._outbox:
            try:
                send(self._socket, message, () if descriptor is None else (descriptor,))
                return
            except BlockingIOError:
                pass
            except OSError:
                self._on_gone()
                raise SupervisorUnavailable("the supervisor is gone") from None
        kept = None if descriptor is None else os.dup(descriptor)
        self._outbox.append((message, kept))
        asyncio.get_running_loop().add_writer(self._socket.fileno(), self._writable)

    def _writable(self) -> None:
        while self._outbox:
            message, descriptor = self._outbox[0]
            try:
                send(self._socket, message, () if descriptor is None else (descriptor,))
            except BlockingIOError:
                return
            except OSError:
                self._on_gone()
                return
            del self._outbox[0]
            if descriptor is not None:
                os.close(descriptor)
        asyncio.get_running_loop().remove_writer(self._socket.fileno())

    def _readable(self) -> None:
        while not self._lost:
            try:
                received = receive(self._socket)
            except BlockingIOError:
                return
            except (OSError, ProtocolError) as exc:
                log.warning("supervisor.connection_broken", error=str(exc))
                received = None
            if received is None:
                self._on_gone()
                return
            self._hear(received[0])

    def _hear(self, message: AnyMessage) -> None:
        match message:
            case Known():
                self._known[message.id] = message
            case Welcome() if self._welcome is not None and not self._welcome.done():
                self._welcome.set_result(message)
            case Started(id=container_id):
                self._on_event(message)
                if (answer := self._starting.get(container_id)) and not answer.done():
                    answer.set_result(message)
            case Refused(id=container_id, why=why):
                if (answer := self._starting.get(container_id)) and not answer.done():
                    answer.set_exception(StartRefused(f"the container was not started: {why}"))
            case Ended():
                self._on_event(message)
            case _:
                log.warning("supervisor.unexpected", message=type(message).__name__)

    def _on_gone(self) -> None:
        if self._lost:
            return
        self._lost = True
        self._forget_socket()
        gone = SupervisorUnavailable("the supervisor is gone")
        for answer in [*self._starting.values(), self._welcome]:
            if answer is not None and not answer.done():
                answer.set_exception(gone)
        self._on_lost()

    def _forget_socket(self) -> None:
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._socket.fileno())
        loop.remove_writer(self._socket.fileno())
        self._socket.close()
        for _, descriptor in self._outbox:
            if descriptor is not None:
                os.close(descriptor)
        self._outbox.clear()


async def connect(
    settings: SupervisorSettings,
    *,
    on_event: Callable[[Started | Ended], None],
    on_lost: Callable[[], None],
) -> Supervisor:
    """The supervisor of `settings.directory`: the one that runs, or else a new one.

    Args:
        settings: where it is, and how it is started.
        on_event: called in the order of what happened; a start before its own end, always.
        on_lost: called when the supervisor is gone, and its containers with it.

    Raises:
        SupervisorUnavailable: none could be started.
        OSError: the directory cannot be used.
    """
    connection = dial(settings.directory)
    zygote: Zygote | None = None
    if connection is None:
        zygote = spawn(settings)
        connection = dial(settings.directory)
        if connection is None:
            raise SupervisorUnavailable(
                "the supervisor ended as soon as it was started",
                hint=f"see {settings.log}",
            )
    return Supervisor(connection, zygote, on_event=on_event, on_lost=on_lost)


@contextlib.contextmanager
def _sealed(payload: bytes) -> Iterator[int]:
    """`payload` in memory that has no name and never changes."""
    descriptor = os.memfd_create("launch", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        view = memoryview(payload)
        while view:
            view = view[os.write(descriptor, view) :]
        _seal(descriptor)
        yield descriptor
    finally:
        os.close(descriptor)


def _seal(descriptor: int) -> None:
    seals = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SEAL
    fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, seals)
