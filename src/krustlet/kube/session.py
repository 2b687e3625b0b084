"""Connections to one API server: every call is answered, refused, or given up in time.

Owns TLS, credentials on the wire, and trying again where that is safe. Leaves the meaning of paths
and bodies to `client.py`, the pace to `limiter.py`, and the end of sockets to `base.sockets`.

There is no limit on connections: each watch holds one, and no number of them may keep a request
waiting.
"""

import asyncio
import os
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final, Self

import aiohttp
import structlog
from aiohttp.hdrs import ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONTENT_TYPE, USER_AGENT
from multidict import CIMultiDict
from yarl import URL

from krustlet import __version__
from krustlet.base.sockets import Sockets
from krustlet.kube.calls import JSON, Call
from krustlet.kube.config import KubeConfig
from krustlet.kube.credentials import ClientCertificate, Identity
from krustlet.kube.errors import (
    ApiError,
    ApiUnavailable,
    CredentialsUnavailable,
    KubeConfigError,
    Unauthorized,
    error_from_answer,
)

# A connection idles no longer than the server lets it, or requests meet one that is being closed.
# Source: k8s.io/apiserver pkg/server/secure_serving.go, `IdleTimeout`: 90 s.
_IDLE_S: Final = 60.0
_CONNECT_WITHIN_S: Final = 10.0
_TRIES: Final = 5  # as long as the server says that it is busy
_HEADERS_KEPT: Final = 32  # kinds of bodies, times a few tokens
_SUCCESS: Final = range(200, 300)
_BUSY: Final = (429, 503)  # with Retry-After: it has not begun with the request

log = structlog.get_logger(__name__)


class Session:
    """Speaks to the server of `config`; use as `async with`."""

    def __init__(self, config: KubeConfig, *, timeout_s: float) -> None:
        """Keep what it is given.

        Args:
            timeout_s: longest time for a whole answer, with all waits for a busy server.
        """
        self._config = config
        self._timeout_s = timeout_s
        self._http: aiohttp.ClientSession | None = None
        self._tls: tuple[ClientCertificate | None, ssl.SSLContext] | None = None
        self._making_tls = asyncio.Lock()
        self._headers: dict[tuple[str, str], CIMultiDict[str]] = {}
        self._is_tls = config.server.startswith("https:")
        self._sockets = Sockets()

    async def __aenter__(self) -> Self:
        self._http = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=0,
                limit_per_host=0,
                keepalive_timeout=_IDLE_S,
                socket_factory=self._sockets.new,
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,  # nothing is compressed: we say that we do not want it
            skip_auto_headers=(ACCEPT, ACCEPT_ENCODING, USER_AGENT, CONTENT_TYPE),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_WITHIN_S),
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._http is not None
        await self._http.close()
        await self._sockets.until_closed()

    async def exchange(self, call: Call) -> bytes:
        """The body of the answer.

        Raises:
            ApiError: there is none, or it is no success.
        """
        try:
            async with asyncio.timeout(self._timeout_s) as limit:
                response = await self._answer(call, limit)
                return await response.read()
        except TimeoutError as exc:
            raise self._too_late(call) from exc
        except (aiohttp.ClientError, OSError) as exc:
            raise self._unavailable(call, exc) from exc

    @asynccontextmanager
    async def stream(self, call: Call, *, silence_s: float) -> AsyncIterator[aiohttp.StreamReader]:
        """The body of an answer that goes on and on; reading it raises what aiohttp raises.

        Args:
            call: one that only reads.
            silence_s: longest time without a single byte.

        Raises:
            ApiError: there is no answer, or it is no success.
        """
        try:
            async with asyncio.timeout(self._timeout_s) as limit:
                response = await self._answer(call, limit, silence_s=silence_s)
        except TimeoutError as exc:
            raise self._too_late(call) from exc
        try:
            yield response.content
        finally:
            response.close()

    # one call ---------------------------------------------------------------------------------

    async def _answer(
        self, call: Call, limit: asyncio.Timeout, *, silence_s: float | None = None
    ) -> aiohttp.ClientResponse:
        """A successful one, of which only the headers have been read."""
        renewed = False
        tries = 0
        while True:
            tries += 1
            identity = await self._config.credentials.identity()
            response = await self._send(call, identity, silence_s)
            if response.status in _SUCCESS:
                return response
            error = await self._error(call, response)
            if isinstance(error, Unauthorized) and not renewed:
                renewed = True
                if await self._has_other(identity):
                    continue
            wait_s = error.retry_after_s
            if error.status not in _BUSY or wait_s is None or tries == _TRIES:
                raise error
            if _seconds_left(limit) <= wait_s:
                raise error
            log.debug("kube.busy", call=str(call), retry_in_s=wait_s)
            await asyncio.sleep(wait_s)

    async def _send(
        self, call: Call, identity: Identity, silence_s: float | None
    ) -> aiohttp.ClientResponse:
        try:
            return await self._request(call, identity, silence_s)
        except (aiohttp.ClientError, OSError) as exc:
            # An idle connection may be closed just when we take it up again. Aiohttp itself tries
            # once more, but not with this method, which it cannot know to be repeatable.
            is_ours_to_repeat = call.repeatable and call.method == aiohttp.hdrs.METH_PATCH
            if not (is_ours_to_repeat and _is_cut(exc)):
                raise self._unavailable(call, exc) from exc
        try:
            return await self._request(call, identity, silence_s)
        except (aiohttp.ClientError, OSError) as exc:
            raise self._unavailable(call, exc) from exc

    async def _request(
        self, call: Call, identity: Identity, silence_s: float | None
    ) -> aiohttp.ClientResponse:
        assert self._http is not None, "not entered"
        tls = await self._tls_for(identity) if self._is_tls else True
        timeout = (
            self._http.timeout
            if silence_s is None
            else aiohttp.ClientTimeout(
                total=None, sock_connect=_CONNECT_WITHIN_S, sock_read=silence_s
            )
        )
        return await self._http.request(
            call.method,
            URL(self._config.server + call.path, encoded=True),
            data=call.body,
            headers=self._headers_of(identity, call.content_type),
            allow_redirects=False,
            timeout=timeout,
            ssl=tls,
            server_hostname=self._config.tls_server_name or None,
            proxy=self._config.proxy_url or None,
        )

    def _headers_of(self, identity: Identity, content_type: str) -> CIMultiDict[str]:
        key = identity.authorization, content_type
        if (headers := self._headers.get(key)) is None:
            headers = CIMultiDict({ACCEPT: JSON, USER_AGENT: f"krustlet/{__version__}"})
            if identity.authorization:
                headers[AUTHORIZATION] = identity.authorization
            if content_type:
                headers[CONTENT_TYPE] = content_type
            if len(self._headers) > _HEADERS_KEPT:
                self._headers.clear()  # of tokens that have been replaced
            self._headers[key] = headers
        return headers

    # TLS and credentials ----------------------------------------------------------------------

    async def _tls_for(self, identity: Identity) -> ssl.SSLContext:
        if self._tls is not None and self._tls[0] is identity.certificate:
            return self._tls[1]
        async with self._making_tls:  # once for all who wait for it
            if self._tls is not None and self._tls[0] is identity.certificate:
                return self._tls[1]
            try:
                made = await asyncio.to_thread(self._config.ssl_context, identity.certificate)
            except KubeConfigError as exc:
                raise CredentialsUnavailable(exc.message, hint=exc.hint) from exc
            # Idle connections that were made otherwise are not used again, and soon closed.
            self._tls = identity.certificate, made
            return made

    async def _has_other(self, refused: Identity) -> bool:
        self._config.credentials.reject(refused)
        return await self._config.credentials.identity() != refused

    # what went wrong --------------------------------------------------------------------------

    async def _error(self, call: Call, response: aiohttp.ClientResponse) -> ApiError:
        try:
            body = await response.read()
        except aiohttp.ClientError as exc:
            return self._unavailable(call, exc)
        retry_after = response.headers.get(aiohttp.hdrs.RETRY_AFTER, "")
        return error_from_answer(str(call), response.status, body, retry_after=retry_after)

    def _too_late(self, call: Call) -> ApiUnavailable:
        return ApiUnavailable(f"{call}: {self._config.server} gave no answer in time")

    def _unavailable(self, call: Call, exc: Exception) -> ApiUnavailable:
        hint = ""
        if isinstance(exc, aiohttp.ClientConnectorCertificateError):
            hint = f"see certificate-authority in {self._config.origin}"
        elif isinstance(exc, aiohttp.ClientProxyConnectionError):
            hint = f"see proxy-url in {self._config.origin}"
        elif isinstance(exc, aiohttp.ClientConnectorError):
            hint = f"is an API server running at {self._config.server}?"
        return ApiUnavailable(f"{call} at {self._config.server}: {_in_words(exc)}", hint=hint)


def _is_cut(exc: Exception) -> bool:
    """Whether there was a connection, and it went away before anything came back."""
    if isinstance(exc, aiohttp.ClientConnectorError):
        return False
    return isinstance(exc, aiohttp.ServerDisconnectedError | aiohttp.ClientOSError)


def _in_words(exc: Exception) -> str:
    match exc:
        case aiohttp.ClientConnectorCertificateError(certificate_error=ssl.SSLError() as why):
            return getattr(why, "verify_message", "") or str(why.reason)
        case aiohttp.ClientResponseError():
            return f"{exc.status} {exc.message}"  # its own text may quote a proxy's password
        case OSError(errno=int(number)) if number > 0:
            return os.strerror(number)
        case _:
            return str(exc) or type(exc).__name__


def _seconds_left(limit: asyncio.Timeout) -> float:
    ends = limit.when()
    assert ends is not None  # every call has one
    return ends - asyncio.get_running_loop().time()
