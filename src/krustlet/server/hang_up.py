"""Notice that a client is gone while nothing is read from it.

Whoever types faster than the guest reads is not read from meanwhile, and so its going would show
only when the guest reads on, if ever.
"""

import asyncio
import contextlib
import select
from collections.abc import Iterator

from aiohttp import web


@contextlib.contextmanager
def noticing_hang_up(request: web.Request) -> Iterator[None]:
    """In this block the connection is torn down when the client has closed it, which cancels the
    handler of the request; read or not, what it sent is lost then."""
    transport = request.transport
    if transport is None:
        raise ConnectionResetError("the client is gone")
    loop = asyncio.get_running_loop()
    with select.epoll() as closing:
        closing.register(transport.get_extra_info("socket").fileno(), select.EPOLLRDHUP)
        loop.add_reader(closing.fileno(), transport.abort)
        try:
            yield
        finally:
            loop.remove_reader(closing.fileno())
