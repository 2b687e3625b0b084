"""A certificate authority of a test's own, and what it signs.

Keys are on the curve P-256, as they are made in no time.
"""

import base64
import ipaddress
import ssl
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_VALID: Final = timedelta(days=7)
_CLOCKS_DIFFER_BY: Final = timedelta(hours=2)  # tests set clocks back, too


class Identity(msgspec.Struct, frozen=True):
    """A certificate and its key, as PEM files."""

    certificate: Path
    key: Path

    def server_context(self) -> ssl.SSLContext:
        """That of a server which shows it, and asks for no certificate."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(self.certificate, self.key)
        return context


class Authority:
    """Signs certificates that whoever trusts `certificate` believes."""

    def __init__(
        self, directory: Path, key: ec.EllipticCurvePrivateKey, own: x509.Certificate
    ) -> None:
        self._directory = directory
        self._key = key
        self._own = own
        self._issued = 0

    @classmethod
    def create(cls, directory: Path, name: str) -> "Authority":
        """A new one, with all that it signs in `directory`."""
        directory.mkdir(parents=True, exist_ok=True)
        key = ec.generate_private_key(ec.SECP256R1())
        subject = _subject(name)
        signs = x509.KeyUsage(
            digital_signature=True,
            key_cert_sign=True,
            crl_sign=True,
            content_commitment=False,
            key_encipherment=False,
            data_encipherment=False,
            key_agreement=False,
            encipher_only=False,
            decipher_only=False,
        )
        own = (
            _unsigned(subject, subject, key.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(signs, critical=True)
            .sign(key, hashes.SHA256())
        )
        authority = cls(directory, key, own)
        write_key(authority.key, key)
        authority.certificate.write_bytes(own.public_bytes(serialization.Encoding.PEM))
        return authority

    @property
    def certificate(self) -> Path:
        return self._directory / "ca.crt"

    @property
    def key(self) -> Path:
        return self._directory / "ca.key"

    def issue(
        self,
        user: str,
        *,
        groups: Sequence[str] = (),
        hosts: Sequence[str] = (),
        lasts: timedelta = _VALID,
    ) -> Identity:
        """A certificate of `user`, for a client, and for a server at `hosts` if there are any.

        Args:
            groups: Kubernetes reads them from the organisations.
            hosts: names and addresses.
            lasts: from now on; less than nothing for one that has expired.
        """
        self._issued += 1
        stem = self._directory / f"{self._issued:03d}-{user.replace(':', '-').replace('/', '-')}"
        identity = Identity(stem.with_name(f"{stem.name}.crt"), stem.with_name(f"{stem.name}.key"))
        key = ec.generate_private_key(ec.SECP256R1())
        subject = _subject(user, groups)
        purposes = [ExtendedKeyUsageOID.CLIENT_AUTH]
        unsigned = _unsigned(subject, self._own.subject, key.public_key(), lasts)
        if hosts:
            purposes.append(ExtendedKeyUsageOID.SERVER_AUTH)
            names = x509.SubjectAlternativeName([_general_name(host) for host in hosts])
            unsigned = unsigned.add_extension(names, critical=False)
        signed = (
            unsigned.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()),
                critical=False,
            )
            .sign(self._key, hashes.SHA256())
        )
        write_key(identity.key, key)
        identity.certificate.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
        return identity


def write_key(path: Path, key: ec.EllipticCurvePrivateKey | None = None) -> None:
    """Keep `key`, or a new one, where nobody else can read it."""
    path.touch(mode=0o600)
    path.write_bytes(
        (key or ec.generate_private_key(ec.SECP256R1())).private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.TraditionalOpenSSL,  # "EC PRIVATE KEY": all of Go reads it
            serialization.NoEncryption(),
        )
    )


def signing_request(user: str, *, groups: Sequence[str]) -> str:
    """What a CertificateSigningRequest of Kubernetes holds: PEM in base64, of a new key."""
    request = x509.CertificateSigningRequestBuilder().subject_name(_subject(user, groups))
    signed = request.sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())
    return base64.b64encode(signed.public_bytes(serialization.Encoding.PEM)).decode()


def _unsigned(
    subject: x509.Name,
    issuer: x509.Name,
    public: ec.EllipticCurvePublicKey,
    lasts: timedelta = _VALID,
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _CLOCKS_DIFFER_BY)
        .not_valid_after(now + lasts)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
    )


def _subject(user: str, groups: Sequence[str] = ()) -> x509.Name:
    organisations = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in groups]
    return x509.Name([*organisations, x509.NameAttribute(NameOID.COMMON_NAME, user)])


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)
