"""A server that begins an answer over TLS, and then has no more words, not even of goodbye."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Iterator
from typing import Final

from tests.support.authority import Authority
from tests.support.processes import descriptors

HOST: Final = "127.0.0.1"
_HEAD: Final = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


class SilentPeer:
    """As `with SilentPeer.listening(…) as peer`; hears one client.

    Attributes:
        address: host and port.
    """

    def __init__(self, listening: socket.socket, tls: ssl.SSLContext, begins: bytes) -> None:
        """Keep what it is given."""
        self.address = f"{HOST}:{listening.getsockname()[1]}"
        self._listening = listening
        self._tls = tls
        self._begins = begins
        self._connection: socket.socket | None = None
        self._before = descriptors().keys()

    @classmethod
    @contextlib.contextmanager
    def listening(cls, authority: Authority, begins: bytes = b"{") -> "Iterator[SilentPeer]":
        """One whose certificate is `authority`'s, and whose answers begin so."""
        tls = authority.issue("silent", hosts=[HOST]).server_context()
        with socket.create_server((HOST, 0)) as listening:
            peer = cls(listening, tls, begins)
            try:
                yield peer
            finally:
                if peer._connection is not None:
                    peer._connection.close()

    async def begin(self) -> None:
        """A client has come, and the beginning of its answer is on its way."""
        await asyncio.to_thread(self._begin)

    def clients(self) -> int:
        """How many sockets this process has, but for the peer's own, since it began to listen."""
        assert self._connection is not None, "nobody has come yet"
        sockets = {number for number, link in descriptors().items() if link.startswith("socket:")}
        return len(sockets - self._before - {self._connection.fileno()})

    def _begin(self) -> None:
        self._listening.settimeout(20)
        spoken, _ = self._listening.accept()
        spoken.settimeout(20)
        self._connection = self._tls.wrap_socket(spoken, server_side=True)
        self._connection.recv(65536)
        self._connection.sendall(_HEAD + b"%x\r\n%b\r\n" % (len(self._begins), self._begins))
