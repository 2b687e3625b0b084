"""How long a certificate is good, and when to have it renewed.

Pure. A term counts by two clocks, whichever is there first. The time of day goes on while a machine
sleeps, and knows when a certificate ends; but it may be set wrong, or right. The loop's time cannot
be set.
"""

from typing import Final

import msgspec

from krustlet.base import Instant
from krustlet.certificates.facts import CertificateFacts
from krustlet.certificates.store import Held

# Source: client-go util/certificate/certificate_manager.go, `jitteryDuration`.
_FROM: Final = 0.7
_TO: Final = 0.9

# Signed certificates count from some time before, so that slow clocks accept them.
# Source: kubernetes pkg/controller/certificates/signer/signer.go, `Backdate`.
_BACKDATED_S: Final = 300.0
_SHORTEST_S: Final = 30.0


def renewal_due(held: Held, random: float) -> Instant:
    """When to renew a certificate, after 70 to 90 % of the life that it had when it was obtained.

    Args:
        random: from 0 to 1, so that not all nodes come at once.
    """
    return Instant(held.since + _share(random) * (held.facts.not_after - held.since))


def _share(random: float) -> float:
    return _FROM + (_TO - _FROM) * random


class Term(msgspec.Struct, frozen=True):
    """What the clocks say about a certificate.

    Attributes:
        due: by the time of day; None where that has nothing to do with the certificate.
        due_at, ends_at: by the loop's time.
        life_s: how long it was to last when it was obtained.
    """

    due: Instant | None
    due_at: float
    ends_at: float
    life_s: float

    def left_s(self, now: Instant, at: float) -> float:
        """Until the renewal is due."""
        left_s = self.due_at - at
        return left_s if self.due is None else min(left_s, self.due - now)


def term_of(held: Held, random: float, *, now: Instant, at: float, is_new: bool) -> Term:
    """How to count a certificate.

    Args:
        now, at: the time of day, and that of the loop.
        is_new: it has been signed just now, not found where it was kept.
    """
    not_after = held.facts.not_after
    if now >= not_after and not is_new:
        return Term(not_after, at, at, not_after - held.facts.not_before)
    if held.facts.is_good_at(now):
        due = renewal_due(held, random)
        life_s = not_after - held.since
        return Term(due, at + max(due - now, 0.0), at + (not_after - now), life_s)
    # The API server has signed it now, and goes by its own clock: ours is wrong.
    life_s = _assumed_life_s(held.facts)
    return Term(None, at + _share(random) * life_s, at + life_s, life_s)


def _assumed_life_s(facts: CertificateFacts) -> float:
    whole_s = facts.not_after - facts.not_before
    return whole_s if whole_s <= _BACKDATED_S else max(whole_s - _BACKDATED_S, _SHORTEST_S)
