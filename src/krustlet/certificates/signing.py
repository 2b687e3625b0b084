"""Have a certificate signed: ask, wait for approval however long it takes, keep what comes.

Owns the way of one certificate, from its key on, over restarts too. Leaves what is wanted to
`wanted.py`, the request to `asking.py`, the files to `store.py`, and asking again after a refusal
to the caller.

Source: client-go util/certificate/csr/csr.go, `WaitForCertificate`.
"""

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from typing import Final

import msgspec
import structlog

from krustlet.base import Backoff, Clock
from krustlet.base.threads import to_its_end
from krustlet.certificates.apart import patiently
from krustlet.certificates.asking import Asking, Request
from krustlet.certificates.crafts import Draft, ReadPem
from krustlet.certificates.errors import (
    CertificateUnfit,
    CertificateUnreadable,
    RequestDenied,
    RequestFailed,
)
from krustlet.certificates.facts import CertificateFacts, chain_in
from krustlet.certificates.ports import Requests
from krustlet.certificates.store import Held, Store, whole
from krustlet.certificates.wanted import Purpose, Wanted
from krustlet.objects import CertificateSigningRequest, to_rfc3339

_RESTS: Final = Backoff(initial_s=1.0, max_s=30.0)  # where each request is deleted at once
_LARGEST_CHAIN: Final = 64 << 10  # twenty times a usual one; TLS takes little more
_SIGNED_WITHIN_S: Final = 60.0  # of the approval; a controller takes less than one

log = structlog.get_logger(__name__)


class _Signed(msgspec.Struct, frozen=True):
    """A certificate, and whether it was signed while we waited, rather than who knows when."""

    pem: bytes
    is_fresh: bool


class Signing:
    """Gets certificates signed, one at a time for each purpose."""

    def __init__(
        self,
        store: Store,
        requests: Requests,
        clock: Clock,
        told: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Keep what it is given.

        Args:
            told: hears the name of each request that waits for somebody to approve it, once.
        """
        self._store = store
        self._crafting = store.crafting
        self._requests = requests
        self._asking = Asking(requests, store.crafting)
        self._clock = clock
        self._told = told
        self._told_of: dict[Purpose, Request] = {}

    async def obtain(self, wanted: Wanted) -> Held:
        """The certificate, signed and kept; waits for ever.

        Whoever is cancelled, or restarted, finds the same request again the next time. An API
        server that does not answer is waited for.

        Raises:
            RequestDenied, RequestFailed, CertificateUnfit: nothing comes of the request; it is
                found again the next time, unless it is deleted or the pending key is dropped.
            RequestForbidden: the node may not ask.
            Unauthorized: the API server does not know who asks.
            ApiUnavailable: the server could not prove who it is; see `is_lasting`.
            ApiError: it makes nothing of the request.
            StoreUnreadable, StoreUnwritable: the key, or what was signed, cannot be kept.
        """
        failures = 0
        while True:
            await asyncio.sleep(_RESTS.wait_s(failures))
            failures += 1
            draft = await patiently(self._store.draft, wanted)
            if (request := await self._asking.ask(wanted, draft)) is None:
                await self._forget_key(wanted)
                continue
            if (signed := await self._signed(request, wanted.purpose)) is None:
                log.warning("certificate.request_deleted", request=request.name)
                continue
            facts = await self._checked(signed.pem, request.name, wanted, draft)
            if not self._is_timely(facts, wanted.purpose, is_fresh=signed.is_fresh):
                await self._forget_key(wanted)
                continue
            held = await patiently(self._store.keep, wanted.purpose, signed.pem, draft.key)
            await self._forget_key(wanted)
            log.info("certificate.obtained", purpose=wanted.purpose, request=request.name)
            return held

    async def _checked(
        self, certificate: bytes, name: str, wanted: Wanted, draft: Draft
    ) -> CertificateFacts:
        """What the certificate says.

        Raises:
            CertificateUnfit: it is of no use, at whatever time.
        """
        if len(certificate) > _LARGEST_CHAIN:
            raise CertificateUnfit(name, f"it is longer than {_LARGEST_CHAIN >> 10} KiB")
        # All that will be kept, so that reading it is done with.
        contents = await patiently(self._crafting, ReadPem(whole(certificate, draft.key)))
        try:
            facts = contents.facts(f"certificate of {name}")
        except CertificateUnreadable as exc:
            raise CertificateUnfit(name, f"it {exc.why}") from exc
        is_ours = facts.key_digest == draft.key_digest
        if flaw := wanted.flaw_in(facts) if is_ours else "it is for another key":
            raise CertificateUnfit(name, flaw)
        return facts

    def _is_timely(self, facts: CertificateFacts, purpose: Purpose, *, is_fresh: bool) -> bool:
        """Whether to keep the certificate; not if nobody came for it as long as it was good.

        One that has been signed just now is good to the API server, which goes by its own clock:
        who kept to a clock that is wrong would soon have none.
        """
        now = self._clock.now()
        if facts.is_good_at(now):
            return True
        if now >= facts.not_after and not is_fresh:
            return False
        log.warning(
            "certificate.clock_differs",
            purpose=purpose,
            good_from=to_rfc3339(facts.not_before),
            good_until=to_rfc3339(facts.not_after),
            clock=to_rfc3339(now),
            hint="set this machine's clock, or that of the cluster",
        )
        return True

    async def _forget_key(self, wanted: Wanted) -> None:
        await to_its_end(self._store.drop_pending, wanted.purpose)

    async def _signed(self, request: Request, purpose: Purpose) -> _Signed | None:
        """What was signed in the end; None if the request is gone."""
        loop = asyncio.get_running_loop()
        is_fresh = request.is_new
        unsigned: asyncio.TimerHandle | None = None
        try:
            async with aclosing(self._requests.watch(request.name)) as changes:
                async for seen in changes:
                    if seen is None or seen.metadata.uid != request.uid:
                        return None
                    _raise_if_refused(seen)
                    is_approved = seen.condition("Approved") is not None
                    if is_approved and seen.status.certificate:
                        return _Signed(chain_in(seen.status.certificate), is_fresh)
                    is_fresh = True
                    if not is_approved:
                        self._tell(request, purpose)
                    elif unsigned is None:
                        log.info("certificate.approved", request=request.name)
                        unsigned = loop.call_later(_SIGNED_WITHIN_S, _warn_unsigned, seen)
        finally:
            if unsigned is not None:
                unsigned.cancel()
        return None

    def _tell(self, request: Request, purpose: Purpose) -> None:
        told_of = self._told_of.get(purpose)
        if told_of is not None and (told_of.name, told_of.uid) == (request.name, request.uid):
            return  # a caller that was cancelled has asked again
        self._told_of[purpose] = request
        log.info(
            "certificate.waits_for_approval",
            purpose=purpose,
            request=request.name,
            hint=f"kubectl certificate approve {request.name}",
        )
        self._told(request.name)


def _raise_if_refused(request: CertificateSigningRequest) -> None:
    if (denied := request.condition("Denied")) is not None:
        raise RequestDenied(request.name, reason=denied.reason, message=denied.message)
    if (failed := request.condition("Failed")) is not None:
        raise RequestFailed(request.name, reason=failed.reason, message=failed.message)


def _warn_unsigned(request: CertificateSigningRequest) -> None:
    log.warning(
        "certificate.not_signed",
        request=request.name,
        signer=request.spec.signer_name,
        reason=f"approved {_SIGNED_WITHIN_S:.0f} s ago, and no controller has signed it",
        hint="is kube-controller-manager running, with --cluster-signing-cert-file?",
    )
