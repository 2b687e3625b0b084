"""How connections from the cluster are secured, as the files say it now.

Owns the contexts of TLS. Files may be replaced at any time: they are looked at with each
connection, which costs microseconds, and read again when they are others.
"""

import os
import ssl
from asyncio.sslproto import SSLProtocol
from collections.abc import Sequence
from pathlib import Path
from typing import Final
from weakref import WeakKeyDictionary

import structlog

from krustlet.server.certificate import Serving
from krustlet.server.errors import CertificateUnusable

_PROTOCOL: Final = ["http/1.1"]  # upgrades need it, and clients may offer a later one first

log = structlog.get_logger(__name__)


class ServingTls:
    """Which certificate is shown, and which authorities' clients are believed."""

    def __init__(self, choices: Sequence[Serving], client_ca: Path | bytes) -> None:
        """Read all files.

        Args:
            choices: the first that is there and of use is shown; each may come at any time.
            client_ca: PEM, or a file of it; empty: clients are asked for no certificate.

        Raises:
            CertificateUnusable: one of them cannot be used.
        """
        self._choices = choices
        self._client_ca = client_ca
        self._believed: WeakKeyDictionary[ssl.SSLContext, frozenset[bytes]] = WeakKeyDictionary()
        self._has_dropped = False
        self._seen = self._stamp()
        self._current = self._read()
        self.context = self._current
        """The one to listen with; it hands each connection on to the newest."""
        self.context.sni_callback = self._hand_on

    def vouches_for(self, connection: ssl.SSLObject) -> bool:
        """Whether the client's certificate was verified against authorities that still count."""
        self._refresh()
        if connection.session_reused and self._has_dropped:
            return False  # nobody knows against which it was verified
        then = self._believed.get(connection.context, frozenset())
        return then <= self._believed[self._current]

    def _hand_on(self, connection: ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> None:
        self._refresh()
        connection.context = self._current

    def _refresh(self) -> None:
        if (seen := self._stamp()) == self._seen:
            return
        self._seen = seen
        try:
            new = self._read()
        except CertificateUnusable as exc:  # half written, perhaps: what there was is still good
            log.warning("server.tls_not_reloaded", error=exc.message)
            return
        if not self._believed[self._current] <= self._believed[new]:
            self._has_dropped = True
        self._current = new
        log.info("server.tls_reloaded")

    def _stamp(self) -> Sequence[tuple[int, int, int] | None]:
        files = [file for choice in self._choices for file in choice]
        if isinstance(self._client_ca, Path):
            files.append(self._client_ca)
        return [_stamp_of(file) for file in files]

    def _read(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_alpn_protocols(_PROTOCOL)
        # A session taken up again would bring along a certificate that was verified long ago.
        context.options |= ssl.OP_NO_TICKET
        context.num_tickets = 0
        self._show(context)
        self._believed[context] = self._believe(context)
        return context

    def _show(self, context: ssl.SSLContext) -> None:
        *preferred, last = self._choices
        for choice in preferred:
            try:
                context.load_cert_chain(choice.certificate, choice.key)
            except FileNotFoundError:
                continue  # yet to come
            except (OSError, ValueError) as exc:
                log.warning(
                    "server.certificate_skipped", file=str(choice.certificate), why=str(exc)
                )
            else:
                return
        try:
            context.load_cert_chain(last.certificate, last.key)
        except (OSError, ValueError) as exc:
            raise CertificateUnusable(
                f"the serving certificate {last.certificate} cannot be used: {exc}",
                hint=f"it and its key {last.key} must be PEM, belong together, and be readable",
            ) from exc

    def _believe(self, context: ssl.SSLContext) -> frozenset[bytes]:
        """Have `context` believe what the authorities signed; which these are."""
        try:
            pem = self._client_ca
            read = pem.read_bytes() if isinstance(pem, Path) else pem
            text = read.decode("ascii", errors="ignore")  # the rest is somebody's remark
            if not text.strip():
                return frozenset()
            context.load_verify_locations(cadata=text)
        except (OSError, ValueError) as exc:
            name = self._client_ca if isinstance(self._client_ca, Path) else "that was given"
            raise CertificateUnusable(
                f"the client authority {name} cannot be used: {exc}",
                hint="it must be certificates as PEM",
            ) from exc
        context.verify_mode = ssl.CERT_OPTIONAL
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # any of them is an anchor, as in Go
        return frozenset(context.get_ca_certs(binary_form=True))


class TlsProtocol(SSLProtocol):
    """TLS in front of a protocol that is told little and tells much: each connection of asyncio's
    own keeps a buffer for reading that is sixteen times as large."""

    max_size = 16 * 1024  # what a record of TLS holds


def _stamp_of(file: Path) -> tuple[int, int, int] | None:
    try:
        status = os.stat(file)
    except OSError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns
