"""Keep a node's keys and certificates on disk.

Owns `kubelet-{client,server}-*` in `<data>/pki`. Leaves getting certificates to `signing.py`, and
when to get new ones to `rotation.py`.
"""

import os
import stat
from pathlib import Path
from typing import Final

import msgspec
import structlog

from krustlet.base import Clock, Instant, SystemClock, make_private_directory, write_atomically
from krustlet.certificates.crafts import Crafting, Draft, NewRequest, ReadPem, here
from krustlet.certificates.errors import (
    CertificatesError,
    CertificateUnreadable,
    KeyExposed,
    StoreUnreadable,
    StoreUnwritable,
)
from krustlet.certificates.facts import NO_KEY, CertificateFacts
from krustlet.certificates.wanted import Purpose, Wanted

# The kubelet's own names, and its one file for both.
# Source: client-go util/certificate/certificate_store.go.
_CURRENT: Final = "kubelet-{}-current.pem"
_PENDING: Final = "kubelet-{}-pending.key"
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO
_SIZE_MAX: Final = 1 << 20

log = structlog.get_logger(__name__)


class Held(msgspec.Struct, frozen=True):
    """A certificate that is on disk, and fits the key beside it.

    Attributes:
        path: holds the certificate, those that vouch for it, and the key.
        since: when it was obtained; it may count from some time before.
    """

    path: Path
    facts: CertificateFacts
    since: Instant


class Store:
    """One node's keys and certificates.

    All of it reads or writes files: not for the event loop, if anybody waits for that.
    """

    def __init__(
        self, directory: Path, *, clock: Clock | None = None, crafting: Crafting = here
    ) -> None:
        """Keep what it is given.

        Args:
            crafting: how keys and certificates are read and made, by whoever uses the store.
        """
        self._directory = directory
        self._clock = clock or SystemClock()
        self.crafting = crafting

    def path(self, purpose: Purpose) -> Path:
        """Where the certificate and its key are, or will be."""
        return self._directory / _CURRENT.format(purpose)

    def held(self, purpose: Purpose) -> Held | None:
        """The certificate that is kept; None if there is none, or none of use.

        Raises:
            KeyExposed: others can read the key.
            StoreUnreadable: it is there, but cannot be read.
        """
        path = self.path(purpose)
        if (found := _read(path)) is None:
            return None
        content, obtained_at = found
        try:
            facts = self.crafting(ReadPem(content)).pair(path)
        except CertificateUnreadable as exc:
            log.warning(
                "certificate.unusable",
                purpose=purpose,
                reason=exc.message,
                hint="the node asks for a new one",
            )
            return None
        return Held(path, facts, self._clamped(obtained_at, facts))

    def keep(self, purpose: Purpose, certificate_pem: bytes, key_pem: bytes) -> Held:
        """The certificate is on disk, in place of the last one, and survives a power cut.

        Raises:
            CertificateUnreadable: it is none.
            StoreUnwritable: it cannot be kept; what was there stays.
        """
        path = self.path(purpose)
        content = whole(certificate_pem, key_pem)
        facts = self.crafting(ReadPem(content)).facts("certificate to be kept")
        self._write(path, content)
        return Held(path, facts, self._clamped(self._clock.now(), facts))

    def draft(self, wanted: Wanted) -> Draft:
        """The request under way, made with the same key until it is dropped, or used.

        So a request that was sent before a restart is known again as the node's own.

        Raises:
            StoreUnreadable: there is a key, but it cannot be read.
            StoreUnwritable: a new one cannot be kept.
        """
        path = self._pending(wanted.purpose)
        found = self._pending_key(wanted.purpose)
        draft = self.crafting(NewRequest(wanted, found))
        if draft.key != found:
            if found is not None:
                _tell_replaced(wanted.purpose, CertificateUnreadable(path, NO_KEY))
            self._write(path, draft.key)
        return draft

    def _pending_key(self, purpose: Purpose) -> bytes | None:
        try:
            found = _read(self._pending(purpose))
        except KeyExposed as exc:
            _tell_replaced(purpose, exc)
            return None
        return None if found is None or self._is_used_up(purpose, found[0]) else found[0]

    def drop_pending(self, purpose: Purpose) -> None:
        """The next request is made with a new key.

        Raises:
            StoreUnwritable: the key cannot be removed.
        """
        path = self._pending(purpose)
        try:
            path.unlink(missing_ok=True)
        except OSError as exc:
            raise StoreUnwritable(path, exc.strerror or str(exc)) from exc

    def _pending(self, purpose: Purpose) -> Path:
        return self._directory / _PENDING.format(purpose)

    def _is_used_up(self, purpose: Purpose, key: bytes) -> bool:
        """Whether the current certificate is of that key: it was kept, and then we were killed."""
        try:
            current = _read(self.path(purpose))
        except (KeyExposed, StoreUnreadable):
            return False  # `held` tells
        return current is not None and key.strip() in current[0]

    def _write(self, path: Path, content: bytes) -> None:
        try:
            make_private_directory(self._directory).chmod(0o700)
            write_atomically(path, content, durable=True)
            now = self._clock.now()  # the time that deadlines are counted in
            os.utime(path, (now, now))
        except OSError as exc:
            raise StoreUnwritable(path, exc.strerror or str(exc)) from exc

    def _clamped(self, moment: Instant, facts: CertificateFacts) -> Instant:
        """It cannot have been obtained before it was signed, nor after now: files may be copied."""
        return max(facts.not_before, min(moment, self._clock.now()))


def whole(certificate_pem: bytes, key_pem: bytes) -> bytes:
    """What the file of a certificate and its key holds."""
    return certificate_pem.rstrip() + b"\n" + key_pem


def _tell_replaced(purpose: Purpose, why: CertificatesError) -> None:
    """Nobody relies on the key yet, so another one will do."""
    log.warning("certificate.key_replaced", purpose=purpose, reason=why.message)


def _read(path: Path) -> tuple[bytes, Instant] | None:
    """What is in the file, and since when; None if there is none.

    Raises:
        KeyExposed: it holds a key, and others can read it.
        StoreUnreadable: it cannot be read.
    """
    try:
        with open(path, "rb", opener=_open_at_once) as file:
            about = os.fstat(file.fileno())
            if not stat.S_ISREG(about.st_mode):
                raise StoreUnreadable(path, "it is no file")
            _refuse_exposed(path, about)
            return file.read(_SIZE_MAX), Instant(about.st_mtime)
    except FileNotFoundError:
        return None
    except OSError as exc:
        raise StoreUnreadable(path, exc.strerror or str(exc)) from exc


def _open_at_once(path: str, flags: int) -> int:
    """A descriptor; where a pipe lies about, without waiting for somebody to write into it."""
    return os.open(path, flags | os.O_NONBLOCK)


def _refuse_exposed(path: Path, about: os.stat_result) -> None:
    if about.st_uid != os.geteuid():
        whose = f"belongs to another user, number {about.st_uid}"
        raise KeyExposed(path, whose, mend=f"chown {os.geteuid()} {path}")
    if about.st_mode & _OTHERS:
        how = f"can be read or changed by others (mode {stat.S_IMODE(about.st_mode):04o})"
        raise KeyExposed(path, how, mend=f"chmod 600 {path}")
