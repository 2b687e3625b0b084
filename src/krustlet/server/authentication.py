"""Who is asking: by the certificate of the connection, else by the token of the request.

Source: kubernetes cmd/kubelet/app/auth.go; anonymous requests are refused, as kubeadm has it.
"""

import hashlib
import secrets
import ssl
import time
from collections.abc import Mapping
from typing import Any, Final

import msgspec
import structlog
from aiohttp import web

from krustlet.base import KrustletError
from krustlet.objects import UserInfo
from krustlet.server.answers import Answers
from krustlet.server.ports import Reviewer
from krustlet.server.tls import ServingTls

_AUTHENTICATED: Final = "system:authenticated"
_KNOWN_S: Final = 120.0  # the kubelet's default, authentication.webhook.cacheTTL
_UNKNOWN_S: Final = 10.0
_TOKENS: Final = 1024
_AT_ONCE: Final = 8  # strangers may make us ask, and the API server has other things to do
_LONGEST_TOKEN: Final = 32 * 1024

log = structlog.get_logger(__name__)


class Authenticator:
    """Tells who sent a request over HTTPS."""

    def __init__(self, tls: ServingTls, reviewer: Reviewer) -> None:
        self._tls = tls
        self._reviewer = reviewer
        self._salt = secrets.token_bytes(16)
        self._tokens: Answers[UserInfo | None] = Answers(
            at_most=_TOKENS,
            at_once=_AT_ONCE,
            keep_s=lambda user: _UNKNOWN_S if user is None else _KNOWN_S,
        )

    async def user_of(self, request: web.Request) -> UserInfo | None:
        """Who it is, with the group of everybody who is known; None for anybody else."""
        user = self._by_certificate(request) or await self._by_token(request)
        if user is None or not user.username:
            return None
        if _AUTHENTICATED in user.groups:
            return user
        return msgspec.structs.replace(user, groups=(*user.groups, _AUTHENTICATED))

    def _by_certificate(self, request: web.Request) -> UserInfo | None:
        connection = request.get_extra_info("ssl_object")
        certificate = connection.getpeercert() if connection is not None else None
        if not certificate or not self._tls.vouches_for(connection):
            return None
        return user_of_certificate(certificate)

    async def _by_token(self, request: web.Request) -> UserInfo | None:
        token = bearer_token(request.headers.get("Authorization", ""))
        if not token or not token.isascii() or len(token) > _LONGEST_TOKEN:
            return None
        question = hashlib.blake2b(token.encode(), key=self._salt).digest()
        try:
            return await self._tokens.get(question, lambda: self._reviewer.review_token(token))
        except KrustletError as exc:
            log.warning("server.token_not_reviewed", error=exc.message)
            return None


def user_of_certificate(certificate: Mapping[str, Any]) -> UserInfo | None:
    """CN is the user, each O one of its groups; None if it names nobody, or has expired.

    Args:
        certificate: verified, as `ssl.SSLObject.getpeercert` gives it.
    """
    if ssl.cert_time_to_seconds(certificate["notAfter"]) < time.time():
        return None  # it was good when the connection began
    subject = [pair for part in certificate.get("subject", ()) for pair in part]
    names = [value for name, value in subject if name == "commonName"]
    if not names or not names[-1]:
        return None
    groups = tuple(value for name, value in subject if name == "organizationName")
    return UserInfo(username=names[-1], groups=groups)


def bearer_token(header: str) -> str:
    """The token of an Authorization header; empty where there is none."""
    kind, _, rest = header.strip().partition(" ")
    return rest.split(" ", 1)[0] if kind.lower() == "bearer" else ""
