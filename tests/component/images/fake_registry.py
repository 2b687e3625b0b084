"""A registry that does as it is told: lies, breaks off, redirects, hands out tokens.

Real in all that matters to a client: HTTP on loopback. Every request is kept.
"""

import asyncio
import base64
import contextlib
import hashlib
import json
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from aiohttp import web

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"

Handler = Callable[[web.Request], Awaitable[web.StreamResponse | None]]


def digest_of(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def basic(user: str, password: str) -> str:
    return f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"


class FakeRegistry:
    """Manifests and blobs by path, below any repository.

    Attributes:
        address: host and port.
        asked: `METHOD path` of all requests, in order.
        authorizations: what each showed, in the same order.
        before: may answer in place of the registry, or fall through by returning None.
    """

    def __init__(self) -> None:
        self.address = ""
        self.scheme = "http"
        self.asked: list[str] = []
        self.authorizations: list[str | None] = []
        self.ranges: list[str | None] = []
        self.before: list[Handler] = []
        self.manifests: dict[str, tuple[bytes, str]] = {}
        self.blobs: dict[str, bytes] = {}

    def put(self, tag: str, module: bytes, *, layer: dict[str, Any] | None = None) -> str:
        """Have an image of one layer, of which `layer` may say something else."""
        told = {
            "mediaType": "application/wasm",
            "digest": digest_of(module),
            "size": len(module),
            **(layer or {}),
        }
        self.blobs[told["digest"]] = module
        return self.put_manifest(
            tag, {"schemaVersion": 2, "mediaType": MANIFEST, "layers": [told]}, MANIFEST
        )

    def put_manifest(self, tag: str, document: object, content_type: str) -> str:
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        for name in (tag, digest_of(body)):
            self.manifests[name] = (body, content_type)
        return digest_of(body)

    def url(self, path: str) -> str:
        return f"{self.scheme}://{self.address}{path}"

    @contextlib.asynccontextmanager
    async def running(self, context: ssl.SSLContext | None = None) -> AsyncIterator["FakeRegistry"]:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._answer)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
        await site.start()
        try:
            host, port = runner.addresses[0][:2]
            self.address = f"{host}:{port}"
            self.scheme = "https" if context is not None else "http"
            yield self
        finally:
            await runner.cleanup()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(f"{request.method} {request.path}")
        self.authorizations.append(request.headers.get("Authorization"))
        self.ranges.append(request.headers.get("Range"))
        for handler in self.before:
            if (answer := await handler(request)) is not None:
                return answer
        kind, _, name = request.path.rpartition("/")
        if kind.endswith("/manifests") and name in self.manifests:
            body, content_type = self.manifests[name]
            headers = {"Docker-Content-Digest": digest_of(body), "Content-Type": content_type}
            return web.Response(body=body, headers=headers)
        if kind.endswith("/blobs") and name in self.blobs:
            return _blob(request, self.blobs[name])
        return web.json_response({"errors": [{"code": "UNKNOWN"}]}, status=404)


def _blob(request: web.Request, data: bytes) -> web.Response:
    begin = request.http_range.start
    if not begin:
        return web.Response(body=data)
    headers = {"Content-Range": f"bytes {begin}-{len(data) - 1}/{len(data)}"}
    return web.Response(status=206, body=data[begin:], headers=headers)


async def cut_off(request: web.Request, data: bytes, *, after: int) -> web.StreamResponse:
    """Promise all of `data`, send a piece of it, and hang up."""
    response = web.StreamResponse(headers={"Content-Length": str(len(data))})
    await response.prepare(request)
    await response.write(data[:after])
    await asyncio.sleep(0.1)  # let it arrive
    assert request.transport is not None
    request.transport.close()
    return response


class Tokens:
    """Lets in only who shows a token that it has issued.

    Attributes:
        issued: the requests for tokens: method, query or form, Authorization.
        life_s: how long a token is said to live.
    """

    def __init__(self, registry: FakeRegistry, *, password: str = "", refresh: str = "") -> None:
        self.issued: list[tuple[str, dict[str, str], str | None]] = []
        self.life_s = 300
        self.valid: set[str] = set()
        self._registry = registry
        self._password = password
        self._refresh = refresh
        registry.before.append(self._guard)

    async def _guard(self, request: web.Request) -> web.StreamResponse | None:
        if request.path == "/token":
            return await self._issue(request)
        if request.headers.get("Authorization", "").removeprefix("Bearer ") in self.valid:
            return None
        realm = self._registry.url("/token")
        offer = f'Bearer realm="{realm}",service="test",scope="repository:hello:pull"'
        return web.Response(status=401, headers={"WWW-Authenticate": offer})

    async def _issue(self, request: web.Request) -> web.StreamResponse:
        said = dict(await request.post() if request.method == "POST" else request.query)
        shown = request.headers.get("Authorization")
        self.issued.append((request.method, {k: str(v) for k, v in said.items()}, shown))
        if self._password and shown != basic("alice", self._password):
            return web.Response(status=401)
        if self._refresh and said.get("refresh_token") != self._refresh:
            return web.json_response({"error": "invalid_grant"}, status=400)
        token = f"token-{len(self.issued)}-{time.monotonic_ns()}"
        self.valid.add(token)
        name = "access_token" if request.method == "POST" else "token"
        return web.json_response({name: token, "expires_in": self.life_s})
