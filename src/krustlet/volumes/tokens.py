"""Hold the tokens of the pods' volumes, each until it is time for a new one.

Owns that time. Leaves writing them to volumes to `projected.py`, and renewing to `refresher.py`.

Source: kubernetes pkg/kubelet/token/token_manager.go.
"""

import random
from collections import defaultdict
from collections.abc import Callable
from typing import Final

import msgspec

from krustlet.base import Clock, Instant
from krustlet.objects import Lookups, Pod, ServiceAccountTokenProjection, Token

_SHARE_OF_LIFE: Final = 0.8
_OLDEST_S: Final = 24 * 3600.0
_JITTER_S: Final = 10.0  # so that pods that came together do not all ask together


_SOONEST_S: Final = 60.0  # a clock far ahead of the server's must not make us ask all the time


def renewal_at(token: Token, *, early_s: float) -> Instant:
    """When to ask for the next one: `early_s` before four fifths of its life are over, or a day."""
    life_s = token.expires_at - token.issued_at
    return Instant(token.issued_at + min(_SHARE_OF_LIFE * life_s, _OLDEST_S) - early_s)


def _random_jitter_s() -> float:
    return random.uniform(0, _JITTER_S)  # noqa: S311 - spreads load, and hides nothing


class HeldToken(msgspec.Struct, frozen=True):
    """A token, and when it is time for the next one."""

    token: Token
    renewal_at: Instant


class _Key(msgspec.Struct, frozen=True):
    account: str
    audience: str
    expiration_s: int | None


class Tokens:
    """Asks for a token when there is none, or it is time for a new one."""

    def __init__(
        self,
        lookups: Lookups,
        clock: Clock,
        *,
        jitter_s: Callable[[], float] = _random_jitter_s,
    ) -> None:
        self._lookups = lookups
        self._clock = clock
        self._jitter_s = jitter_s
        self._held: defaultdict[str, dict[_Key, HeldToken]] = defaultdict(dict)  # by the pod's uid

    async def get(self, pod: Pod, source: ServiceAccountTokenProjection) -> HeldToken:
        """A token for the pod that need not be renewed yet.

        Raises:
            LookupFailed: there is none to be had; one that was had before is still held.
        """
        account = pod.spec.service_account_name
        key = _Key(account, source.audience, source.expiration_seconds)
        held = self._held[pod.uid].get(key)
        if held is None or self._clock.now() >= held.renewal_at:
            held = await self._ask(pod, source)
            self._held[pod.uid][key] = held
        return held

    async def _ask(self, pod: Pod, source: ServiceAccountTokenProjection) -> HeldToken:
        token = await self._lookups.service_account_token(
            pod,
            audiences=[source.audience] if source.audience else [],
            expiration_s=source.expiration_seconds,
        )
        at = renewal_at(token, early_s=self._jitter_s())
        return HeldToken(token, max(at, Instant(self._clock.now() + _SOONEST_S)))

    def forget(self, uid: str) -> None:
        """The pod is gone, and so its tokens are worth nothing."""
        self._held.pop(uid, None)
