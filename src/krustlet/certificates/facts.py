"""What certificates, requests and keys say, read from PEM.

Owns reading. Leaves what they should say to `wanted.py`.
"""

import hashlib
import ipaddress
import re
import warnings
from typing import TYPE_CHECKING, Final

import msgspec

from krustlet.base import Instant
from krustlet.certificates.errors import CertificateUnreadable

if TYPE_CHECKING:  # megabytes, for what a node reads once a day
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes

# Extended key usages, as Kubernetes calls them.
CLIENT_AUTH: Final = "client auth"
SERVER_AUTH: Final = "server auth"
ANY: Final = "any"

NO_KEY: Final = "holds no private key"

_BLOCK: Final = re.compile(
    rb"-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----"
)

_USAGES: Final = {
    "2.5.29.37.0": ANY,
    "1.3.6.1.5.5.7.3.1": SERVER_AUTH,
    "1.3.6.1.5.5.7.3.2": CLIENT_AUTH,
}


class RequestFacts(msgspec.Struct, frozen=True, kw_only=True):
    """For whom a certificate is, or is to be.

    Attributes:
        dns, ips: the names and addresses it is for, canonical and in order.
        other_names: what else it is for: mail addresses, URIs and the like.
        key_digest: SHA-256 of the SubjectPublicKeyInfo, in hexadecimal digits.
    """

    common_name: str
    organizations: tuple[str, ...]
    dns: tuple[str, ...] = ()
    ips: tuple[str, ...] = ()
    other_names: tuple[str, ...] = ()
    key_digest: str


class CertificateFacts(RequestFacts, frozen=True, kw_only=True):
    """The same, and when and for what it is good.

    Attributes:
        purposes: extended key usages, in the words of Kubernetes, or as a dotted number; none at
            all means that it is good for everything.
    """

    not_before: Instant
    not_after: Instant
    purposes: tuple[str, ...] = ()

    def is_good_for(self, purpose: str) -> bool:
        return not self.purposes or purpose in self.purposes or ANY in self.purposes

    def is_good_at(self, moment: Instant) -> bool:
        return self.not_before <= moment < self.not_after


def chain_in(pem: bytes) -> bytes:
    """The certificates in `pem` alone: there may be remarks around them, which readers trip over.

    Source: k8s.io/api certificates/v1 types.go, `CertificateSigningRequestStatus.Certificate`.
    """
    return b"".join(block + b"\n" for block in _BLOCK.findall(pem))


def facts_of(pem: bytes, *, where: object = "certificate") -> CertificateFacts:
    """What the first certificate in `pem` says; those after it vouch for it.

    Args:
        pem: may hold a key and other things besides.
        where: the file or request that it is from, for the error to name.

    Raises:
        CertificateUnreadable: there is none, or it is damaged.
    """
    from cryptography import x509

    tolerate_long_names()
    try:
        certificate = x509.load_pem_x509_certificates(pem)[0]
        return CertificateFacts(
            common_name=_common_name(certificate.subject),
            organizations=_organizations(certificate.subject),
            **_alternatives(certificate.extensions),
            key_digest=_digest(certificate.public_key()),
            not_before=Instant(certificate.not_valid_before_utc.timestamp()),
            not_after=Instant(certificate.not_valid_after_utc.timestamp()),
            purposes=_purposes(certificate.extensions),
        )
    except _unreadable() as exc:
        raise CertificateUnreadable(where, f"holds no certificate ({_in_words(exc)})") from exc


def request_facts(pem: bytes, *, where: object = "request") -> RequestFacts:
    """What a PKCS #10 request says; the API server takes none whose signature is wrong.

    Raises:
        CertificateUnreadable: it is none.
    """
    from cryptography import x509

    tolerate_long_names()
    try:
        request = x509.load_pem_x509_csr(pem)
        return RequestFacts(
            common_name=_common_name(request.subject),
            organizations=_organizations(request.subject),
            **_alternatives(request.extensions),
            key_digest=_digest(request.public_key()),
        )
    except _unreadable() as exc:
        raise CertificateUnreadable(where, f"is no request ({_in_words(exc)})") from exc


def key_digest(pem: bytes, *, where: object = "key") -> str:
    """The digest of the public half of the private key in `pem`, as certificates tell it.

    Raises:
        CertificateUnreadable: there is no key.
    """
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        return _digest(load_pem_private_key(pem, password=None).public_key())
    except _unreadable() as exc:
        # Not the reason: nobody knows what of the key it might quote.
        raise CertificateUnreadable(where, NO_KEY) from exc


def canonical_ip(text: str) -> str | None:
    """An address in its one usual form; None if it is none."""
    try:
        ip = ipaddress.ip_address(text.partition("%")[0])  # a certificate knows no interfaces
    except ValueError:
        return None
    mapped = ip.ipv4_mapped if isinstance(ip, ipaddress.IPv6Address) else None
    return str(mapped or ip)  # Go makes no difference either


def tolerate_long_names() -> None:
    """X.509 has room for 64 characters, nodes may be called longer, and Go never minded."""
    warnings.filterwarnings("ignore", message="Attribute's length must be", category=UserWarning)


def _unreadable() -> tuple[type[Exception], ...]:
    from cryptography import x509
    from cryptography.exceptions import UnsupportedAlgorithm

    return (
        ValueError,
        TypeError,  # a key with a passphrase
        UnsupportedAlgorithm,
        x509.DuplicateExtension,
        x509.UnsupportedGeneralNameType,
        x509.InvalidVersion,
    )


def _common_name(subject: "x509.Name") -> str:
    from cryptography.x509.oid import NameOID

    names = subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(names[-1].value) if names else ""  # as Go reads it: the last one counts


def _organizations(subject: "x509.Name") -> tuple[str, ...]:
    from cryptography.x509.oid import NameOID

    found = subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
    return tuple(str(one.value) for one in found)


def _alternatives(extensions: "x509.Extensions") -> dict[str, tuple[str, ...]]:
    from cryptography import x509

    try:
        found = extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return {}
    dns = {name.lower() for name in found.get_values_for_type(x509.DNSName)}
    ips = {str(ip) for ip in found.get_values_for_type(x509.IPAddress)}
    others = [str(one.value) for one in found if not isinstance(one, x509.DNSName | x509.IPAddress)]
    return {
        "dns": tuple(sorted(dns)),
        "ips": tuple(sorted(ips)),
        "other_names": tuple(others),
    }


def _purposes(extensions: "x509.Extensions") -> tuple[str, ...]:
    from cryptography import x509

    try:
        found = extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return ()
    return tuple(_USAGES.get(one.dotted_string, one.dotted_string) for one in found)


def _digest(key: "PublicKeyTypes") -> str:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    told = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(told).hexdigest()


def _in_words(error: Exception) -> str:
    return " ".join(str(error).split())[:120] or type(error).__name__
