"""`/healthz`: whether the node is well, all in all and part by part.

Source: k8s.io/apiserver pkg/server/healthz/healthz.go.
"""

from collections.abc import Mapping
from http import HTTPStatus

import structlog
from aiohttp import web

from krustlet.server.ports import Check

log = structlog.get_logger(__name__)


class Health:
    """Answers for all checks; `ping` and `log` are always among them."""

    def __init__(self, checks: Mapping[str, Check]) -> None:
        self._checks: dict[str, Check] = {"ping": _well, "log": _well, **checks}

    async def all(self, request: web.Request) -> web.Response:
        excluded = set(request.query.getall("exclude", ()))
        lines, failed = [], {}
        for name, check in self._checks.items():
            if name in excluded:
                lines.append(f"[+]{name} excluded: ok")
            elif problem := check():
                failed[name] = problem
                lines.append(f"[-]{name} failed: reason withheld")  # the part's own path tells it
            else:
                lines.append(f"[+]{name} ok")
        if unknown := excluded - self._checks.keys():
            names = ",".join(f'"{name}"' for name in sorted(unknown))
            lines.append(f"warn: some health checks cannot be excluded: no matches for {names}")
        if failed:
            log.warning("server.unhealthy", **failed)
            text = "\n".join([*lines, "healthz check failed\n"])
            return web.Response(status=HTTPStatus.INTERNAL_SERVER_ERROR, text=text)
        if "verbose" in request.query:
            return web.Response(text="\n".join([*lines, "healthz check passed\n"]))
        return web.Response(text="ok")

    async def one(self, request: web.Request) -> web.Response:
        check = self._checks.get(request.match_info["check"])
        if check is None:
            raise web.HTTPNotFound
        if problem := check():
            status = HTTPStatus.INTERNAL_SERVER_ERROR
            return web.Response(status=status, text=f"internal server error: {problem}\n")
        return web.Response(text="ok")


def _well() -> str:
    return ""
