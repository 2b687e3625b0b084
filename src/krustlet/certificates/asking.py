"""Ask for a certificate, without ever asking twice.

Owns the name of a request, and how long it takes to get one to the API server. Leaves waiting for
what comes of it to `signing.py`.

Source: client-go util/certificate/csr/csr.go, `RequestCertificateWithContext`.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import msgspec
import structlog

from krustlet.base import Backoff
from krustlet.certificates.apart import patiently
from krustlet.certificates.crafts import Crafting, Draft, ReadRequest
from krustlet.certificates.errors import RequestForbidden
from krustlet.certificates.facts import RequestFacts
from krustlet.certificates.ports import Requests, is_lasting
from krustlet.certificates.wanted import GROUP, Purpose, Wanted
from krustlet.kube import AlreadyExists, ApiError, Forbidden, NotFound
from krustlet.objects import CertificateSigningRequest, ObjectMeta, SigningRequestSpec

T = TypeVar("T")

_RETRIES: Final = Backoff(initial_s=1.0, max_s=30.0)

log = structlog.get_logger(__name__)


class Request(msgspec.Struct, frozen=True):
    """Where a request is found, and whether it was made just now.

    Attributes:
        uid: tells it from a later one of its name.
    """

    name: str
    uid: str
    is_new: bool


class Asking:
    """Makes requests, and finds those that were made before."""

    def __init__(self, requests: Requests, crafting: Crafting) -> None:
        self._requests = requests
        self._crafting = crafting

    async def ask(self, wanted: Wanted, draft: Draft) -> Request | None:
        """The request made with the draft's key, old or new; None if another key is needed.

        An API server that does not answer is waited for.

        Raises:
            RequestForbidden: who asks may not.
            ApiError: one that waiting does not mend.
        """
        failures = 0
        while True:
            await asyncio.sleep(_RETRIES.wait_s(failures))
            failures += 1
            free = None
            for name in (wanted.name, wanted.name_for(draft.key_digest)):
                found = await self._find(name, wanted)
                if found is None:
                    free = free or name
                    continue
                # None: it was made by somebody who asks in ways of his own.
                facts = await patiently(self._crafting, ReadRequest(found.spec.request))
                if facts is not None and facts.key_digest == draft.key_digest:
                    if not _asks_for(found, facts, wanted):
                        return None
                    log.info("certificate.request_found", purpose=wanted.purpose, request=name)
                    return Request(name, found.metadata.uid, is_new=False)
            if free is None:
                return None
            if (made := await self._make(free, wanted, draft.pem)) is not None:
                log.info("certificate.requested", purpose=wanted.purpose, request=free)
                return Request(free, made.metadata.uid, is_new=True)

    async def _find(self, name: str, wanted: Wanted) -> CertificateSigningRequest | None:
        try:
            return await self._answer(wanted, lambda: self._requests.get(name))
        except NotFound:
            return None

    async def _make(
        self, name: str, wanted: Wanted, pem: bytes
    ) -> CertificateSigningRequest | None:
        """The new request; None if somebody has taken the name meanwhile."""
        request = CertificateSigningRequest(
            metadata=ObjectMeta(name=name),
            spec=SigningRequestSpec(request=pem, signer_name=wanted.signer, usages=wanted.usages),
        )
        try:
            return await self._answer(wanted, lambda: self._requests.create(request))
        except AlreadyExists:
            return None

    async def _answer(self, wanted: Wanted, ask: Callable[[], Awaitable[T]]) -> T:
        """What the API server says to a request, once it says anything."""
        silence = _Silence(wanted.purpose)
        while True:
            try:
                answer = await ask()
            except Forbidden as exc:
                silence.end()
                raise RequestForbidden(exc, hint=_who_may_ask(wanted)) from exc
            except ApiError as exc:
                if is_lasting(exc):
                    raise
                if not exc.retryable:
                    silence.end()
                    raise
                await asyncio.sleep(silence.rest_s(exc))
            else:
                silence.end()
                return answer


class _Silence:
    """How long to leave an API server alone that does not answer, and who is told of it."""

    def __init__(self, purpose: Purpose) -> None:
        self._log = log.bind(purpose=purpose)
        self._failures = 0
        self._complaint = ""

    def rest_s(self, error: ApiError) -> float:
        if error.message != self._complaint:
            self._complaint = error.message
            self._log.warning(
                "certificate.waits_for_api_server", reason=error.message, hint=error.hint
            )
        self._failures += 1
        return max(_RETRIES.wait_s(self._failures + 1), error.retry_after_s or 0.0)

    def end(self) -> None:
        if self._failures:
            self._log.info("certificate.api_server_answers")


def _asks_for(request: CertificateSigningRequest, facts: RequestFacts, wanted: Wanted) -> bool:
    return (
        wanted.is_for_same(facts)
        and request.spec.signer_name == wanted.signer
        and sorted(request.spec.usages) == sorted(wanted.usages)
    )


def _who_may_ask(wanted: Wanted) -> str:
    node = f"a node must be {wanted.user}, in the group {GROUP}, to the API server"
    if wanted.purpose is not Purpose.CLIENT:
        return node
    return (
        "for a bootstrap token let an administrator run: kubectl create clusterrolebinding "
        "krustlet:node-bootstrapper --clusterrole=system:node-bootstrapper "
        f"--group=system:bootstrappers; {node}"
    )
