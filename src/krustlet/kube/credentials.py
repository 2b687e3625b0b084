"""Who we are to the API server, and how that is renewed while we run.

Owns what goes into the `Authorization` header and the client certificate. Leaves programs that
hand out credentials to `exec_plugin.py`, and the meaning of a kubeconfig to `kubeconfig.py`.
"""

import asyncio
import base64
import math
from pathlib import Path
from typing import Any, Final, Protocol

import msgspec

from krustlet.kube.errors import CredentialsUnavailable, KubeConfigError

# A service account's token lies there for some minutes before the old one expires.
# Source: client-go transport/token_source.go, `NewCachedFileTokenSource`.
_TOKEN_FILE_TTL_S: Final = 60.0


class ClientCertificate:
    """A certificate and its key; files are read anew each time, as they may be rotated.

    No value of a credential is part of any `repr`, here and below.
    """

    def __init__(self, certificate: Path | bytes, key: Path | bytes) -> None:
        self._certificate = certificate
        self._key = key

    def pem(self) -> bytes:
        """The certificate, those that vouch for it, and the key, in one.

        Raises:
            KubeConfigError: a file cannot be read.
        """
        certificate, key = _content(self._certificate), _content(self._key)
        return certificate if certificate == key else certificate.rstrip() + b"\n" + key

    def __repr__(self) -> str:
        where = [part for part in (self._certificate, self._key) if isinstance(part, Path)]
        return f"ClientCertificate({', '.join(map(str, where)) or 'inline'})"


def _content(part: Path | bytes) -> bytes:
    if isinstance(part, bytes):
        return part
    try:
        return part.read_bytes()
    except OSError as exc:
        raise KubeConfigError(f"{part} cannot be read: {exc.strerror or exc}") from exc


class Identity(msgspec.Struct, frozen=True):
    """What one request shows.

    Attributes:
        authorization: the header of that name, or nothing.
        certificate: what the connection is made with, if anything.
    """

    authorization: str = ""
    certificate: ClientCertificate | None = None

    def __repr__(self) -> str:
        scheme = self.authorization.partition(" ")[0]
        return f"Identity({scheme or 'no header'}, {self.certificate})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [("certificate", self.certificate)]


class Credentials(Protocol):
    """Where identities come from."""

    async def identity(self) -> Identity:
        """The one to show now.

        Raises:
            CredentialsUnavailable: there is none.
        """
        ...

    def reject(self, identity: Identity) -> None:
        """Hear that the server did not accept `identity`: the next one may have to be another."""
        ...


class FixedCredentials:
    """The same identity for ever."""

    def __init__(self, identity: Identity) -> None:
        self._identity = identity

    async def identity(self) -> Identity:
        return self._identity

    def reject(self, identity: Identity) -> None:
        pass  # there is no other

    def __repr__(self) -> str:
        return f"FixedCredentials({self._identity})"


class TokenFile:
    """A bearer token that somebody else keeps fresh on disk."""

    def __init__(self, path: Path, certificate: ClientCertificate | None) -> None:
        self._path = path
        self._certificate = certificate
        self._identity: Identity | None = None
        self._read_again_at = -math.inf

    async def identity(self) -> Identity:
        now = asyncio.get_running_loop().time()
        if self._identity is None or now >= self._read_again_at:
            self._identity = Identity(bearer(await self._token()), self._certificate)
            self._read_again_at = now + _TOKEN_FILE_TTL_S
        return self._identity

    def reject(self, identity: Identity) -> None:
        self._read_again_at = -math.inf

    async def _token(self) -> str:
        try:
            content = await asyncio.to_thread(self._path.read_bytes)
        except OSError as exc:
            why = exc.strerror or str(exc)
            raise CredentialsUnavailable(f"token file {self._path}: {why}") from exc
        token = content.decode("ascii", errors="replace").strip()
        if not is_token(token):
            raise CredentialsUnavailable(f"token file {self._path} does not hold one token")
        return token

    def __repr__(self) -> str:
        return f"TokenFile({self._path})"


def is_token(text: str) -> bool:
    """Whether `text` can stand in a header as it is."""
    return text.isascii() and text.isprintable() and len(text.split()) == 1


def bearer(token: str) -> str:
    """The header that shows `token`."""
    return f"Bearer {token}"


def basic(username: str, password: str) -> str:
    """The header that shows a name and a password."""
    return "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()
