"""Speak HTTP to the hosts of registries, and turn what goes wrong into words.

Owns connections, proxies, redirects, waiting when told to, and the step down to plain HTTP where
that is allowed. Leaves TLS contexts to `trust.py`, credentials to `auth.py`, and what to ask to
`registry.py`.

On aiohttp, as all of the house: oras, the library for this, is synchronous on requests, and can
neither verify while it streams, nor resume, nor be cancelled, nor tell of its progress.
"""

import asyncio
import contextlib
import email.utils
import os
import ssl
import time
import urllib.request
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from typing import Final, Self

import aiohttp
import structlog
from yarl import URL

from krustlet import __version__
from krustlet.base import KrustletError
from krustlet.base.sockets import Sockets
from krustlet.images.errors import RegistryAnswerInvalid, RegistryUnavailable, RegistryUntrusted
from krustlet.images.trust import RegistrySettings, Trust, host_of, is_loopback

_REDIRECTS: Final = (301, 302, 303, 307, 308)
_MAX_REDIRECTS: Final = 5
_BUSY: Final = (429, 503)
_MAX_WAITS: Final = 3
_LONGEST_WAIT_S: Final = 60.0  # told to wait longer, the caller's own back-off is better at it
_DEFAULT_WAIT_S: Final = 1.0
_CONNECTIONS_PER_HOST: Final = 16
_BUFFER_BYTES: Final = 256 * 1024

log = structlog.get_logger(__name__)

Body = bytes | Callable[[], AsyncIterator[bytes]] | None
"""What is sent; made anew for each try, if it is made of pieces."""


class Answer:
    """What a host said: status and headers; the rest is read while the request is open.

    Attributes:
        is_elsewhere: it is another host's than the one that was asked.
    """

    def __init__(
        self, response: aiohttp.ClientResponse, *, is_elsewhere: bool, stall_s: float
    ) -> None:
        self.is_elsewhere = is_elsewhere
        self.status = response.status
        self.headers = response.headers
        self.url = response.url
        self._response = response
        self._stall_s = stall_s

    async def read(self, *, limit_bytes: int) -> bytes:
        """All of the body.

        Raises:
            RegistryAnswerInvalid: it is longer than `limit_bytes`.
            RegistryUnavailable: it broke off.
        """
        pieces: list[bytes] = []
        size = 0
        async for chunk in self.chunks():
            size += len(chunk)
            if size > limit_bytes:
                raise RegistryAnswerInvalid(
                    f"{host_of(self.url)} sends more than {limit_bytes} bytes, where less will do"
                )
            pieces.append(chunk)
        return b"".join(pieces)

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body, in whatever pieces it comes.

        Raises:
            RegistryUnavailable: it broke off.
        """
        content = self._response.content
        while True:
            with _in_our_words(self.url, stall_s=self._stall_s):
                chunk = await content.readany()
            if not chunk:
                return
            yield chunk


class Transport:
    """HTTP to any host, each with the trust it has earned; `async with` it."""

    def __init__(self, settings: RegistrySettings) -> None:
        self._settings = settings
        self._trust = Trust(settings)
        self._plain: set[str] = set()
        self._session: aiohttp.ClientSession | None = None
        self._sockets = Sockets()

    async def __aenter__(self) -> Self:
        settings = self._settings
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=0,
                limit_per_host=_CONNECTIONS_PER_HOST,
                socket_factory=self._sockets.new,
            ),
            timeout=aiohttp.ClientTimeout(
                total=None, sock_connect=settings.connect_s, sock_read=settings.stall_s
            ),
            headers={"User-Agent": f"krustlet/{__version__}", "Accept-Encoding": "identity"},
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,  # digests and sizes are those of the bytes on the wire
            read_bufsize=_BUFFER_BYTES,
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()
            await self._sockets.until_closed()

    @contextlib.asynccontextmanager
    async def request(
        self,
        method: str,
        url: URL,
        *,
        headers: Mapping[str, str],
        body: Body = None,
        step_down: bool = False,
    ) -> AsyncIterator[Answer]:
        """The answer to a request, whatever its status.

        Redirects of GET and HEAD are followed, without Authorization to any other origin; a host
        that is busy is given the time it asks for.

        Args:
            step_down: speak plain HTTP to a host that does not speak TLS, if it is trusted so far.

        Raises:
            RegistryUnavailable: it cannot be reached, breaks off, or has no time.
            RegistryUntrusted: TLS to it cannot be set up.
            RegistryAnswerInvalid: it redirects in circles, or to where nobody should go.
        """
        waits = hops = 0
        is_elsewhere = False
        headers = dict(headers)
        while True:
            async with self._once(method, url, headers, body, step_down=step_down) as response:
                if response.status in _BUSY and waits < _MAX_WAITS:
                    wait_s = _wait_s(response)
                elif response.status in _REDIRECTS and method in ("GET", "HEAD"):
                    wait_s = 0.0
                    hops += 1
                    url = self._redirected(response, hops)
                    if url.origin() != response.url.origin():
                        headers.pop("Authorization", None)
                        is_elsewhere = True
                    step_down = False
                else:
                    stall_s = self._settings.stall_s
                    yield Answer(response, is_elsewhere=is_elsewhere, stall_s=stall_s)
                    return
            if wait_s:
                waits += 1
                await asyncio.sleep(wait_s)

    def _redirected(self, response: aiohttp.ClientResponse, hops: int) -> URL:
        here = response.url
        try:
            there = here.join(URL(response.headers.get("Location", "")))
        except ValueError:
            there = URL()
        if there.scheme not in ("http", "https") or hops > _MAX_REDIRECTS:
            raise RegistryAnswerInvalid(f"{host_of(here)} redirects to nowhere")
        if there.scheme == "http" != here.scheme and not self._trust.may_be_plain(host_of(there)):
            raise RegistryAnswerInvalid(
                f"{host_of(here)} redirects to {host_of(there)} without TLS",
                hint=f"list {host_of(there)} in --insecure-registries, if that is meant",
            )
        return there

    @contextlib.asynccontextmanager
    async def _once(
        self, method: str, url: URL, headers: Mapping[str, str], body: Body, *, step_down: bool
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        host = host_of(url)
        if step_down and host in self._plain:
            url = url.with_scheme("http")
        with _in_our_words(url, stall_s=self._settings.stall_s):
            try:
                response = await self._send(method, url, headers, body)
            except aiohttp.ClientConnectorError as exc:
                if not (step_down and url.scheme == "https" and self._has_no_tls(host, exc)):
                    raise
                response = await self._send(method, url.with_scheme("http"), headers, body)
                self._plain.add(host)
        # Without the query, which may hold a signature or the state of an upload.
        path, status = response.url.path, response.status
        log.debug("registry.answered", method=method, host=host, path=path, status=status)
        async with response:
            yield response

    def _has_no_tls(self, host: str, exc: aiohttp.ClientConnectorError) -> bool:
        if isinstance(exc, aiohttp.ClientConnectorCertificateError):
            return False
        if isinstance(exc, aiohttp.ClientSSLError) or isinstance(exc.os_error, ConnectionError):
            return self._trust.may_be_plain(host)
        return False

    async def _send(
        self, method: str, url: URL, headers: Mapping[str, str], body: Body
    ) -> aiohttp.ClientResponse:
        assert self._session is not None, "enter the transport first"
        context: ssl.SSLContext | bool = True
        if url.scheme == "https":
            context = await asyncio.to_thread(self._trust.context, host_of(url))
        return await self._session.request(
            method,
            url,
            headers=headers,
            data=body() if callable(body) else body,
            ssl=context,
            proxy=_proxy(url),
            allow_redirects=False,
        )


def _wait_s(response: aiohttp.ClientResponse) -> float:
    """How long the host wants to be left alone.

    Raises:
        RegistryUnavailable: for longer than we care to wait.
    """
    text = response.headers.get("Retry-After", "")
    if text.isdigit():
        wait_s = float(text)
    else:
        parsed = email.utils.parsedate_tz(text)
        wait_s = email.utils.mktime_tz(parsed) - time.time() if parsed else _DEFAULT_WAIT_S
    if wait_s > _LONGEST_WAIT_S:
        raise RegistryUnavailable(
            f"{host_of(response.url)} wants to be left alone for {wait_s:.0f} s "
            f"({response.status})",
            hint="it limits how often it is asked; some allow more to those who sign in",
        )
    return max(wait_s, _DEFAULT_WAIT_S)


def _proxy(url: URL) -> URL | None:
    """As HTTPS_PROXY, HTTP_PROXY and NO_PROXY say; never to this machine itself, as in Go.

    Not aiohttp's `trust_env`: it would send passwords of ~/.netrc, too.
    """
    host = url.host or ""
    if is_loopback(host) or urllib.request.proxy_bypass(host_of(url)):
        return None
    proxy = urllib.request.getproxies().get(url.scheme)
    return URL(proxy) if proxy else None


@contextlib.contextmanager
def _in_our_words(url: URL, *, stall_s: float) -> Iterator[None]:
    host = host_of(url)
    try:
        yield
    except KrustletError:
        raise
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as exc:
        raise _explained(exc, host, stall_s) from exc


def _explained(exc: Exception, host: str, stall_s: float) -> KrustletError:
    """What an exception of aiohttp means to somebody who wants an image.

    Not its own text where that may hold a URL: those of blobs are often signed, which is a secret.
    """
    match exc:
        case aiohttp.ClientConnectorDNSError():
            return RegistryUnavailable(
                f"no host {host} is known: {_why(exc.os_error)}",
                hint="check the name of the registry, and this machine's DNS",
            )
        case aiohttp.ClientProxyConnectionError():
            return RegistryUnavailable(
                f"cannot reach the proxy for {host}: {_why(exc.os_error)}",
                hint="check HTTPS_PROXY, HTTP_PROXY and NO_PROXY",
            )
        case aiohttp.ClientConnectorCertificateError():
            return RegistryUntrusted(
                f"{host} shows a certificate that is not trusted: {exc.certificate_error}",
                hint=f"put its CA into <--registry-certs-dir>/{host}/ca.crt, or list {host} in "
                "--insecure-registries",
            )
        case aiohttp.ClientSSLError():
            return RegistryUntrusted(
                f"cannot set up TLS with {host}: {exc.os_error}",
                hint=f"if it speaks plain HTTP, list {host} in --insecure-registries; "
                "if it wants a certificate of ours, see --registry-certs-dir",
            )
        case aiohttp.ClientConnectorError():
            return RegistryUnavailable(
                f"cannot connect to {host}: {_why(exc.os_error)}",
                hint="is the registry running, and the port right?",
            )
        case TimeoutError():
            return RegistryUnavailable(f"{host} has been silent for {stall_s:g} s")
        case aiohttp.ClientHttpProxyError():
            return RegistryUnavailable(f"the proxy refuses to connect to {host}: {exc.status}")
        case aiohttp.ClientConnectionError() | aiohttp.ClientPayloadError() | OSError():
            return RegistryUnavailable(f"the connection to {host} broke")
        case _:
            return RegistryAnswerInvalid(
                f"{host} speaks no HTTP that can be understood: {type(exc).__name__}"
            )


def _why(error: OSError) -> str:
    """The system's own words, without the number and the addresses that Python puts around them."""
    number = error.errno or 0  # those of getaddrinfo are negative
    words = os.strerror(number) if number > 0 else error.strerror or str(error)
    return words[:1].lower() + words[1:]
