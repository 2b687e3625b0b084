"""What somebody may do, and what of this node a path belongs to.

Source: kubernetes pkg/kubelet/server/auth.go.
"""

import hashlib
from typing import Final

import msgspec

from krustlet.objects import UserInfo
from krustlet.server.answers import Answers
from krustlet.server.ports import Action, Reviewer

_VERBS: Final = {
    "POST": "create",
    "GET": "get",
    "PUT": "update",
    "PATCH": "patch",
    "DELETE": "delete",
}
_PROXY: Final = "proxy"
# The finer subresource is asked for first, and `proxy` after it if that is not enough.
_FINE: Final = {
    "/pods": "pods",
    "/healthz": "healthz",
    "/configz": "configz",
    "/runningpods": "pods",
}
# These are never reached by way of `proxy`.
_ONLY: Final = {
    "/stats": "stats",
    "/metrics": "metrics",
    "/logs": "log",
    "/checkpoint": "checkpoint",
    "/statusz": "statusz",
    "/flagz": "configz",
}
# The kubelet's defaults, authorization.webhook.
_ALLOWED_S: Final = 300.0
_DENIED_S: Final = 30.0
_ANSWERS: Final = 1024
_AT_ONCE: Final = 8


class Authorizer:
    """Has a reviewer decide, and remembers for a while what it said."""

    def __init__(self, reviewer: Reviewer) -> None:
        self._reviewer = reviewer
        self._answers: Answers[bool] = Answers(
            at_most=_ANSWERS,
            at_once=_AT_ONCE,
            keep_s=lambda allowed: _ALLOWED_S if allowed else _DENIED_S,
        )

    async def allows(self, user: UserInfo, action: Action) -> bool:
        """Whether `user` may do it.

        Raises:
            KrustletError: nobody can tell.
        """
        question = hashlib.blake2b(msgspec.json.encode((user, action))).digest()
        return await self._answers.get(question, lambda: self._reviewer.review_access(user, action))


def actions_of(method: str, path: str, *, node: str) -> list[Action]:
    """What a request does; whoever may do any of it may do it.

    Args:
        path: decoded; need not be one that exists.
    """
    fine = [subresource for root, subresource in _FINE.items() if _is_below(path, root)]
    only = [subresource for root, subresource in _ONLY.items() if _is_below(path, root)]
    verb = _VERBS.get(method, "")
    return [Action(verb, node, subresource) for subresource in (*fine, *(only or [_PROXY]))]


def _is_below(path: str, root: str) -> bool:
    return path == root or path.startswith(f"{root}/")
