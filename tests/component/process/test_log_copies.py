"""Who is attached to a container gets what it prints as it is, and holds nobody up."""

import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from krustlet.process.logfile import parse_entry
from krustlet.process.logpump import LogPump
from krustlet.process.messages import Drained, Pump, Tee, receive, send
from tests.support.processes import descriptors
from tests.support.until import until

LIMIT_S = 20.0
MEGABYTE = 1 << 20
STEP_BYTES = 32 * 1024


class Pumped:
    """A pump in a thread, and our end of it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._ours, self._theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._ours.settimeout(LIMIT_S)
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        with self._theirs:
            pump = LogPump(self._theirs)
            pump.run()
            pump.close()

    def leave(self) -> None:
        """As a supervisor that dies."""
        self._ours.close()

    def is_over(self) -> bool:
        self._thread.join(LIMIT_S)
        return not self._thread.is_alive()

    def container(self, id_: str = "a") -> tuple[int, int]:
        """The write ends of a new container's stdout and stderr."""
        pipes = os.pipe(), os.pipe()
        self._send(Pump(id_, str(self.log(id_))), [read for read, _ in pipes])
        return pipes[0][1], pipes[1][1]

    def terminal(self, id_: str = "a") -> int:
        """A new container's side of its terminal."""
        ours, theirs = os.openpty()
        self._send(Pump(id_, str(self.log(id_))), [ours])
        return theirs

    def attach(self, id_: str = "a") -> tuple[int, int]:
        """Where to read copies of stdout and stderr, of what is printed from now on."""
        pipes = os.pipe(), os.pipe()
        self._send(Tee(id_), [write for _, write in pipes])
        return pipes[0][0], pipes[1][0]

    def until_drained(self, id_: str = "a") -> None:
        received = receive(self._ours)
        assert received is not None
        assert received[0] == Drained(id_)

    def log(self, id_: str = "a") -> Path:
        return self.directory / f"{id_}.log"

    def printed(self, id_: str = "a", stream: str = "stdout") -> bytes:
        if not self.log(id_).exists():
            return b""
        lines = self.log(id_).read_bytes().split(b"\n")[:-1]
        return b"".join(e.text for e in map(parse_entry, lines) if e.stream == stream)

    def _send(self, message: Pump | Tee, sent: list[int]) -> None:
        send(self._ours, message, sent)
        for descriptor in sent:
            os.close(descriptor)


@pytest.fixture
def pumped(tmp_path: Path) -> Iterator[Pumped]:
    """A pump, which must leave no descriptor open."""
    before = descriptors()
    pumped = Pumped(tmp_path)
    yield pumped
    pumped.leave()
    assert pumped.is_over()
    assert descriptors() == before


def read_all(descriptor: int) -> bytes:
    """What comes until the end."""
    with open(descriptor, "rb") as file:
        return file.read()


def read_exactly(descriptor: int, size: int) -> bytes:
    found = b""
    while len(found) < size and (chunk := os.read(descriptor, size - len(found))):
        found += chunk
    return found


def write_all(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]


def close(*descriptors_: int) -> None:
    for descriptor in descriptors_:
        os.close(descriptor)


def print_in_steps(pumped: Pumped, stream: int, *texts: bytes) -> None:
    """Each text is in the log before the next is printed."""
    for text in texts:
        os.write(stream, text + b"\n")
        until(lambda text=text: text in pumped.printed(), within_s=LIMIT_S)  # type: ignore[misc]  # mypy cannot infer a default of a lambda


def test_each_stream_is_copied_as_it_is_until_it_ends(pumped: Pumped) -> None:
    out, err = pumped.container()
    copy_out, copy_err = pumped.attach()
    os.write(out, b"a\r\n\0no end")
    os.write(err, b"e\n")
    close(out)
    assert read_all(copy_out) == b"a\r\n\0no end"  # while the other stream goes on
    close(err)
    assert read_all(copy_err) == b"e\n"
    pumped.until_drained()
    assert pumped.printed() == b"a\r\n\0no end"


def test_what_was_printed_before_is_not_copied(pumped: Pumped) -> None:
    out, err = pumped.container()
    print_in_steps(pumped, out, b"before")
    copy_out, copy_err = pumped.attach()
    os.write(out, b"after\n")
    close(out, err)
    assert (read_all(copy_out), read_all(copy_err)) == (b"after\n", b"")


def test_several_may_be_attached_and_come_and_go(pumped: Pumped) -> None:
    out, err = pumped.container()
    first = pumped.attach()
    print_in_steps(pumped, out, b"one")
    second = pumped.attach()
    print_in_steps(pumped, out, b"two")
    assert os.read(first[0], 100) == b"one\ntwo\n"
    close(*first)
    print_in_steps(pumped, out, b"three")
    close(out, err)
    assert [read_all(each) for each in second] == [b"two\nthree\n", b""]
    pumped.until_drained()
    assert pumped.printed() == b"one\ntwo\nthree\n"


def test_who_leaves_is_forgotten_though_nothing_is_printed(pumped: Pumped) -> None:
    out, err = pumped.container()
    print_in_steps(pumped, out, b"it is being pumped")
    before = len(descriptors())
    close(*pumped.attach())
    until(lambda: len(descriptors()) == before, within_s=LIMIT_S)
    close(out, err)
    pumped.until_drained()


def test_one_stream_may_be_enough(pumped: Pumped) -> None:
    out, err = pumped.container()
    copy_out, copy_err = pumped.attach()
    close(copy_err)
    write_all(err, b"e" * MEGABYTE)
    os.write(out, b"o\n")
    close(out, err)
    assert read_all(copy_out) == b"o\n"


def test_a_slow_reader_gets_all_of_what_comes_at_once(pumped: Pumped) -> None:
    """Also after the container has ended, which nobody waits for."""
    out, err = pumped.container()
    copy_out, copy_err = pumped.attach()
    write_all(out, b"x" * (3 * MEGABYTE))
    close(out, err)
    pumped.until_drained()
    assert read_all(copy_out) == b"x" * (3 * MEGABYTE)
    close(copy_err)


def test_who_does_not_read_is_cut_off_and_nobody_else(
    pumped: Pumped, capfd: pytest.CaptureFixture[str]
) -> None:
    out, err = pumped.container()
    lazy, eager = pumped.attach(), pumped.attach()
    for _ in range(8 * MEGABYTE // STEP_BYTES):
        write_all(out, b"x" * STEP_BYTES)
        assert read_exactly(eager[0], STEP_BYTES) == b"x" * STEP_BYTES
    close(out, err)
    pumped.until_drained()
    assert len(read_all(lazy[0])) < MEGABYTE  # what the pipe holds
    assert pumped.printed() == b"x" * (8 * MEGABYTE)
    assert capfd.readouterr().err.count("cut off") == 1
    assert read_all(eager[0]) == b""
    close(lazy[1], eager[1])


def test_who_comes_too_late_sees_the_end(pumped: Pumped) -> None:
    out, err = pumped.container()
    close(out, err)
    pumped.until_drained()
    assert [read_all(each) for each in pumped.attach()] == [b"", b""]


def test_of_a_stream_that_has_ended_there_is_no_copy(pumped: Pumped) -> None:
    out, err = pumped.container()
    first = pumped.attach()
    close(out)
    assert read_all(first[0]) == b""
    second = pumped.attach()
    assert read_all(second[0]) == b""
    os.write(err, b"e\n")
    close(err)
    assert [read_all(each) for each in (first[1], second[1])] == [b"e\n", b"e\n"]


def test_a_socket_will_do(pumped: Pumped) -> None:
    out, err = pumped.container()
    ours, theirs = socket.socketpair()
    with ours:
        pumped._send(Tee("a"), [theirs.detach()])
        os.write(out, b"o\n")
        close(out, err)
        assert ours.makefile("rb").read() == b"o\n"


def test_where_nothing_can_be_waited_for_there_is_no_copy(
    pumped: Pumped, capfd: pytest.CaptureFixture[str]
) -> None:
    out, err = pumped.container()
    pumped._send(Tee("a"), [os.open("/dev/null", os.O_WRONLY)])
    os.write(out, b"o\n")
    close(out, err)
    pumped.until_drained()
    assert pumped.printed() == b"o\n"
    assert "cannot be copied" in capfd.readouterr().err


def test_a_terminal_is_one_stream_and_its_end_is_the_end(pumped: Pumped) -> None:
    terminal = pumped.terminal()
    copy_out, copy_err = pumped.attach()
    os.write(terminal, b"a\nb")
    os.write(terminal, b"c\nd")
    assert read_all(copy_err) == b""  # there is none of it
    close(terminal)
    assert read_all(copy_out) == b"a\r\nbc\r\nd"
    pumped.until_drained()
    assert pumped.printed() == b"a\nbc\nd"


def test_without_a_supervisor_nobody_is_waited_for(pumped: Pumped) -> None:
    out, err = pumped.container()
    copies = pumped.attach()
    write_all(out, b"x" * MEGABYTE)
    close(out, err)
    pumped.leave()
    assert pumped.is_over()
    close(*copies)


def test_nothing_is_missed_of_what_is_printed_after_who_came(pumped: Pumped) -> None:
    """However much others print, and whatever the pump is about."""
    others = [pumped.container(f"other{number}") for number in range(4)]
    over = threading.Event()

    def chat(stream: int) -> None:
        while not over.is_set():
            os.write(stream, b"x" * 99 + b"\n")

    chatting = [threading.Thread(target=chat, args=(out,)) for out, _ in others]
    for thread in chatting:
        thread.start()
    out, err = pumped.container()
    for number in range(50):
        copy_out, copy_err = pumped.attach()
        os.write(out, b"%02d\n" % number)
        assert read_exactly(copy_out, 3) == b"%02d\n" % number
        close(copy_out, copy_err)
    over.set()
    for thread in chatting:
        thread.join(LIMIT_S)
    close(out, err, *(end for ends in others for end in ends))
