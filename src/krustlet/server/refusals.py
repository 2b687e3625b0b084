"""Say no in words: a refusal ends a handler from wherever it is found."""

from collections.abc import Awaitable, Callable
from functools import wraps
from http import HTTPStatus
from typing import Any

from aiohttp import web


class Refused(Exception):
    """A request is not granted; the text is for whoever sent it."""

    def __init__(self, status: HTTPStatus, text: str) -> None:
        super().__init__(text)
        self.status = status


def refusing(
    handler: Callable[[Any, web.Request], Awaitable[web.StreamResponse]],
) -> Callable[[Any, web.Request], Awaitable[web.StreamResponse]]:
    """A method that answers requests, and with the refusal where it raises one."""

    @wraps(handler)
    async def answer(self: Any, request: web.Request) -> web.StreamResponse:
        try:
            return await handler(self, request)
        except Refused as exc:
            return web.Response(status=exc.status, text=str(exc))

    return answer
