"""Something between one node and the API server that spoils what goes through, as told.

Owns its end of TLS, with a certificate that the cluster's authority has signed, and the faults,
which a test switches while the node runs. To the API server it is the node itself, whoever asks.
Runs in a thread of its own, with a loop of its own.
"""

import asyncio
import contextlib
import ssl
import threading
import time
from collections.abc import Coroutine, Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeVar

import aiohttp
import msgspec
from aiohttp import hdrs, web
from multidict import CIMultiDict
from yarl import URL

from tests.support.authority import Authority, Identity
from tests.support.children import reserved_port
from tests.support.cluster import NODES, Cluster

T = TypeVar("T")
_Telling = AbstractAsyncContextManager[aiohttp.ClientResponse]

_HOST: Final = "127.0.0.1"
_CALL_LIMIT_S: Final = 20.0
_OF_ONE_HOP: Final = (hdrs.CONNECTION, hdrs.HOST, hdrs.CONTENT_LENGTH, hdrs.TRANSFER_ENCODING)


class Faults(msgspec.Struct, frozen=True, kw_only=True):
    """What is wrong; nothing, if nothing is named.

    Attributes:
        delay_s: every answer comes so much later; what a watch tells after that is in time.
        busy_s: everything is refused with 429, and this is when to come again.
        forbidden: the resources, as in paths, of which nothing is allowed.
        watch_s: so long does a watch last, then its connection is cut off.
        silent: nothing that arrives is answered, and watches tell nothing.
    """

    delay_s: float = 0.0
    busy_s: int | None = None
    forbidden: frozenset[str] = frozenset()
    watch_s: float | None = None
    silent: bool = False


class Asked(msgspec.Struct, frozen=True):
    """One request, as it arrived.

    Attributes:
        at: by `time.monotonic`.
        path: without the query.
        watches: whether it is to be told of what changes from now on.
    """

    at: float
    method: str
    path: str
    watches: bool


class _At(NamedTuple):
    host: str
    port: int


class ApiProxy:
    """As `with ApiProxy.start(…) as proxy`.

    Attributes:
        server: what a kubeconfig is to name.
        asked: what has arrived.
    """

    def __init__(
        self, cluster: Cluster, identity: Identity, *, right: Identity, wrong: Identity, at: _At
    ) -> None:
        """Keep what it is given.

        Args:
            identity: who it is to the API server.
            right, wrong: what it shows to whoever connects.
        """
        self.server = f"https://{at.host}:{at.port}"
        self.asked: list[Asked] = []
        self._upstream = cluster.server
        self._to_upstream = ssl.create_default_context(cafile=cluster.ca)
        self._to_upstream.load_cert_chain(identity.certificate, identity.key)
        self._right, self._wrong, self._at = right, wrong, at
        self._shown: Identity | None = None
        self._faults = Faults()
        self._speaking = asyncio.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="api-proxy")
        self._http: aiohttp.ClientSession | None = None
        self._runner: web.ServerRunner | None = None
        self._watches: dict[asyncio.Transport, str] = {}

    @classmethod
    @contextlib.contextmanager
    def start(
        cls,
        cluster: Cluster,
        node: str,
        directory: Path,
        *,
        host: str = _HOST,
        names: Sequence[str] = (),
    ) -> "Iterator[ApiProxy]":
        """One between `node` and the cluster, without faults.

        Args:
            directory: its own; holds what it shows where its certificate is to be wrong.
            host: one of this machine's addresses, to listen at.
            names: by which it is known, too.
        """
        identity = cluster.issue(f"system:node:{node}", groups=[NODES])
        right = cluster.issue("api-proxy", hosts=[host, *names])
        wrong = Authority.create(directory, "stranger").issue("stranger", hosts=[host])
        with reserved_port(host) as port:
            proxy = cls(cluster, identity, right=right, wrong=wrong, at=_At(host, port))
            proxy._thread.start()
            try:
                proxy._call(proxy._open())
                yield proxy
            finally:
                proxy._call(proxy._close())
                proxy._loop.call_soon_threadsafe(proxy._loop.stop)
                proxy._thread.join()
                proxy._loop.close()

    # for tests --------------------------------------------------------------------------------

    def be(self, faults: Faults) -> None:
        """These are the faults from now on, and no others; it listens, with the right name.

        A watch that is under way is as long as one that begins now.
        """
        self._call(self._become(faults))

    def refuse(self) -> None:
        """Whoever connects is refused, and whoever was connected is so no more."""
        self._call(self._stop_listening())

    def show_wrong_certificate(self) -> None:
        """Whoever connects is shown a certificate of an authority that nobody knows."""
        self._call(self._listen(self._wrong))

    def asked_for(self, resource: str, *, since: float = 0.0) -> list[Asked]:
        """What has arrived about `resource` from the moment `since` on."""
        parts = (asked for asked in list(self.asked) if resource in asked.path.split("/"))
        return [asked for asked in parts if asked.at >= since]

    def is_watched(self, resource: str) -> bool:
        """Whether somebody is being told of what changes among `resource`."""
        return any(path.rpartition("/")[2] == resource for path in list(self._watches.values()))

    # in the thread ----------------------------------------------------------------------------

    def _call(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(_CALL_LIMIT_S)

    async def _open(self) -> None:
        self._http = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=self._to_upstream, limit=0),
            timeout=aiohttp.ClientTimeout(total=None),
            auto_decompress=False,
        )
        await self._become(Faults())

    async def _close(self) -> None:
        await self._stop_listening()
        assert self._http is not None
        await self._http.close()

    async def _become(self, faults: Faults) -> None:
        self._faults = faults
        if faults.silent:
            self._speaking.clear()
        else:
            self._speaking.set()
        if faults.watch_s is not None:
            for transport in self._watches:
                self._loop.call_later(faults.watch_s, transport.abort)
        if self._shown is not self._right:
            await self._listen(self._right)

    async def _listen(self, identity: Identity) -> None:
        """At the port, with that certificate; connections that were open are so no more."""
        await self._stop_listening()
        self._runner = web.ServerRunner(web.Server(self._answer), shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(
            self._runner, *self._at, ssl_context=identity.server_context(), reuse_port=True
        )
        await site.start()
        self._shown = identity

    async def _stop_listening(self) -> None:
        for transport in self._watches:
            transport.abort()
        if self._runner is not None:
            await self._runner.cleanup()  # with all that is open
        self._runner = self._shown = None

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        watches = "watch" in request.query
        self.asked.append(Asked(time.monotonic(), request.method, request.path, watches))
        await self._speaking.wait()
        faults = self._faults
        if faults.busy_s is not None:
            return _refusal(
                HTTPStatus.TOO_MANY_REQUESTS,
                "TooManyRequests",
                "too many requests, please try again later",
                headers={hdrs.RETRY_AFTER: str(faults.busy_s)},
            )
        for resource in faults.forbidden.intersection(request.path.split("/")):
            what = f'{resource} "{request.path.rpartition("/")[2]}" is forbidden'
            return _refusal(HTTPStatus.FORBIDDEN, "Forbidden", what)
        return await self._pass_on(request, faults)

    async def _pass_on(self, request: web.BaseRequest, faults: Faults) -> web.StreamResponse:
        answer = web.StreamResponse()
        try:
            async with self._ask(request, await request.read()) as told:
                await asyncio.sleep(faults.delay_s)
                answer.set_status(told.status)
                answer.headers.update(_passed_on(told.headers))
                await answer.prepare(request)
                with self._watched(request, faults):
                    async for chunk in told.content.iter_any():
                        await self._speaking.wait()
                        await answer.write(chunk)
                await answer.write_eof()
        except (aiohttp.ClientError, ConnectionError):
            _cut(request)  # one end has gone away, so the other one goes, too
        return answer

    def _ask(self, request: web.BaseRequest, body: bytes) -> "_Telling":
        assert self._http is not None
        return self._http.request(
            request.method,
            URL(self._upstream + request.raw_path, encoded=True),
            data=body or None,
            headers=_passed_on(request.headers),
            allow_redirects=False,
        )

    @contextlib.contextmanager
    def _watched(self, request: web.BaseRequest, faults: Faults) -> Iterator[None]:
        if "watch" not in request.query or (transport := request.transport) is None:
            yield
            return
        self._watches[transport] = request.path
        if faults.watch_s is not None:
            self._loop.call_later(faults.watch_s, transport.abort)
        try:
            yield
        finally:
            self._watches.pop(transport, None)


def _cut(request: web.BaseRequest) -> None:
    if request.transport is not None:
        request.transport.abort()


def _passed_on(headers: Any) -> CIMultiDict[str]:
    return CIMultiDict((k, v) for k, v in headers.items() if k not in _OF_ONE_HOP)


def _refusal(status: HTTPStatus, reason: str, message: str, **more: Any) -> web.Response:
    """As the API server words it."""
    told = {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": message,
        "reason": reason,
        "code": int(status),
    }
    return web.Response(
        status=status, body=msgspec.json.encode(told), content_type="application/json", **more
    )
