"""Requests for certificates as nodes make them, and as others might."""

import ipaddress
from collections.abc import Sequence
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from krustlet.objects import (
    CLIENT_SIGNER,
    SERVING_SIGNER,
    CertificateSigningRequest,
    Node,
    NodeAddress,
    NodeCondition,
    NodeStatus,
    ObjectMeta,
    SigningRequestSpec,
)

NODE = "wasm-1"
TOKEN_ID = "abc123"
ADDRESS = "192.168.11.5"
TOKEN_USER = f"system:bootstrap:{TOKEN_ID}"
TOKEN_GROUPS = ("system:bootstrappers", "system:authenticated")
NODE_USER = f"system:node:{NODE}"
NODE_GROUPS = ("system:nodes", "system:authenticated")


@cache
def _key(_: str) -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def pem(
    *,
    common_names: Sequence[str] = (NODE_USER,),
    organizations: Sequence[str] = ("system:nodes",),
    names: Sequence[x509.GeneralName] = (),
    machine: str = NODE,
) -> bytes:
    subject = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, one) for one in organizations]
    subject += [x509.NameAttribute(NameOID.COMMON_NAME, one) for one in common_names]
    request = x509.CertificateSigningRequestBuilder().subject_name(x509.Name(subject))
    if names:
        request = request.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return request.sign(_key(machine), hashes.SHA256()).public_bytes(Encoding.PEM)


def client(
    *,
    name: str = NODE,
    request: bytes | None = None,
    signer: str = CLIENT_SIGNER,
    usages: Sequence[str] = ("digital signature", "client auth"),
    username: str = TOKEN_USER,
    groups: Sequence[str] = TOKEN_GROUPS,
) -> CertificateSigningRequest:
    return _request(name, request or pem(), signer, usages, username, groups)


def serving(
    *,
    name: str = f"{NODE}-tls",
    names: Sequence[x509.GeneralName] | None = None,
    request: bytes | None = None,
    signer: str = SERVING_SIGNER,
    usages: Sequence[str] = ("digital signature", "server auth"),
    username: str = NODE_USER,
    groups: Sequence[str] = NODE_GROUPS,
) -> CertificateSigningRequest:
    own = [dns(NODE), ip(ADDRESS)] if names is None else names
    return _request(name, request or pem(names=own), signer, usages, username, groups)


def _request(
    name: str,
    request: bytes,
    signer: str,
    usages: Sequence[str],
    username: str,
    groups: Sequence[str],
) -> CertificateSigningRequest:
    return CertificateSigningRequest(
        metadata=ObjectMeta(name=name, creation_timestamp="2026-01-01T00:00:00Z"),
        spec=SigningRequestSpec(
            request=request,
            signer_name=signer,
            usages=tuple(usages),
            username=username,
            groups=tuple(groups),
        ),
    )


def dns(name: str) -> x509.GeneralName:
    return x509.DNSName(name)


def ip(address: str) -> x509.GeneralName:
    return x509.IPAddress(ipaddress.ip_address(address))


def mail(address: str) -> x509.GeneralName:
    return x509.RFC822Name(address)


def node(name: str = NODE, *, ready: bool = True, addresses: Sequence[str] = (ADDRESS,)) -> Node:
    told = [NodeAddress(type="InternalIP", address=one) for one in addresses]
    hostname = NodeAddress(type="Hostname", address=name.upper())
    condition = NodeCondition(type="Ready", status=str(ready), message="kubelet says so")
    return Node(
        metadata=ObjectMeta(name=name),
        status=NodeStatus(conditions=(condition,), addresses=(*told, hostname)),
    )
