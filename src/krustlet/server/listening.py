"""Sockets that listen: a port for the cluster, a path for this machine."""

import contextlib
import errno
import fcntl
import os
import socket
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from krustlet.server.address import short_address
from krustlet.server.errors import ListenFailed, LocalApiTaken

BACKLOG: Final = 512
_ALL: Final = ("0.0.0.0", "::")  # noqa: S104 - nothing is open to all; see `authentication.py`
_ALL_OF_BOTH: Final = "::"
_LOCK: Final = ".krustlet.sock.lock"


def listen_on_port(address: str, port: int) -> socket.socket:
    """A socket that listens there.

    Args:
        address: of this machine; `0.0.0.0` and `::` are all of them, of both families, as they
            are to a kubelet: Go takes the one for the other.
        port: 0 is one that is free.

    Raises:
        ListenFailed: it cannot be had.
    """
    is_all = address in _ALL and socket.has_dualstack_ipv6()
    host = _ALL_OF_BOTH if is_all else address
    try:
        family, _, _, _, where = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE | socket.AI_NUMERICHOST
        )[0]
        return socket.create_server(
            where[:2],
            family=family,
            backlog=BACKLOG,
            dualstack_ipv6=family == socket.AF_INET6 and socket.has_dualstack_ipv6(),
        )
    except (OSError, OverflowError) as exc:
        raise _not_heard(address, port, exc) from exc


def _not_heard(address: str, port: int, exc: Exception) -> ListenFailed:
    number = exc.errno if isinstance(exc, OSError) else None
    if number == errno.EADDRINUSE:
        return ListenFailed(
            f"port {port} of {address} is in use",
            hint="another kubelet may run here: choose another port with --port",
        )
    if number == errno.EACCES:
        return ListenFailed(
            f"port {port} of {address} may not be used",
            hint="ports below 1024 are root's: choose another one with --port",
        )
    if number == errno.EADDRNOTAVAIL or isinstance(exc, socket.gaierror):
        return ListenFailed(
            f"{address} is no address of this machine",
            hint="0.0.0.0 stands for all of them",
        )
    return ListenFailed(f"nobody can listen on port {port} of {address}: {exc}")


class LocalSocket:
    """A socket at a path, for this user and root alone; the path goes when it is closed."""

    def __init__(self, path: Path) -> None:
        """Listen there, in place of one that a killed node has left.

        Args:
            path: its directory exists.

        Raises:
            LocalApiTaken: a living one listens there.
            ListenFailed: something else has that name.
            OSError: the directory cannot be used.
        """
        self._path = path
        with _only_one(path.parent):
            _make_way(path)
            self.socket = _bound(path)
        self._inode = os.stat(path).st_ino

    def close(self) -> None:
        """Take the path away, unless it is another's by now."""
        with contextlib.suppress(FileNotFoundError):
            if os.stat(self._path).st_ino == self._inode:
                self._path.unlink()
        self.socket.close()


def peer_uid(connection: socket.socket) -> int:
    """The user of the process at the other end of a Unix socket, at the time it connected."""
    credentials = connection.getsockopt(
        socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i")
    )
    _, uid, _ = struct.unpack("3i", credentials)
    return int(uid)


@contextlib.contextmanager
def _only_one(directory: Path) -> Iterator[None]:
    """No other node is between looking for a living socket and having one of its own."""
    lock = os.open(directory / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)  # held for milliseconds
        yield
    finally:
        os.close(lock)


def _make_way(path: Path) -> None:
    if path.exists() and not path.is_socket():
        raise ListenFailed(f"{path} is in the way, and no socket", hint="move it elsewhere")
    with socket.socket(socket.AF_UNIX) as probe, short_address(path) as address:
        probe.setblocking(False)
        try:
            probe.connect(address)
        except FileNotFoundError:
            return
        except ConnectionRefusedError:
            path.unlink()  # its node was killed
            return
        except BlockingIOError:
            pass  # it lives, and has much to do
    raise LocalApiTaken(
        f"another node serves {path}",
        hint="each node needs a data directory of its own: --data-dir or KRUSTLET_DATA_DIR",
    )


def _bound(path: Path) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX)
    try:
        os.fchmod(listener.fileno(), 0o600)  # before it has a name, so that it never is another's
        with short_address(path) as address:
            listener.bind(address)
        listener.listen(BACKLOG)
    except BaseException:
        listener.close()
        raise
    return listener
