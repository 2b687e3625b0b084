"""Keep the node's lease: as long as it is renewed, the node counts as alive.

Source: kubernetes component-helpers apimachinery/lease/controller.go.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import structlog
from msgspec.structs import replace

from krustlet.base import Backoff, Clock
from krustlet.kube import ApiError, Conflict, NotFound
from krustlet.node.patience import answered, in_words, rest_s
from krustlet.node.ports import Leases
from krustlet.node.record import NodeRecord
from krustlet.node.settings import NodeSettings
from krustlet.objects import (
    Lease,
    Node,
    ObjectMeta,
    OwnerReference,
    to_rfc3339_micro,
)

TRIES: Final = 5
_JITTER: Final = 0.04
_RETRIES: Final = Backoff(initial_s=0.2, max_s=7.0)
# Of the time between two renewals: a server that is slow must be waited for, and after a connection
# that hangs there must be time left within the lease for another try.
_REQUEST_LIMIT: Final = 1.5

log = structlog.get_logger(__name__)


class LeaseKeeper:
    """Renews one lease, and makes it where there is none."""

    def __init__(
        self,
        settings: NodeSettings,
        leases: Leases,
        record: NodeRecord,
        *,
        clock: Clock,
        random: Callable[[], float],
    ) -> None:
        self._settings = settings
        self._leases = leases
        self._record = record
        self._clock = clock
        self._random = random
        self._lease: Lease | None = None
        self._complaints: set[type[Exception]] = set()

    async def run(self) -> None:
        """Renew until cancelled: the first time at once, then four times within its duration."""
        loop = asyncio.get_running_loop()
        while True:
            began = loop.time()
            await self._renew_with_tries()
            spread = 1 + _JITTER * (2 * self._random() - 1)
            due = began + self._settings.renew_every_s * spread
            await asyncio.sleep(max(due - loop.time(), 0))

    def use(self, settings: NodeSettings) -> None:
        """Renew as these say, from the next time on."""
        self._settings = settings

    async def _renew_with_tries(self) -> None:
        for failures in range(1, TRIES + 1):
            try:
                await self._renew()
            except (ApiError, TimeoutError) as exc:
                if is_stale := isinstance(exc, Conflict | NotFound):
                    self._lease = None  # somebody has changed it, or taken it away: look again
                if not is_stale or failures > 1:
                    self._note_failure(exc)
                    longest_s = self._settings.renew_every_s
                    await asyncio.sleep(rest_s(exc, failures, _RETRIES, longest_s=longest_s))
            else:
                self._note_success()
                return

    async def _renew(self) -> None:
        if self._lease is None:
            try:
                self._lease = await self._answered(self._leases.get())
            except NotFound:
                if self._record.node is not None:  # or it would be nobody's
                    self._lease = await self._answered(
                        self._leases.create(self._renewed(self._new()))
                    )
                return
        self._lease = await self._answered(self._leases.replace(self._renewed(self._lease)))

    async def _answered(self, request: Awaitable[Lease]) -> Lease:
        return await answered(request, within_s=_REQUEST_LIMIT * self._settings.renew_every_s)

    def _new(self) -> Lease:
        return Lease(metadata=ObjectMeta(name=self._settings.name))

    def _renewed(self, lease: Lease) -> Lease:
        spec = replace(
            lease.spec,
            holder_identity=self._settings.name,
            lease_duration_seconds=self._settings.lease_duration_s,
            renew_time=to_rfc3339_micro(self._clock.now()),
        )
        return replace(lease, metadata=self._owned(lease.metadata), spec=spec)

    def _owned(self, metadata: ObjectMeta) -> ObjectMeta:
        """By the node, so that it goes when the node does; a node that came back owns it anew."""
        node = self._record.node
        return metadata if node is None else replace(metadata, owner_references=(_owner(node),))

    def _note_failure(self, error: Exception) -> None:
        """Told once for each kind of trouble, until the lease is renewed again."""
        if type(error) not in self._complaints:
            hint = error.hint if isinstance(error, ApiError) else ""
            name = self._settings.name
            log.warning("lease.not_renewed", lease=name, reason=in_words(error), hint=hint)
        self._complaints.add(type(error))

    def _note_success(self) -> None:
        if self._complaints:
            log.info("lease.renewed_again", lease=self._settings.name)
        self._complaints.clear()


def _owner(node: Node) -> OwnerReference:
    return OwnerReference(api_version="v1", kind="Node", name=node.name, uid=node.uid)
