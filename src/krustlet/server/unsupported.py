"""Say in words what this node does not do yet, where 404 would puzzle."""

from collections.abc import Mapping
from typing import Final

from aiohttp import web

from krustlet.server.gate import Handler

UNSUPPORTED: Final[Mapping[str, str]] = {
    "exec": "exec",
    "attach": "attach",
    "portForward": "port-forward",
    "run": "run",
}
"""What people call it, by the beginning of its path."""


def not_yet(what: str) -> Handler:
    """A handler that answers 501."""

    async def answer(_: web.Request) -> web.StreamResponse:
        text = f"{what} is not supported by this Krustlet node yet\n"
        return web.Response(status=501, text=text)

    return answer
