"""Credentials from a program, as clouds hand them out: `client.authentication.k8s.io`.

Owns running the program, reading its answer and keeping that until it expires. The program is
asked without a terminal: nobody sits before a node.
"""

import asyncio
import contextlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec
import structlog

from krustlet.base import Clock, Instant, SystemClock
from krustlet.kube.credentials import ClientCertificate, Identity, bearer, is_token
from krustlet.kube.errors import CredentialsUnavailable
from krustlet.objects import Shape, TimestampError, from_rfc3339

API_VERSIONS: Final = ("client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1")

_ANSWER_WITHIN_S: Final = 60.0
_LEEWAY_S: Final = 10.0  # a request is on its way for a while
_ASK_AGAIN_AFTER_S: Final = 5.0  # a server that accepts nothing shall not make us run it each time
_QUOTED_CHARACTERS: Final = 200  # of what it says on stderr, which is meant for people

log = structlog.get_logger(__name__)


class ClusterInfo(Shape, frozen=True, kw_only=True):
    """The cluster that a plugin is asked for, where the kubeconfig says that it may know."""

    server: str
    tls_server_name: str = msgspec.field(default="", name="tls-server-name")
    insecure_skip_tls_verify: bool = msgspec.field(default=False, name="insecure-skip-tls-verify")
    certificate_authority_data: bytes = msgspec.field(
        default=b"", name="certificate-authority-data"
    )
    proxy_url: str = msgspec.field(default="", name="proxy-url")


class Plugin(msgspec.Struct, frozen=True, kw_only=True):
    """How a plugin is run.

    Attributes:
        command: program and arguments; a bare name is looked for in `$PATH`.
        environment: set besides our own.
        cluster: told to it if given.
        install_hint: what the kubeconfig's author says to whoever lacks the program.
    """

    api_version: str
    command: tuple[str, ...]
    environment: Mapping[str, str] = {}
    cluster: ClusterInfo | None = None
    install_hint: str = ""

    def __repr__(self) -> str:
        return f"Plugin({self.command[0]})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [("program", self.command[0])]


class _Spec(Shape, frozen=True, kw_only=True, omit_defaults=False):
    interactive: bool = False
    cluster: ClusterInfo | msgspec.UnsetType = msgspec.UNSET


class _Question(Shape, frozen=True, kw_only=True, omit_defaults=False):
    api_version: str
    kind: str = "ExecCredential"
    spec: _Spec = _Spec()


class _Offer(Shape, frozen=True, kw_only=True):
    token: str = ""
    client_certificate_data: str = ""
    client_key_data: str = ""
    expiration_timestamp: str | None = None


class _Answer(Shape, frozen=True, kw_only=True):
    api_version: str = ""
    kind: str = ""
    status: _Offer | None = None


class ExecPlugin:
    """Credentials that `plugin` hands out; it is run when there are none, or no longer."""

    def __init__(self, plugin: Plugin, clock: Clock | None = None) -> None:
        self._plugin = plugin
        self._clock = clock or SystemClock()
        self._one_at_a_time = asyncio.Lock()
        self._identity: Identity | None = None
        self._expires_at: Instant | None = None
        self._answered_at = Instant(0)

    async def identity(self) -> Identity:
        async with self._one_at_a_time:
            if self._identity is None or self._is_over():
                offer = await self._ask()
                self._identity, self._expires_at = self._read(offer)
                self._answered_at = self._clock.now()
                log.info("kube.credentials_renewed", plugin=self._plugin.command[0])
            return self._identity

    def reject(self, identity: Identity) -> None:
        """Run the program again before the next request, unless it has just been run."""
        is_fresh = self._clock.now() - self._answered_at < _ASK_AGAIN_AFTER_S
        if identity is self._identity and not is_fresh:
            self._identity = None

    def __repr__(self) -> str:
        return f"ExecPlugin({self._plugin.command[0]})"

    def _is_over(self) -> bool:
        return self._expires_at is not None and self._clock.now() >= self._expires_at - _LEEWAY_S

    async def _ask(self) -> _Offer:
        said = await self._run()
        try:
            answer = msgspec.json.decode(said, type=_Answer)
        except msgspec.MsgspecError:
            # Not chained: what could not be read may hold a token.
            raise self._failed("its answer is no ExecCredential") from None
        if answer.api_version != self._plugin.api_version:
            raise self._failed(f"it answers in {answer.api_version!r}, not in what it was asked")
        if answer.status is None:
            raise self._failed("its answer has no status")
        return answer.status

    def _read(self, offer: _Offer) -> tuple[Identity, Instant | None]:
        certificate = None
        if offer.client_certificate_data and offer.client_key_data:
            pair = offer.client_certificate_data.encode(), offer.client_key_data.encode()
            certificate = ClientCertificate(*pair)
        token = offer.token.strip()
        if not is_token(token) and (token or certificate is None):
            raise self._failed("it gives neither a token, nor a certificate with its key")
        authorization = bearer(token) if token else ""
        try:
            expires = offer.expiration_timestamp
            return Identity(authorization, certificate), from_rfc3339(expires) if expires else None
        except TimestampError as exc:
            raise self._failed(f"its expirationTimestamp is none: {exc}") from exc

    async def _run(self) -> bytes:
        spec = _Spec(cluster=self._plugin.cluster or msgspec.UNSET)
        question = _Question(api_version=self._plugin.api_version, spec=spec)
        told = {"KUBERNETES_EXEC_INFO": msgspec.json.encode(question).decode()}
        try:
            child = await asyncio.create_subprocess_exec(
                *self._plugin.command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                env={**os.environ, **self._plugin.environment, **told},
            )
        except OSError as exc:
            raise self._failed(
                f"it cannot be run: {exc.strerror or exc}", hint=self._plugin.install_hint
            ) from exc
        said, complained = await self._wait_for(child)
        if child.returncode != 0:
            last = complained.decode(errors="replace").strip().rpartition("\n")[2]
            raise self._failed(f"exit code {child.returncode}: {last[:_QUOTED_CHARACTERS]}")
        return said

    async def _wait_for(self, child: asyncio.subprocess.Process) -> tuple[bytes, bytes]:
        try:
            async with asyncio.timeout(_ANSWER_WITHIN_S):
                return await child.communicate()
        except TimeoutError as exc:
            raise self._failed(f"no answer within {_ANSWER_WITHIN_S:.0f} s") from exc
        finally:
            if child.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    child.kill()
                await child.wait()

    def _failed(self, why: str, *, hint: str = "") -> CredentialsUnavailable:
        name = Path(self._plugin.command[0]).name
        return CredentialsUnavailable(f"credential plugin {name}: {why}", hint=hint)
