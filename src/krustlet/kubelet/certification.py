"""How the node's two certificates are kept good while it runs. No logic.

Leaves joining to `krustlet.certificates`, and what is shown to clients to the server.
"""

import asyncio
import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Final

import structlog

from krustlet.base import Clock
from krustlet.base.tasks import task_group
from krustlet.certificates import (
    Announcer,
    Apart,
    Crafting,
    Held,
    Purpose,
    RequestsApi,
    Rotator,
    Signing,
    Store,
    StoredCredentials,
    Wanted,
    client_wanted,
    patiently,
    serving_wanted,
)
from krustlet.kubelet.clients import Clients
from krustlet.server import self_signed
from krustlet.settings import ClusterSettings

_PKI: Final = "pki"
_LOOK_EVERY_S: Final = 12 * 3600.0  # at the certificate of our own, which lasts a year

log = structlog.get_logger(__name__)

Say = Callable[[str], None]
"""Puts a line before whoever started the node."""


def store_of(root: Path, clock: Clock) -> Store:
    """The keys and certificates of the node whose data directory is `root`."""
    return Store(root / _PKI, clock=clock, crafting=Apart())


class Certification:
    """Renews what is the node's to renew, for as long as it runs."""

    def __init__(
        self,
        root: Path,
        cluster: ClusterSettings,
        clients: Clients,
        store: Store,
        *,
        clock: Clock,
        ips: Callable[[], tuple[str, ...]],
        say: Say,
        said: Callable[[], None],
    ) -> None:
        """Keep what it is given.

        Args:
            root: the data directory.
            ips: where the node is reached now.
            said: called when what `say` was told of is over.
        """
        self._root = root
        self._cluster = cluster
        self._store = store
        self._clock = clock
        self._ips = ips
        self._say = say
        self._said = said
        self._requests = RequestsApi(clients.api)
        self._rotators: list[Rotator] = []
        self._moved = asyncio.Event()
        credentials = clients.config.credentials
        if cluster.rotate_certificates and isinstance(credentials, StoredCredentials):
            wanted = client_wanted(node=cluster.node_name)
            self._add(Purpose.CLIENT, lambda: wanted, credentials)
        if self.signed is not None:
            self._add(Purpose.SERVING, self._serving)

    @property
    def signed(self) -> Path | None:
        """Where the serving certificate is that the cluster signs, or will be; None: nowhere."""
        if self._cluster.certificate is not None or not self._cluster.server_tls_bootstrap:
            return None
        return self._store.path(Purpose.SERVING)

    @property
    def crafting(self) -> Crafting:
        """How the node works on keys and certificates."""
        return self._store.crafting

    def wake(self) -> None:
        """The addresses have changed."""
        self._moved.set()
        for rotator in self._rotators:
            rotator.wake()

    async def run(self) -> None:
        """Renew until cancelled."""
        async with task_group() as tasks:
            for rotator in self._rotators:
                tasks.create_task(rotator.run())
            if self._cluster.certificate is None:
                tasks.create_task(self._keep_own())

    @property
    def hosts(self) -> tuple[str, ...]:
        """All that the node is called."""
        return (self._cluster.hostname, *self._ips())

    async def _keep_own(self) -> None:
        """The self-signed certificate is for the hosts as they are now, and good for a while."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_EVERY_S):
                    await self._moved.wait()
            self._moved.clear()
            try:
                await patiently(self_signed, self._root, self.hosts, crafting=self.crafting)
            except OSError as exc:
                log.warning("certificate.own_not_renewed", error=str(exc))

    def _serving(self) -> Wanted | None:
        cluster = self._cluster
        return serving_wanted(node=cluster.node_name, hostname=cluster.hostname, ips=self._ips())

    def _add(
        self,
        purpose: Purpose,
        wanted: Callable[[], Wanted | None],
        shown: StoredCredentials | None = None,
    ) -> None:
        announcer = Announcer(self._say)

        def goes_on(_: Held) -> None:
            announcer.goes_on()
            self._said()

        self._rotators.append(
            Rotator(
                purpose,
                wanted,
                store=self._store,
                signing=Signing(self._store, self._requests, self._clock, announcer.waits),
                clock=self._clock,
                changed=goes_on,
                first=shown.first if shown is not None else None,
            )
        )
