"""Make the node known to the API server, however long that takes.

Leaves what the node says of itself to `identity.py` and `status.py`, and later reports to
`reporter.py`.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, NamedTuple

import structlog

from krustlet.base import Backoff
from krustlet.kube import AlreadyExists, ApiError, Forbidden, Unauthorized
from krustlet.node.identity import missing_taints, reconciling_patch
from krustlet.node.patience import answered, in_words, rest_s
from krustlet.node.ports import Nodes
from krustlet.objects import Node

_RETRIES: Final = Backoff(initial_s=0.1, max_s=7.0)

log = structlog.get_logger(__name__)


class Registered(NamedTuple):
    """The node as the API server has it, and whether that is our doing."""

    node: Node
    is_new: bool


class Registrar:
    """Registers one node."""

    def __init__(self, nodes: Nodes) -> None:
        self._nodes = nodes

    async def register(self, name: str, make: Callable[[], Awaitable[Node]]) -> Registered:
        """The node `name` is there, with its labels and annotations; tries for ever.

        One that is there already keeps its status and its taints.

        Args:
            make: what to register; asked anew for each try, as the last may be long ago. What
                goes wrong there is no reason to try again.
        """
        failures = 0
        complaint = ""
        while True:
            wanted = await make()
            try:
                return await self._try(wanted)
            except (ApiError, TimeoutError) as exc:
                failures += 1
                wait_s = rest_s(exc, failures, _RETRIES)
                if (said := in_words(exc)) != complaint:
                    _complain(name, exc)
            complaint = said
            await asyncio.sleep(wait_s)

    async def _try(self, wanted: Node) -> Registered:
        try:
            node = await answered(self._nodes.create(wanted))
        except AlreadyExists:
            return await self._reconcile(wanted)
        except Forbidden as refusal:
            # Who may not create nodes may still be one that somebody else has created.
            try:
                return await self._reconcile(wanted)
            except (ApiError, TimeoutError):
                raise refusal from None
        log.info("node.registered", node=node.name)
        return Registered(node, is_new=True)

    async def _reconcile(self, wanted: Node) -> Registered:
        node = await answered(self._nodes.get())
        if patch := reconciling_patch(wanted, node):
            node = await answered(self._nodes.patch(patch))
        if missing := missing_taints(wanted.spec.taints, node.spec.taints):
            log.warning(
                "node.taints_missing",
                node=node.name,
                taints=missing,
                hint="a node may not change its taints; let an administrator run:"
                f" kubectl taint node {node.name} {' '.join(missing)}",
            )
        log.info("node.found_registered", node=node.name)
        return Registered(node, is_new=False)


def _complain(name: str, error: Exception) -> None:
    is_in_the_way = isinstance(error, ApiError) and not error.retryable
    level = log.error if is_in_the_way else log.warning
    hint = _hint(name, error) if isinstance(error, ApiError) else ""
    level("node.not_registered", node=name, reason=in_words(error), hint=hint)


def _hint(name: str, error: ApiError) -> str:
    if isinstance(error, Forbidden | Unauthorized):
        return f"the kubeconfig's user must be system:node:{name}, in the group system:nodes" + (
            f"; {error.hint}" if error.hint else ""
        )
    return error.hint
