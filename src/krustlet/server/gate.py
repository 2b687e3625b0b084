"""The gate that each request passes before anything is told of what lies behind it.

Owns the answers 401, 403 and 404, and the wall that a handler's bug stops at.
"""

import os
import socket
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Final, Protocol

import structlog
from aiohttp import web

from krustlet.base import KrustletError
from krustlet.server.authentication import Authenticator
from krustlet.server.authorization import Authorizer, actions_of
from krustlet.server.listening import peer_uid

_LARGEST_BODY: Final = 64 * 1024  # nothing here reads any
_ROOT: Final = 0

log = structlog.get_logger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Guard(Protocol):
    async def refusal(self, request: web.Request) -> web.Response | None:
        """Why the request is not let in; None if it is."""


class ClusterGuard:
    """Lets in whom the API server knows, and allows."""

    def __init__(self, authenticator: Authenticator, authorizer: Authorizer, node: str) -> None:
        self._authenticator = authenticator
        self._authorizer = authorizer
        self._node = node

    async def refusal(self, request: web.Request) -> web.Response | None:
        if (request.content_length or 0) > _LARGEST_BODY:
            return _answer(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "Request Entity Too Large\n")
        user = await self._authenticator.user_of(request)
        if user is None:
            return _answer(HTTPStatus.UNAUTHORIZED, "Unauthorized")
        actions = actions_of(request.method, request.path, node=self._node)
        for action in actions:
            what = f"user={user.username}, verb={action.verb}, resource=nodes"
            try:
                if await self._authorizer.allows(user, action):
                    return None
            except KrustletError as exc:
                log.warning("server.access_not_reviewed", error=exc.message)
                text = f"Authorization error ({what}, subresource={action.subresource})"
                return _answer(HTTPStatus.INTERNAL_SERVER_ERROR, text)
        subresources = " ".join(action.subresource for action in actions)
        what = f"user={user.username}, verb={actions[0].verb}, resource=nodes"
        log.info("server.forbidden", user=user.username, verb=actions[0].verb, of=subresources)
        return _answer(
            HTTPStatus.FORBIDDEN, f"Forbidden ({what}, subresource(s)=[{subresources}])\n"
        )


class LocalGuard:
    """Lets in this user and root: the socket's mode keeps out others, too."""

    async def refusal(self, request: web.Request) -> web.Response | None:
        connection: socket.socket = request.get_extra_info("socket")
        if peer_uid(connection) in (_ROOT, os.geteuid()):
            return None
        return _answer(HTTPStatus.FORBIDDEN, "Forbidden (another user's node)\n")


def is_local(request: web.Request) -> bool:
    """Whether it came over the socket of this machine.

    Raises:
        ConnectionResetError: the client is gone.
    """
    connection = request.get_extra_info("socket")
    if connection is None:
        raise ConnectionResetError("the client is gone")
    return bool(connection.family == socket.AF_UNIX)


def only_locally(handler: Handler, otherwise: Handler) -> Handler:
    """`handler` for requests of this machine, and `otherwise` for those over HTTPS."""

    async def answer(request: web.Request) -> web.StreamResponse:
        return await (handler if is_local(request) else otherwise)(request)

    return answer


class Gate:
    """Stands before all handlers, and before the answer that there is none."""

    def __init__(self, local: Guard, cluster: Guard | None) -> None:
        self._local = local
        self._cluster = cluster

    @web.middleware
    async def admit(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            refusal = await self._guard_of(request).refusal(request)
            return await handler(request) if refusal is None else refusal
        except web.HTTPNotFound:
            return _answer(HTTPStatus.NOT_FOUND, "404: Page Not Found\n")
        except (web.HTTPException, ConnectionError):
            raise
        except Exception:
            log.exception("server.request_failed", method=request.method, path=request.path)
            return _answer(HTTPStatus.INTERNAL_SERVER_ERROR, "Internal Server Error\n")

    def _guard_of(self, request: web.Request) -> Guard:
        if is_local(request):
            return self._local
        assert self._cluster is not None  # there is no port without it
        return self._cluster


def _answer(status: HTTPStatus, text: str) -> web.Response:
    return web.Response(status=status, text=text)
