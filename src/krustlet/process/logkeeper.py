"""Keep a log pump alive, and hand it what containers print, and who wants a copy of it.

Owns the pump's process. The pump holds no state worth keeping: whoever takes its place is handed
every pipe that has not ended. Copies end with the pump that made them.
"""

import os
import select
import selectors
import signal
import socket
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Final, NoReturn

from krustlet.process import child, logpump
from krustlet.process.containers import Container
from krustlet.process.messages import (
    Drained,
    ProtocolError,
    Pump,
    Tee,
    close_all,
    receive,
    send,
)
from krustlet.process.notes import note

_NAME: Final = "krustlet-logpump"
_PAUSE_S: Final = 0.1  # a pump that cannot live must not keep us from all else
_LAST_WORDS_S: Final = 2.0
_MOST_WANTED_COPIES: Final = 100  # while the pump hangs; each holds descriptors
_NEVER: Final = float("inf")


class _WantedCopy:
    """Who waits for the pump to be told of him."""

    def __init__(self, container_id: str) -> None:
        self.message = Tee(container_id)
        self.descriptors: list[int] = []


class LogKeeper:
    """The supervisor's side of the log pump. Never waits for it."""

    def __init__(
        self, selector: selectors.BaseSelector, *, on_drained: Callable[[str], None]
    ) -> None:
        self._selector = selector
        self._on_drained = on_drained
        self._channel: socket.socket | None = None
        self._waiting: deque[Container | _WantedCopy] = deque()
        self._started_at = 0.0
        self.pid = 0
        self.due_at = _NEVER
        """When `start` is to be called, in monotonic seconds."""

    def start(self, containers: Iterable[Container]) -> None:
        """Start a pump and hand it all of `containers`; where that fails, it is due again soon."""
        self._started_at = time.monotonic()
        self.due_at = _NEVER
        try:
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        except OSError as exc:
            self._put_off(exc)
            return
        with theirs:
            try:
                self.pid = os.fork()
            except OSError as exc:
                ours.close()
                self._put_off(exc)
                return
            if self.pid == 0:
                _become_pump(theirs)
        ours.setblocking(False)
        self._channel = ours
        self._selector.register(ours, selectors.EVENT_READ, self._serve)
        self._waiting = deque([*containers, *self._wanted_copies()])
        self._hand_over()

    def take(self, container: Container) -> None:
        """Have the container's output carried into its log."""
        self._waiting.append(container)
        self._hand_over()

    def tee(self, container_id: str, descriptors: Sequence[int]) -> None:
        """Have the container's output copied from now on.

        Where there is nothing to copy, or no pump that could, the copies end without a word.

        Args:
            container_id: taken before.
            descriptors: pipes or sockets for stdout and stderr, of a terminal only the first is
                used. They stay the caller's, who closes them.
        """
        if len(self._wanted_copies()) >= _MOST_WANTED_COPIES:
            note(f"the log pump hangs, so that nobody can be attached to {container_id}")
            return
        wanted = _WantedCopy(container_id)
        try:
            for descriptor in descriptors:
                wanted.descriptors.append(os.dup(descriptor))
        except OSError as exc:
            close_all(wanted.descriptors)
            note(f"nobody can be attached to {container_id}: {exc}")
            return
        self._waiting.append(wanted)
        self._hand_over()

    def died(self) -> None:
        """Note that the process `pid` has ended; another is due."""
        note("the log pump died; starting another")
        self._close_channel()
        self.pid = 0
        self.due_at = self._started_at + _PAUSE_S

    def close(self) -> None:
        """End the pump, once it has written what it holds. All pipes have ended."""
        self._close_channel()
        for wanted in self._wanted_copies():
            close_all(wanted.descriptors)
        self._waiting.clear()
        if not self.pid:
            return
        ended = os.pidfd_open(self.pid)
        try:
            if not select.select([ended], [], [], _LAST_WORDS_S)[0]:
                os.kill(self.pid, signal.SIGKILL)
        finally:
            os.close(ended)
        os.waitpid(self.pid, 0)

    def _serve(self, events: int) -> None:
        if self._channel is None:
            return  # closed since the selector saw it
        if events & selectors.EVENT_WRITE:
            self._hand_over()
        if events & selectors.EVENT_READ:
            self._hear(self._channel)

    def _hand_over(self) -> None:
        while self._channel is not None and self._waiting:
            try:
                self._hand_over_one(self._channel, self._waiting[0])
            except BlockingIOError:
                break
            except OSError:
                return  # it died; the signal that says so is on its way
            self._waiting.popleft()
        self._watch()

    def _hand_over_one(self, pump: socket.socket, wanted: Container | _WantedCopy) -> None:
        if isinstance(wanted, _WantedCopy):
            send(pump, wanted.message, wanted.descriptors)
            close_all(wanted.descriptors)
        elif wanted.streams and not wanted.drained:
            launch = wanted.launch
            message = Pump(
                wanted.id,
                launch.log,
                max_bytes=launch.log_max_bytes,
                max_files=launch.log_max_files,
            )
            send(pump, message, wanted.streams)

    def _wanted_copies(self) -> list[_WantedCopy]:
        return [each for each in self._waiting if isinstance(each, _WantedCopy)]

    def _watch(self) -> None:
        if self._channel is None:
            return
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if self._waiting else 0)
        if self._selector.get_key(self._channel).events != events:
            self._selector.modify(self._channel, events, self._serve)

    def _hear(self, channel: socket.socket) -> None:
        try:
            received = receive(channel)
        except BlockingIOError:
            return
        except (OSError, ProtocolError) as exc:
            note(f"the log pump cannot be understood: {exc}")
            os.kill(self.pid, signal.SIGKILL)
            received = None
        if received is None:
            self._close_channel()  # it died, and the signal that says so is on its way
        elif isinstance(received[0], Drained):
            self._on_drained(received[0].id)

    def _close_channel(self) -> None:
        if self._channel is not None:
            self._selector.unregister(self._channel)
            self._channel.close()
            self._channel = None

    def _put_off(self, why: OSError) -> None:
        note(f"no log pump can be started: {why}")
        self.due_at = self._started_at + _PAUSE_S


def _become_pump(supervisor: socket.socket) -> NoReturn:
    try:
        channel = child.become_helper(_NAME, keep=supervisor.fileno())
        logpump.main(socket.socket(fileno=channel))
    except BaseException as exc:  # noqa: BLE001 - the wall: nothing of the supervisor may go on in here
        note(f"the log pump dies: {exc!r}")
    finally:
        os._exit(1)
