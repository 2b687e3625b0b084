"""The server of the node's API: which sockets, which paths, and their life.

Leaves who may ask to `gate.py`, and each answer to the module of its path.
"""

import asyncio
import logging
import socket
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, Self

import msgspec
import structlog
from aiohttp import web

from krustlet.base import Clock, SystemClock, make_private_directory
from krustlet.certificates import Crafting, here, patiently
from krustlet.server.address import SOCKET_NAME
from krustlet.server.authentication import Authenticator
from krustlet.server.authorization import Authorizer
from krustlet.server.certificate import Serving, self_signed
from krustlet.server.configz import Configz
from krustlet.server.container_logs import ContainerLogs
from krustlet.server.gate import ClusterGuard, Gate, Guard, LocalGuard, only_locally
from krustlet.server.health import Health
from krustlet.server.listening import BACKLOG, LocalSocket, listen_on_port
from krustlet.server.pod_lists import PodLists
from krustlet.server.ports import Check, PodsControl, PodsView, Reviewer
from krustlet.server.stopping import Stopping
from krustlet.server.streams import Streams
from krustlet.server.tls import ServingTls, TlsProtocol
from krustlet.server.unsupported import UNSUPPORTED, not_yet

_IN: Final = ("exec", "attach")  # by which people get into containers
_HANDSHAKE_S: Final = 10
_LAST_ANSWERS_S: Final = 0.25  # when the node goes; who follows a log is cut off then
_IDLE_S: Final = 90.0  # as the kubelet
_LONGEST_LINE: Final = 64 * 1024  # a path with its query; commands to execute come in it
_LONGEST_HEADER: Final = 40 * 1024  # room for the longest token

log = structlog.get_logger(__name__)


class Https(msgspec.Struct, frozen=True, kw_only=True):
    """How the cluster reaches this node.

    Attributes:
        node: its name: who may do something may do it with this node.
        reviewer: knows whom tokens belong to, and who may do what.
        address: to listen on.
        port: 0 is one that is free.
        serving: PEM files of a certificate and its key; None has one made, for `hosts`.
        signed: a PEM file of both, preferred to the one that was made as soon as it is there.
        hosts: names and addresses of this node.
        streams: whether it may execute and attach; where not, it is told so.
        client_ca: PEM of who signs clients' certificates, or a file of it, which may change at any
            time; where it is empty, certificates are not asked for.
        crafting: how keys and certificates are made and read.
    """

    node: str
    reviewer: Reviewer
    address: str = "0.0.0.0"  # noqa: S104 - the API server may come from anywhere
    port: int = 10250
    serving: tuple[Path, Path] | None = None
    signed: Path | None = None
    hosts: tuple[str, ...] = ()
    client_ca: Path | bytes = b""
    streams: bool = False
    crafting: Crafting = here


class NodeServer:
    """Answers for the node while it is entered, on a socket of this machine and on a port."""

    def __init__(
        self,
        pods: PodsView,
        *,
        control: PodsControl | None = None,
        root: Path,
        logs: Path,
        https: Https | None = None,
        checks: Mapping[str, Check] | None = None,
        configuration: Callable[[], Mapping[str, Any]] | None = None,
        clock: Clock | None = None,
    ) -> None:
        """Keep what it is given.

        Args:
            pods: what there is to tell of.
            control: what may be done with it; None where people may only look.
            root: the node's data directory; the local socket and the certificate are kept there.
            logs: the directory of pod logs.
            https: None for a node without a cluster, which has the local socket alone.
            checks: of parts of the node, by name; `/healthz` tells of them.
            configuration: the settings in force, as a KubeletConfiguration; `/configz` tells them.
            clock: the machine's own, if none is given.
        """
        self._pods = pods
        self._control = control
        self._root = root
        self._logs = logs
        self._https = https
        self._checks = checks or {}
        self._configuration = configuration
        self._clock = clock or SystemClock()
        self._runner: web.AppRunner | None = None
        self._local: LocalSocket | None = None
        self._listening: list[asyncio.Server] = []
        self.port = 0
        """Where HTTPS is served, once entered."""

    @property
    def socket_path(self) -> Path:
        """Where the local API is served."""
        return self._root / SOCKET_NAME

    async def __aenter__(self) -> Self:
        """Answer from now on.

        Raises:
            ListenFailed: the port cannot be had.
            LocalApiTaken: another node serves this data directory.
            CertificateUnusable: a file for HTTPS is of no use.
            OSError: the data directory cannot be used.
        """
        try:
            await self._open()
        except BaseException:
            await self._close()
            raise
        log.info("server.listening", socket=str(self.socket_path), port=self.port)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._close()

    async def _open(self) -> None:
        make_private_directory(self._root)
        tls, guard = None, None
        if self._https is not None:
            tls = await patiently(_tls, self._https, self._root)
            guard = _guard(self._https, tls)
        self._runner = web.AppRunner(
            self._application(guard),
            access_log=None,
            logger=_quiet(),
            handler_cancellation=True,  # who goes away leaves nothing running
            keepalive_timeout=_IDLE_S,
            max_line_size=_LONGEST_LINE,
            max_field_size=_LONGEST_HEADER,
            shutdown_timeout=_LAST_ANSWERS_S,
        )
        await self._runner.setup()
        self._local = LocalSocket(self.socket_path)
        await self._serve(self._local.socket)
        if self._https is not None and tls is not None:
            listener = listen_on_port(self._https.address, self._https.port)
            self.port = listener.getsockname()[1]
            await self._serve(listener, tls)

    async def _serve(self, listener: socket.socket, tls: ServingTls | None = None) -> None:
        assert self._runner is not None
        http = self._runner.server
        assert http is not None  # it was set up
        loop = asyncio.get_running_loop()

        def secured() -> asyncio.BaseProtocol:
            assert tls is not None  # the other branch, else
            return TlsProtocol(
                loop,
                http(),
                tls.context,
                waiter=None,  # type: ignore[arg-type]  # asyncio itself gives none for servers
                server_side=True,
                ssl_handshake_timeout=_HANDSHAKE_S,
            )

        server = await loop.create_server(
            http if tls is None else secured, sock=listener, backlog=BACKLOG
        )
        self._listening.append(server)

    async def _close(self) -> None:
        for server in self._listening:
            server.close()
        if self._local is not None:
            self._local.close()
        if self._runner is not None:
            await self._runner.cleanup()

    def _application(self, cluster: Guard | None) -> web.Application:
        application = web.Application(middlewares=[Gate(LocalGuard(), cluster).admit])
        health, lists = Health(self._checks), PodLists(self._pods)
        logs = ContainerLogs(self._pods, self._logs, self._clock)
        route = application.router.add_route
        for end in ("", "/"):
            route("*", f"/healthz{end}", health.all)
            route("GET", f"/pods{end}", lists.wanted)
            route("GET", f"/runningpods{end}", lists.running)
        route("*", "/healthz/{check}", health.one)
        if self._configuration is not None:
            route("GET", "/configz", Configz(self._configuration).serve)
        route("GET", "/containerLogs/{namespace}/{pod}/{container}", logs.serve)
        unsupported = {**UNSUPPORTED}
        if self._control is not None:
            self._let_in(application.router, self._control)
            if self._https is None or self._https.streams:
                unsupported = {path: what for path, what in unsupported.items() if path not in _IN}
        for beginning, what in unsupported.items():
            route("*", f"/{beginning}/{{rest:.*}}", not_yet(what))
        return application

    def _let_in(self, router: web.UrlDispatcher, control: PodsControl) -> None:
        streams, stopping = Streams(self._pods, control), Stopping(self._pods, control)
        for name, handler in zip(_IN, (streams.execute, streams.attach), strict=True):
            if self._https is not None and not self._https.streams:
                handler = only_locally(handler, not_yet(name))
            for path in ("{pod}/{container}", "{pod}/{uid}/{container}"):
                for method in ("GET", "POST"):
                    router.add_route(method, f"/{name}/{{namespace}}/{path}", handler)
        pod = "{namespace}/{pod}"
        router.add_route("POST", f"/stop/{pod}", only_locally(stopping.stop, _nowhere))
        router.add_route("DELETE", f"/rm/{pod}", only_locally(stopping.remove, _nowhere))


async def _nowhere(_: web.Request) -> web.StreamResponse:
    raise web.HTTPNotFound


def _quiet() -> logging.Logger:
    """A log for aiohttp that nobody reads: it quotes malformed headers, and tokens are in some.
    What goes wrong behind the gate is told by the gate."""
    logger = logging.Logger("krustlet.server.http")
    logger.disabled = True
    return logger


def _tls(https: Https, root: Path) -> ServingTls:
    if https.serving is not None:
        return ServingTls([Serving(*https.serving)], https.client_ca)
    choices = [self_signed(root, https.hosts or (https.node,), crafting=https.crafting)]
    if https.signed is not None:
        choices.insert(0, Serving(https.signed, https.signed))
    return ServingTls(choices, https.client_ca)


def _guard(https: Https, tls: ServingTls) -> ClusterGuard:
    return ClusterGuard(Authenticator(tls, https.reviewer), Authorizer(https.reviewer), https.node)
