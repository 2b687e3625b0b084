"""Get the first certificate of a node from an API server that has never heard of it.

Owns what is worth waiting for and what is not. Leaves the request itself to `signing.py`, and the
files to `joining.py`.
"""

import asyncio
import re
from typing import Final, Protocol

import structlog

from krustlet.base import Backoff, Clock
from krustlet.certificates.errors import BootstrapRefused, ServerUntrusted
from krustlet.certificates.ports import Requests
from krustlet.certificates.store import Held
from krustlet.certificates.trust import Distrust, clock_hint, distrust
from krustlet.certificates.wanted import Wanted
from krustlet.kube import ApiError, Forbidden, KubeConfig, NotFound, Unauthorized

_ANSWER_WITHIN_S: Final = 30.0  # a server under load may take ten seconds for each answer
_RETRIES: Final = Backoff(initial_s=0.2, max_s=7.0)
# An API server that has just been started may not know anybody for a moment.
_PATIENCE_S: Final = 5.0
# The first part is no secret, the second one is.
# Source: kubernetes staging/src/k8s.io/cluster-bootstrap/token/api/types.go.
_TOKEN: Final = re.compile(r"Bearer ([a-z0-9]{6})\.[a-z0-9]{16}")

log = structlog.get_logger(__name__)


class Obtaining(Protocol):
    """Of a `Signing`, what is needed here."""

    async def obtain(self, wanted: Wanted) -> Held: ...


async def first_certificate(
    wanted: Wanted, *, signing: Obtaining, requests: Requests, cluster: KubeConfig, clock: Clock
) -> Held:
    """The certificate, kept in the store; waits for server and approval for ever.

    Args:
        cluster: what the bootstrap file says; errors name the file.

    Raises:
        BootstrapRefused: the server does not know the token, or no longer.
        ServerUntrusted: it is not the server that the file means.
        CertificatesError: the request was refused; see `Signing.obtain`.
    """
    reception = _Reception(cluster, clock)
    while True:
        try:
            await _call_on(requests, wanted.name)
            reception.has_answered()
            return await signing.obtain(wanted)
        except (ApiError, TimeoutError) as exc:
            await reception.note(exc)
        await asyncio.sleep(reception.rest_s())


async def _call_on(requests: Requests, name: str) -> None:
    """The server has let us in; whether there is such a request does not matter."""
    try:
        async with asyncio.timeout(_ANSWER_WITHIN_S):
            await requests.get(name)
    except (NotFound, Forbidden):
        pass


class _Reception:
    """How a stranger is received by the API server, and who is told of it."""

    def __init__(self, cluster: KubeConfig, clock: Clock) -> None:
        self._cluster = cluster
        self._clock = clock
        self._failures = 0
        self._refused_at: float | None = None
        self._said: set[str] = set()

    def has_answered(self) -> None:
        if self._said:
            log.info("join.api_server_answers", server=self._cluster.server)
        self._failures = 0
        self._refused_at = None
        self._said.clear()

    async def note(self, error: Exception) -> None:
        """Say what keeps us waiting, once for each kind of it.

        Raises:
            BootstrapRefused, ServerUntrusted: waiting does not help.
        """
        self._failures += 1
        hint = error.hint if isinstance(error, ApiError) else ""
        match distrust(error):
            case Distrust.STRANGER:
                raise ServerUntrusted(
                    self._cluster.origin, server=self._cluster.server, message=_in_words(error)
                ) from error
            case Distrust.CLOCK:
                hint = clock_hint(self._clock.now())
        await self._be_patient(error)
        if (said := _in_words(error)) not in self._said:
            self._said.add(said)
            log.warning(
                "join.waits_for_api_server", server=self._cluster.server, reason=said, hint=hint
            )

    async def _be_patient(self, error: Exception) -> None:
        if not isinstance(error, Unauthorized):
            self._refused_at = None
            return
        now = asyncio.get_running_loop().time()
        self._refused_at = now if self._refused_at is None else self._refused_at
        if now - self._refused_at >= _PATIENCE_S:
            raise BootstrapRefused(
                self._cluster.origin,
                token_id=await _token_id(self._cluster),
                server=self._cluster.server,
                message=error.message,
            ) from error

    def rest_s(self) -> float:
        return _RETRIES.wait_s(self._failures + 1)


async def _token_id(cluster: KubeConfig) -> str:
    """The part of the bootstrap token that is no secret; empty where there is no such token."""
    found = _TOKEN.fullmatch((await cluster.credentials.identity()).authorization)
    return found[1] if found is not None else ""


def _in_words(error: Exception) -> str:
    return str(error) or f"no answer within {_ANSWER_WITHIN_S:.0f} s"
