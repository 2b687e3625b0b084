"""What is done with keys and certificates, as values, so that another process may do it.

Owns the list of it, and what each comes to. Leaves the doing to `facts.py`, `wanted.py` and
`self_signing.py`, and the other process to `apart.py`.
"""

import contextlib
from typing import Protocol, TypeAlias, TypeVar

import msgspec

from krustlet.certificates.errors import CertificateUnreadable
from krustlet.certificates.facts import (
    NO_KEY,
    CertificateFacts,
    RequestFacts,
    facts_of,
    key_digest,
    request_facts,
)
from krustlet.certificates.self_signing import OwnPair, own_pair
from krustlet.certificates.wanted import Wanted, new_key, request_pem

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Craft(Protocol[T_co]):
    """Something to be done; one of `Known`."""

    def done(self) -> T_co:
        """Do it, here and now; loads `cryptography`."""
        ...


class Crafting(Protocol):
    """Has something done, here or elsewhere; it takes its time, so not on the event loop."""

    def __call__(self, craft: Craft[T], /) -> T: ...


def here(craft: Craft[T]) -> T:
    """Do it in this process, which stays eleven megabytes larger: for commands, which soon end."""
    return craft.done()


class Contents(msgspec.Struct, frozen=True):
    """What some PEM holds.

    Attributes:
        certificate: what the first one says; None if there is none.
        flaw: why there is none.
        key_digest: that of the private key; empty if there is none.
    """

    certificate: CertificateFacts | None
    flaw: str
    key_digest: str

    def facts(self, where: object) -> CertificateFacts:
        """What the certificate says.

        Args:
            where: the file or request that it is from, for the error to name.

        Raises:
            CertificateUnreadable: there is none.
        """
        if self.certificate is None:
            raise CertificateUnreadable(where, self.flaw)
        return self.certificate

    def pair(self, where: object) -> CertificateFacts:
        """What the certificate says; it fits the key beside it.

        Raises:
            CertificateUnreadable: one of the two is missing, or they do not fit.
        """
        facts = self.facts(where)
        if self.key(where) != facts.key_digest:
            raise CertificateUnreadable(where, "holds a key that does not fit its certificate")
        return facts

    def key(self, where: object) -> str:
        """The digest of the key.

        Raises:
            CertificateUnreadable: there is none.
        """
        if not self.key_digest:
            raise CertificateUnreadable(where, NO_KEY)
        return self.key_digest


class Draft(msgspec.Struct, frozen=True):
    """A request for a certificate, ready to be sent.

    Attributes:
        key: the private one that it is made with, as PEM.
        key_digest: of the public half, by which a key is told from others.
        pem: PKCS #10.
    """

    key: bytes
    key_digest: str
    pem: bytes

    def __repr__(self) -> str:
        return f"Draft({self.key_digest})"


class _Struct(msgspec.Struct, frozen=True, tag=True):
    """Says nothing of itself: there may be keys in it."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}(…)"


class ReadPem(_Struct, frozen=True):
    """See what certificate and what key are in there, all at once."""

    pem: bytes

    def done(self) -> Contents:
        certificate, flaw, digest = None, "", ""
        try:
            certificate = facts_of(self.pem)
        except CertificateUnreadable as exc:
            flaw = exc.why
        with contextlib.suppress(CertificateUnreadable):
            digest = key_digest(self.pem)
        return Contents(certificate, flaw, digest)


class ReadRequest(_Struct, frozen=True):
    """See what a PKCS #10 request asks for; None if it is none."""

    pem: bytes

    def done(self) -> RequestFacts | None:
        try:
            return request_facts(self.pem)
        except CertificateUnreadable:
            return None


class NewRequest(_Struct, frozen=True):
    """Make a request with the key that there is; with a new one, if that is none."""

    wanted: Wanted
    key: bytes | None

    def done(self) -> Draft:
        if self.key is not None:
            with contextlib.suppress(CertificateUnreadable):
                return self._with(self.key)
        return self._with(new_key())

    def _with(self, key: bytes) -> Draft:
        return Draft(key, key_digest(key), request_pem(self.wanted, key))


class NewOwnPair(_Struct, frozen=True):
    """Make a key, and a certificate that it signs itself.

    Attributes:
        hosts: names and addresses that it is for.
        life_s: how long it is good.
    """

    hosts: tuple[str, ...]
    life_s: float

    def done(self) -> OwnPair:
        return own_pair(self.hosts, life_s=self.life_s)


Known: TypeAlias = ReadPem | ReadRequest | NewRequest | NewOwnPair
"""All that another process can be asked for."""
