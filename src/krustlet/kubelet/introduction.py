"""See at the start whether the API server will have this node at all.

Who mistook a kubeconfig is to hear of it at once. A server that does not answer is another matter:
it is waited for, as it may come back any time.
"""

import asyncio
from pathlib import Path
from typing import Final, Protocol

import structlog

from krustlet.base import Backoff, Clock, KrustletError, SystemClock
from krustlet.certificates import Distrust, clock_hint, distrust
from krustlet.kube import ApiError, Forbidden, NotFound, Unauthorized
from krustlet.objects import Node

_REQUEST_LIMIT_S: Final = 30.0  # a server under load may take ten seconds for each answer
_RETRIES: Final = Backoff(initial_s=0.2, max_s=7.0)
# One that has just been started may not know anybody for a moment.
_PATIENCE_S: Final = 5.0
_CLOCK: Final = SystemClock()

log = structlog.get_logger(__name__)


class NodeRefused(KrustletError):
    """The API server and this node do not get along, and time does not mend it."""


class Nodes(Protocol):
    """Of a `NodeApi`, what is needed here."""

    async def get(self) -> Node: ...


async def introduce(nodes: Nodes, *, name: str, kubeconfig: Path, clock: Clock = _CLOCK) -> None:
    """The API server has answered this node; waits for it for as long as it takes.

    Args:
        name: of the node.
        kubeconfig: where it says who the node is; errors name it.
        clock: named where the server's certificate is good at another time: that may be set right.

    Raises:
        NodeRefused: either of them cannot prove who it is, or the node is somebody else's.
    """
    loop = asyncio.get_running_loop()
    failures = 0
    refused_at: float | None = None
    complaint = ""
    while True:
        try:
            async with asyncio.timeout(_REQUEST_LIMIT_S):
                await nodes.get()
            return
        except NotFound:
            return  # it knows us, and no such node yet
        except (ApiError, TimeoutError) as exc:
            if (refusal := _refusal(exc, name, kubeconfig)) is None:
                refused_at = None
            else:
                refused_at = loop.time() if refused_at is None else refused_at
                if isinstance(refusal, _Untrusted) or loop.time() - refused_at >= _PATIENCE_S:
                    raise refusal from exc
            said = _in_words(exc)
            if said != complaint:
                log.warning("node.waits_for_api_server", reason=said, hint=_hint(exc, clock))
            complaint = said
        failures += 1
        await asyncio.sleep(_RETRIES.wait_s(failures + 1))


class _Untrusted(NodeRefused):
    """It is not the server that the kubeconfig means."""


def _refusal(error: Exception, name: str, kubeconfig: Path) -> NodeRefused | None:
    """What `error` means for the node; None if it may be over in a moment."""
    if isinstance(error, Unauthorized):
        return NodeRefused(
            f"the API server does not know who this node is: {error.message}",
            hint=f"the credentials in {kubeconfig} have expired, or belong to another cluster",
        )
    if isinstance(error, Forbidden):
        return NodeRefused(
            f"the API server does not let this be node {name!r}: {error.message}",
            hint=f"the user of {kubeconfig} must be system:node:{name}, in the group system:nodes; "
            "or choose the node's name with --node-name",
        )
    if distrust(error) is Distrust.STRANGER and isinstance(error, ApiError):
        return _Untrusted(
            f"the API server is not the one that the kubeconfig means: {error.message}",
            hint=error.hint,
        )
    return None


def _hint(error: Exception, clock: Clock) -> str:
    if distrust(error) is Distrust.CLOCK:
        return clock_hint(clock.now())
    return error.hint if isinstance(error, ApiError) else ""


def _in_words(error: Exception) -> str:
    return str(error) or f"no answer within {_REQUEST_LIMIT_S:.0f} s"
