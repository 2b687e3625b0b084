"""An API server that has nothing but requests for certificates, and one who signs them."""

import asyncio
from collections.abc import AsyncGenerator, Coroutine, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, Final, TypeAlias

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from msgspec.structs import replace

from krustlet.base import Instant
from krustlet.kube import AlreadyExists, ApiError, NotFound
from krustlet.objects import (
    CertificateSigningRequest,
    ObjectMeta,
    SigningRequestCondition,
    SigningRequestSpec,
    SigningRequestStatus,
)
from tests.support.virtual_time import LoopClock

BACKDATED_S: Final = 300.0
"""Source: kubernetes pkg/controller/certificates/signer/signer.go."""

_PURPOSES: Final = {
    "client auth": ExtendedKeyUsageOID.CLIENT_AUTH,
    "server auth": ExtendedKeyUsageOID.SERVER_AUTH,
}
_KEY: Final = ec.generate_private_key(ec.SECP256R1())
_ISSUER: Final = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "authority")])


def signed(
    request_pem: bytes,
    *,
    usages: Sequence[str],
    not_before: float,
    not_after: float,
    names: Sequence[x509.GeneralName] | None = None,
    subject: x509.Name | None = None,
    key: ec.EllipticCurvePublicKey | None = None,
) -> bytes:
    """A certificate as asked for, but for what is said otherwise; PEM."""
    request = x509.load_pem_x509_csr(request_pem)
    public = key or request.public_key()
    assert isinstance(public, ec.EllipticCurvePublicKey)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject or request.subject)
        .issuer_name(_ISSUER)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime.fromtimestamp(int(not_before), UTC))
        .not_valid_after(datetime.fromtimestamp(int(not_after), UTC))
    )
    if names is None:
        for extension in request.extensions:
            builder = builder.add_extension(extension.value, critical=extension.critical)
    elif names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    if purposes := [_PURPOSES[usage] for usage in usages if usage in _PURPOSES]:
        builder = builder.add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
    return builder.sign(_KEY, hashes.SHA256()).public_bytes(Encoding.PEM)


_Changes: TypeAlias = asyncio.Queue[CertificateSigningRequest | ApiError | None]


class FakeRequests:
    """As `Requests`, with somebody who approves and signs when the test says so.

    Attributes:
        made: the names of those that were created, in order.
        asked: every call, as verb and name.
        trouble: raised by every call while it is set.
    """

    def __init__(self) -> None:
        self.made: list[str] = []
        self.asked: list[tuple[str, str]] = []
        self.trouble: ApiError | None = None
        self.clock = LoopClock()
        self._there: dict[str, CertificateSigningRequest] = {}
        self._watches: list[tuple[str, _Changes]] = []

    async def create(self, request: CertificateSigningRequest) -> CertificateSigningRequest:
        self._called("create", request.name)
        if request.name in self._there:
            raise AlreadyExists(f"{request.name} already exists", status=409)
        return self.put(request)

    async def get(self, name: str) -> CertificateSigningRequest:
        self._called("get", name)
        if name not in self._there:
            raise NotFound(f"{name} not found", status=404)
        return self._there[name]

    async def watch(self, name: str) -> AsyncGenerator[CertificateSigningRequest | None, None]:
        self._called("watch", name)
        changes: _Changes = asyncio.Queue()
        watch = (name, changes)
        self._watches.append(watch)
        try:
            yield self._there.get(name)
            while True:
                change = await changes.get()
                if isinstance(change, ApiError):
                    raise change
                yield change
        finally:
            self._watches.remove(watch)

    # others -----------------------------------------------------------------------------------

    @property
    def watches(self) -> int:
        """How many are open."""
        return len(self._watches)

    @property
    def names(self) -> set[str]:
        return set(self._there)

    def __getitem__(self, name: str) -> CertificateSigningRequest:
        return self._there[name]

    def put(self, request: CertificateSigningRequest) -> CertificateSigningRequest:
        """There is a new one."""
        self.made.append(request.name)
        uid = f"uid-{len(self.made)}"
        return self._change(replace(request, metadata=ObjectMeta(name=request.name, uid=uid)))

    def approve(self, name: str) -> None:
        self._condition(name, SigningRequestCondition(type="Approved", status="True"))

    def deny(self, name: str, *, reason: str = "", message: str = "") -> None:
        self._condition(
            name,
            SigningRequestCondition(type="Denied", status="True", reason=reason, message=message),
        )

    def fail(self, name: str, *, reason: str = "", message: str = "") -> None:
        self._condition(
            name,
            SigningRequestCondition(type="Failed", status="True", reason=reason, message=message),
        )

    def sign(self, name: str, *, life_s: float = 3600.0, ago_s: float = 0.0, **odd: Any) -> bytes:
        """Put the certificate into the request, as kube-controller-manager does."""
        request = self._there[name]
        now = self.clock.now() - ago_s
        certificate = signed(
            request.spec.request,
            **{"usages": request.spec.usages, **odd},
            not_before=now - BACKDATED_S,
            not_after=now + life_s,
        )
        self.answer(name, certificate)
        return certificate

    def answer(self, name: str, certificate: bytes) -> None:
        request = self._there[name]
        self._change(replace(request, status=replace(request.status, certificate=certificate)))

    def grant(self, name: str, **how: Any) -> bytes:
        """Approve and sign."""
        self.approve(name)
        return self.sign(name, **how)

    def delete(self, name: str) -> None:
        del self._there[name]
        self._tell(name, None)

    def break_watches(self, error: ApiError) -> None:
        for _, changes in self._watches:
            changes.put_nowait(error)

    def _called(self, verb: str, name: str) -> None:
        self.asked.append((verb, name))
        if self.trouble is not None:
            raise self.trouble

    def _condition(self, name: str, condition: SigningRequestCondition) -> None:
        request = self._there[name]
        conditions = (*request.status.conditions, condition)
        self._change(replace(request, status=replace(request.status, conditions=conditions)))

    def _change(self, request: CertificateSigningRequest) -> CertificateSigningRequest:
        self._there[request.name] = request
        self._tell(request.name, request)
        return request

    def _tell(self, name: str, change: CertificateSigningRequest | None) -> None:
        for watched, changes in self._watches:
            if watched == name:
                changes.put_nowait(change)


def a_request(
    name: str, pem: bytes, *, signer: str, usages: tuple[str, ...]
) -> CertificateSigningRequest:
    return CertificateSigningRequest(
        metadata=ObjectMeta(name=name),
        spec=SigningRequestSpec(request=pem, signer_name=signer, usages=usages),
        status=SigningRequestStatus(),
    )


class StoppedClock:
    """Shows what the test sets."""

    def __init__(self, now: float) -> None:
        self.at = now

    def now(self) -> Instant:
        return Instant(self.at)


@asynccontextmanager
async def going(work: Coroutine[Any, Any, Any]) -> AsyncGenerator[asyncio.Task[Any], None]:
    """`work` goes on while the block runs."""
    task = asyncio.create_task(work)
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.wait([task])
