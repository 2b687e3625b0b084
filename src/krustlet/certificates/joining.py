"""Credentials for a node: those it has, as long as they are of use, or new ones by a bootstrap.

Owns the choice, and what becomes of credentials that are of no use any more: they are kept beside,
with `.old` behind their names. Leaves getting a certificate to `bootstrapping.py`, the kubeconfig's
form to `kubeconfig.py`, and renewing in time to `rotation.py`.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Final

import msgspec
import structlog

from krustlet.base import Clock, make_private_directory
from krustlet.certificates.apart import patiently
from krustlet.certificates.approval import Announcer
from krustlet.certificates.aside import copy_aside, put_aside
from krustlet.certificates.bootstrapping import first_certificate
from krustlet.certificates.crafts import ReadPem
from krustlet.certificates.errors import (
    AnotherCluster,
    AnotherNode,
    BootstrapFileUnusable,
    CertificateUnreadable,
    CredentialsExpired,
    CredentialsMissing,
    CredentialsUnusable,
    KubeConfigUnwritable,
)
from krustlet.certificates.identity import StoredCredentials
from krustlet.certificates.kubeconfig import (
    is_same_cluster,
    is_written_here,
    warn_if_exposed,
    write_kubeconfig,
)
from krustlet.certificates.ports import Requests, RequestsApi
from krustlet.certificates.signing import Signing
from krustlet.certificates.store import Held, Store
from krustlet.certificates.wanted import Purpose, client_wanted, node_user
from krustlet.kube import (
    CredentialsUnavailable,
    KubeClient,
    KubeConfig,
    KubeConfigError,
    load_kubeconfig,
)
from krustlet.objects import to_rfc3339

_LOOK_EVERY_S: Final = 10.0  # at a clock that somebody may set right

log = structlog.get_logger(__name__)


@asynccontextmanager
async def requests_at(cluster: KubeConfig) -> AsyncIterator[Requests]:
    """The requests for certificates that the API server of a kubeconfig has."""
    async with KubeClient(cluster) as client:
        yield RequestsApi(client)


class Joining(msgspec.Struct, frozen=True, kw_only=True):
    """One node on its way into a cluster.

    Attributes:
        kubeconfig: the one to use, or to be written.
        bootstrap_file: a kubeconfig to ask for credentials with, if there is one.
        node: its name.
        say: puts a line before whoever started the node.
        open_requests: the way to the API server of a kubeconfig.
    """

    kubeconfig: Path
    bootstrap_file: Path | None
    node: str
    clock: Clock
    store: Store
    say: Callable[[str], None]
    open_requests: Callable[[KubeConfig], AbstractAsyncContextManager[Requests]] = requests_at


async def credentials_for(joining: Joining) -> KubeConfig:
    """How to reach the API server as this node; waits for approval, and for the clock, for ever.

    Its credentials are `StoredCredentials` exactly where they are a certificate of the node: such
    are to be renewed.

    Raises:
        CredentialsMissing: there is neither a kubeconfig nor a bootstrap file.
        CredentialsUnusable, CredentialsExpired: no bootstrap file, either.
        AnotherNode, AnotherCluster: the kubeconfig is somebody else's.
        KubeConfigError: it cannot be used.
        CertificatesError: whatever else; see the types below it.
    """
    return await _Join(joining).credentials()


class _Join:
    def __init__(self, joining: Joining) -> None:
        self._joining = joining
        self._kubeconfig = joining.kubeconfig
        self._store = joining.store
        self._user = node_user(joining.node)

    async def credentials(self) -> KubeConfig:
        if not _is_there(self._kubeconfig):
            if self._joining.bootstrap_file is None:
                raise CredentialsMissing(self._kubeconfig)
            return await self._bootstrapped()
        return await self._existing() or await self._bootstrapped()

    # what there is ----------------------------------------------------------------------------

    async def _existing(self) -> KubeConfig | None:
        """What the kubeconfig and the store give; None: nothing, but there is a bootstrap file."""
        warn_if_exposed(self._kubeconfig)
        stored = await patiently(self._store.held, Purpose.CLIENT)
        try:
            config = load_kubeconfig(self._kubeconfig)
            if self._has_left(config):
                return None
            own = await self._own(config)
        except (KubeConfigError, CertificateUnreadable) as exc:
            if not is_written_here(self._kubeconfig):
                raise
            # It was fine when it was written; so it is the certificate that is gone, or damaged.
            self._give_up(CredentialsUnusable(exc.message))
            return None
        shown = self._newest(own, stored)
        if shown is None:
            return config  # a token or a plugin
        return await self._judged(config, shown)

    async def _own(self, config: KubeConfig) -> Held | None:
        """The certificate that the kubeconfig itself names; None if it has other credentials."""
        try:
            identity = await config.credentials.identity()
        except CredentialsUnavailable:
            return None  # a plugin that has nothing yet; whoever uses it will wait
        if identity.certificate is None:
            return None
        pem = await asyncio.to_thread(identity.certificate.pem)
        facts = (await patiently(self._store.crafting, ReadPem(pem))).facts(config.origin)
        return Held(config.origin, facts, facts.not_before)

    def _newest(self, own: Held | None, stored: Held | None) -> Held | None:
        """Which of the two to show: the node's, one that is good now, the later one."""
        if own is None:
            return None
        now = self._joining.clock.now()
        return max(
            (one for one in (own, stored) if one is not None),
            key=lambda one: (
                one.facts.common_name == self._user,
                now < one.facts.not_after,
                one.facts.not_before,
                one is stored,
            ),
        )

    async def _judged(self, config: KubeConfig, shown: Held) -> KubeConfig | None:
        name = shown.facts.common_name
        is_of_a_node = name.startswith(node_user(""))
        if is_of_a_node and name != self._user:
            error = AnotherNode(shown.path, found=name, wanted=self._user)
            if not is_written_here(self._kubeconfig):
                raise error
            self._give_up(error)
            return None
        now = self._joining.clock.now()
        if now >= (not_after := shown.facts.not_after):
            self._give_up(CredentialsExpired(shown.path, not_after=not_after, now=now))
            return None
        await self._until_good(shown)
        if not is_of_a_node:
            log.warning(
                "join.not_a_node",
                kubeconfig=str(self._kubeconfig),
                user=name,
                hint=f"this may do more than a node should, or less; who is {self._user} is one:"
                " see --kubeconfig, KUBECONFIG and --bootstrap-file",
            )
            return config
        return self._renewable(config, shown)

    def _renewable(self, config: KubeConfig, shown: Held) -> KubeConfig:
        if shown.path == self._store.path(Purpose.CLIENT):
            credentials = StoredCredentials(self._store, config.credentials)
        else:
            put_aside(self._store.path(Purpose.CLIENT))
            credentials = StoredCredentials(self._store, config.credentials, first=shown)
        return msgspec.structs.replace(config, credentials=credentials)

    async def _until_good(self, held: Held) -> None:
        """Wait until the certificate is good by our clock, or the clock has been set right."""
        not_before = held.facts.not_before
        if (now := self._joining.clock.now()) < not_before:
            log.warning(
                "join.certificate_not_good_yet",
                file=str(held.path),
                good_from=to_rfc3339(not_before),
                clock=to_rfc3339(now),
                hint="set the clock of this machine right; the node waits until then",
            )
        # A clock tells nobody when it is set.
        while (left_s := not_before - self._joining.clock.now()) > 0:  # noqa: ASYNC110
            await asyncio.sleep(min(left_s, _LOOK_EVERY_S))

    # what is of no use any more ---------------------------------------------------------------

    def _has_left(self, config: KubeConfig) -> bool:
        """Whether the bootstrap file is for another cluster, which the node is to join.

        Raises:
            AnotherCluster: the kubeconfig is not ours to replace.
        """
        try:
            if self._joining.bootstrap_file is None:
                return False
            new = load_kubeconfig(self._joining.bootstrap_file)
        except KubeConfigError as exc:  # it may be gone once the node has joined
            log.info("join.bootstrap_file_ignored", reason=exc.message)
            return False
        if is_same_cluster(config, new):
            if config.server != new.server:
                log.info("join.bootstrap_file_ignored", server=config.server, there=new.server)
            return False
        if not is_written_here(self._kubeconfig):
            raise AnotherCluster(
                self._kubeconfig,
                server=config.server,
                bootstrap_file=new.origin,
                bootstrap_server=new.server,
            )
        log.warning("join.another_cluster", was=config.server, now=new.server)
        self._keep_copies()
        return True

    def _give_up(self, error: CredentialsUnusable | CredentialsExpired | AnotherNode) -> None:
        """Go on to a bootstrap, or raise `error` where there is nothing to do it with.

        All stays in its place until it is replaced: a clock that has not been set yet, or a machine
        that has no name yet, must not cost the next start its credentials.
        """
        if self._joining.bootstrap_file is None:
            raise error
        log.warning("join.bootstraps_anew", reason=error.message)
        self._keep_copies()

    def _keep_copies(self) -> None:
        copy_aside(self._kubeconfig)
        copy_aside(self._store.path(Purpose.CLIENT))

    # a bootstrap ------------------------------------------------------------------------------

    async def _bootstrapped(self) -> KubeConfig:
        cluster = self._bootstrap_cluster()
        self._make_room()
        log.info("join.bootstraps", server=cluster.server, file=str(cluster.origin))
        announcer = Announcer(self._joining.say)
        async with self._joining.open_requests(cluster) as requests:
            held = await first_certificate(
                client_wanted(node=self._joining.node),
                signing=Signing(self._store, requests, self._joining.clock, announcer.waits),
                requests=requests,
                cluster=cluster,
                clock=self._joining.clock,
            )
        announcer.goes_on()
        write_kubeconfig(self._kubeconfig, cluster=cluster, certificate=held.path)
        log.info(
            "join.has_credentials",
            kubeconfig=str(self._kubeconfig),
            good_until=to_rfc3339(held.facts.not_after),
        )
        await self._until_good(held)
        return self._renewable(load_kubeconfig(self._kubeconfig), held)

    def _bootstrap_cluster(self) -> KubeConfig:
        file = self._joining.bootstrap_file
        assert file is not None, "there is no way to a bootstrap without one"
        if not _is_there(file):
            raise BootstrapFileUnusable(f"there is no bootstrap file {file}")
        warn_if_exposed(file)
        try:
            return load_kubeconfig(file)
        except KubeConfigError as exc:
            raise BootstrapFileUnusable(
                f"the bootstrap file cannot be used: {exc.message}", hint=exc.hint
            ) from exc

    def _make_room(self) -> None:
        """Nobody is to approve a request for nothing."""
        directory = self._kubeconfig.parent
        try:
            make_private_directory(directory)
        except OSError as exc:
            raise KubeConfigUnwritable(self._kubeconfig, exc.strerror or str(exc)) from exc
        if not os.access(directory, os.W_OK | os.X_OK):
            raise KubeConfigUnwritable(self._kubeconfig, f"{directory} is not writable")


def _is_there(path: Path) -> bool:
    return os.path.lexists(path)
