"""Have a certificate renewed before it ends, for as long as the node runs.

Owns waiting for the time, and what to do when there is none to be had. Leaves the time itself to
`terms.py`, asking to `signing.py`, and showing the new one to whoever reads the store.
"""

import asyncio
import random as chance
from collections import Counter
from collections.abc import Callable
from typing import Final, Protocol

import structlog

from krustlet.base import Backoff, Clock, KrustletError
from krustlet.certificates.apart import patiently
from krustlet.certificates.bootstrapping import Obtaining
from krustlet.certificates.errors import CredentialsExpired, RequestForbidden, RequestRefused
from krustlet.certificates.store import Held
from krustlet.certificates.terms import Term, term_of
from krustlet.certificates.wanted import Purpose, Wanted
from krustlet.kube import Unauthorized
from krustlet.objects import to_rfc3339

_LOUD: Final = 0.1  # of its life: somebody has to look into it

_LOOK_EVERY_S: Final = 60.0  # at the time of day, and at what is wanted
_APART_S: Final = 10.0  # two requests: who signs for a moment only must not be kept busy for ever

_RETRIES: Final = Backoff(initial_s=2.0, max_s=300.0)
_AFTER_REFUSAL: Final = Backoff(initial_s=600.0, max_s=6 * 3600.0)
_AFTER_FORBIDDEN_S: Final = 3600.0
# Source: kubernetes pkg/kubelet/certificate/transport.go: the kubelet ends, too.
_HOPELESS_AFTER_S: Final = 300.0

log = structlog.get_logger(__name__)


class Keeping(Protocol):
    """Of a `Store`, what is needed here."""

    def held(self, purpose: Purpose) -> Held | None: ...

    def drop_pending(self, purpose: Purpose) -> None: ...


class Rotator:
    """Keeps one certificate good, and for what it has to be for."""

    def __init__(
        self,
        purpose: Purpose,
        wanted: Callable[[], Wanted | None],
        *,
        store: Keeping,
        signing: Obtaining,
        clock: Clock,
        random: Callable[[], float] = chance.random,
        changed: Callable[[Held], None] = lambda _: None,
        first: Held | None = None,
    ) -> None:
        """Keep what it is given.

        Args:
            wanted: asked each minute, and after `wake`; None: nothing for the time being.
            changed: hears of each new certificate, once it is kept.
            first: one that is good until there is one in the store.
        """
        self._purpose = purpose
        self._wanted = wanted
        self._store = store
        self._signing = signing
        self._clock = clock
        self._random = random
        self._changed = changed
        self._held = first
        self._term: Term | None = None
        self._enough_until = 0.0
        self._awake = asyncio.Event()
        self._setbacks = _Setbacks(purpose)
        self._was_loud = False

    def wake(self) -> None:
        """Look at once at what is wanted: it may be another certificate."""
        self._awake.set()

    async def run(self) -> None:
        """Renew until cancelled.

        Raises:
            KeyExposed, StoreUnreadable: nobody can tell what there is.
            CredentialsExpired: the client certificate ended before there was another, and the API
                server does not know the node any more.
        """
        found = await patiently(self._store.held, self._purpose)
        if (held := found or self._held) is not None:
            self._use(held, is_new=False)
        while True:
            wanted = self._wanted()
            if wanted is None or (rest_s := self._rest_s(wanted)) > 0:
                await self._rest(_LOOK_EVERY_S if wanted is None else rest_s)
                continue
            try:
                if (new := await self._obtain(wanted)) is not None:
                    self._use(new, is_new=True)
                    self._changed(new)
            except KrustletError as exc:
                await self._note(exc, wanted)

    # when -------------------------------------------------------------------------------------

    def _use(self, held: Held, *, is_new: bool) -> None:
        now, at = self._clock.now(), asyncio.get_running_loop().time()
        self._held = held
        self._term = term_of(held, self._random(), now=now, at=at, is_new=is_new)
        self._enough_until = at + _APART_S if is_new else at
        self._setbacks = _Setbacks(self._purpose)
        self._was_loud = False
        log.info(
            "certificate.in_use",
            purpose=self._purpose,
            good_until=to_rfc3339(held.facts.not_after),
            renewal_in_s=round(max(self._term.left_s(now, at), 0.0)),
        )

    def _rest_s(self, wanted: Wanted) -> float:
        """Until there is something to do; nothing or less: now."""
        at = asyncio.get_running_loop().time()
        if self._held is None or self._term is None or wanted.flaw_in(self._held.facts):
            due_s = 0.0
        else:
            due_s = max(self._term.left_s(self._clock.now(), at), self._enough_until - at)
        return min(max(due_s, self._setbacks.retry_at(wanted) - at), _LOOK_EVERY_S)

    async def _rest(self, limit_s: float, *tasks: asyncio.Task[Held]) -> None:
        """Until somebody wakes us, one of `tasks` is done, or the time is over."""
        waking = asyncio.ensure_future(self._awake.wait())
        try:
            await asyncio.wait(
                (waking, *tasks), timeout=limit_s, return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            waking.cancel()
        self._awake.clear()

    # asking -----------------------------------------------------------------------------------

    async def _obtain(self, wanted: Wanted) -> Held | None:
        """The certificate; None if another one is wanted by now."""
        asking = asyncio.create_task(
            self._signing.obtain(wanted), name=f"certificates.{self._purpose}"
        )
        try:
            while not asking.done():
                await self._rest(_LOOK_EVERY_S, asking)
                self._warn_of_end()
                if not asking.done() and self._wanted() != wanted:
                    log.info("certificate.wanted_otherwise", purpose=self._purpose)
                    break
        finally:
            asking.cancel()
            (outcome,) = await asyncio.gather(asking, return_exceptions=True)
        if isinstance(outcome, asyncio.CancelledError):
            return None
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    async def _note(self, error: KrustletError, wanted: Wanted) -> None:
        """Tell of a failure, and see when to try again."""
        at = asyncio.get_running_loop().time()
        self._raise_if_hopeless(error, at)
        self._setbacks.note(error, wanted, at)
        if isinstance(error, RequestRefused):
            try:  # the same request would be found again
                await asyncio.to_thread(self._store.drop_pending, self._purpose)
            except KrustletError as exc:
                log.warning("certificate.key_kept", purpose=self._purpose, reason=exc.message)
        self._warn_of_end()

    def _raise_if_hopeless(self, error: KrustletError, at: float) -> None:
        if not isinstance(error, Unauthorized) or self._purpose is not Purpose.CLIENT:
            return
        if self._held is None or self._term is None:
            return
        if at - self._term.ends_at >= _HOPELESS_AFTER_S:
            raise CredentialsExpired(
                self._held.path, not_after=self._held.facts.not_after, now=self._clock.now()
            ) from error

    def _warn_of_end(self) -> None:
        """Once for each certificate that is about to end without another to take its place."""
        if self._held is None or self._term is None or self._was_loud:
            return
        left_s = self._term.ends_at - asyncio.get_running_loop().time()
        if self._term.due is not None:
            left_s = min(left_s, self._held.facts.not_after - self._clock.now())
        if left_s < _LOUD * self._term.life_s:
            self._was_loud = True
            log.error(
                "certificate.about_to_end",
                purpose=self._purpose,
                good_until=to_rfc3339(self._held.facts.not_after),
                left_s=round(left_s),
                hint="see `kubectl get csr`: the node's request has to be approved and signed",
            )


class _Setbacks:
    """What went wrong since the last certificate: how long to wait, and what has been told."""

    def __init__(self, purpose: Purpose) -> None:
        self._purpose = purpose
        self._failures: Counter[type[KrustletError]] = Counter()
        self._wanted: Wanted | None = None
        self._retry_at = 0.0

    def retry_at(self, wanted: Wanted) -> float:
        """By the loop's time; another certificate than that which failed may be asked for now."""
        return self._retry_at if wanted == self._wanted else 0.0

    def note(self, error: KrustletError, wanted: Wanted, at: float) -> None:
        kind = type(error)
        self._failures[kind] += 1
        failures = self._failures[kind] + 1
        if isinstance(error, RequestRefused):
            wait_s = _AFTER_REFUSAL.wait_s(failures)
        elif isinstance(error, RequestForbidden) and self._purpose is Purpose.SERVING:
            wait_s = _AFTER_FORBIDDEN_S  # the node's API goes on with a certificate of its own
        else:
            wait_s = _RETRIES.wait_s(failures)
        self._wanted, self._retry_at = wanted, at + wait_s
        is_news = self._failures[kind] == 1 or isinstance(error, RequestRefused)
        (log.warning if is_news else log.debug)(
            "certificate.not_renewed",
            purpose=self._purpose,
            reason=error.message,
            hint=error.hint,
            retry_in_s=wait_s,
        )
