"""Approve what one node asks for, as it asks, until it has joined.

Owns the order of what a node goes through, and telling of it. Leaves whether a request may be
approved to `verdict.py`, and the words for what is missing to `progress.py`.
"""

import asyncio
import contextlib
from typing import Final
from urllib.parse import urlsplit

import msgspec

from krustlet.admin.errors import NotJoined, may
from krustlet.admin.ports import Api, Voice
from krustlet.admin.progress import (
    APPROVED,
    is_ready,
    is_refused,
    is_settled,
    missing,
    missing_of_ready,
    named,
)
from krustlet.admin.seen import Seen
from krustlet.admin.verdict import (
    Approve,
    Expected,
    Later,
    Leave,
    addresses_of,
    client_key,
    is_from,
    judge,
    purpose_of,
)
from krustlet.base import Clock
from krustlet.certificates import Purpose
from krustlet.kube import ApiError, Conflict, NotFound, PatchKind
from krustlet.objects import (
    NODES,
    SIGNING_REQUESTS,
    CertificateSigningRequest,
    Node,
    SigningRequestCondition,
    from_rfc3339,
)

AGENT_LABEL: Final = "node-role.kubernetes.io/agent"
"""What `kubectl get nodes` shows as the role `agent`; no node may give it to itself."""

_REASON: Final = "KrustletApprove"
_MESSAGE: Final = "krustlet bootstrap --wait: it is what the node should ask for"
_TRIES: Final = 5
_RETRY_S: Final = 2.0
_SERVING_WITHIN_S: Final = 10.0  # once ready, who wants a serving certificate has asked by then


class Joined(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it.

    Attributes:
        approved: the requests that were approved here, in order.
        serving: whether a serving certificate of the node was approved meanwhile.
    """

    node: str
    approved: tuple[str, ...]
    serving: bool


class Approver:
    """Waits for one node; see `run`."""

    def __init__(
        self,
        api: Api,
        voice: Voice,
        clock: Clock,
        *,
        node: str,
        server: str,
        token_id: str = "",
        token_ends: str = "",
    ) -> None:
        """Keep what it is given.

        Args:
            server: the URL of the API server: no node's certificate may be for it.
            token_id: the only token that counts; empty: any.
            token_ends: when that is, RFC 3339; empty: never.
        """
        self._api = api
        self._voice = voice
        self._clock = clock
        self._node = node
        self._server = server
        self._token_id = token_id
        self._token_ends = token_ends
        self._seen = Seen(node)
        self._approved: list[str] = []
        self._told: dict[str, str] = {}
        self._ready_at: float | None = None

    async def run(self, *, within_s: float) -> Joined:
        """The node is ready and labelled, and what it asked for and may have is approved.

        Raises:
            NotJoined: not in that time; it says what is missing.
            RightsMissing: we may not see or approve requests, or label nodes.
            ApiError: the API server does not answer at the start, or refuses something else.
        """
        try:
            async with asyncio.timeout(within_s):
                await self._look_first()
                async with self._seen.kept_up(self._api):
                    return await self._until_joined()
        except TimeoutError as exc:
            raise self._not_joined(within_s) from exc

    async def _look_first(self) -> None:
        """Who may not see what is needed hears of it now: a watch would try for ever."""
        with may("see CertificateSigningRequests"):
            there = (await self._api.list(SIGNING_REQUESTS)).items
        self._seen.leave_out(frozenset(one.metadata.uid for one in there if is_settled(one)))
        await self._others()

    async def _until_joined(self) -> Joined:
        while True:
            self._seen.changed.clear()
            try:
                await self._decide_all()
                is_ready_now = await self._has_joined()
            except ApiError as exc:
                if not exc.retryable:
                    raise
                self._voice.warn(f"trying again: {exc.message}", exc.hint)
                await asyncio.sleep(_RETRY_S)
                continue
            if is_ready_now and (joined := self._outcome()) is not None:
                return joined
            # A node that is ready is given some time to ask for a serving certificate.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._patience_s() if is_ready_now else None):
                    await self._seen.changed.wait()

    # requests ---------------------------------------------------------------------------------

    def _expected(self) -> Expected:
        return Expected(node=self._node, token_id=self._token_id, object=self._seen.node)

    async def _decide_all(self) -> None:
        for request in self._seen.requests():
            if not is_settled(request) and is_from(request, self._expected()):
                await self._decide(request)

    async def _decide(self, request: CertificateSigningRequest) -> None:
        expected = self._expected()
        if purpose_of(request) is Purpose.SERVING:
            expected = msgspec.structs.replace(expected, elsewhere=await self._elsewhere())
        else:
            expected = msgspec.structs.replace(expected, keys=self._keys(expected))
        match judge(request, expected):
            case Approve():
                await self._approve(request)
            case Later(why=why):
                if self._is_news(request, text := f"{named(request)} waits: {why}"):
                    self._voice.say(text)
            case Leave(why=why):
                if self._is_news(request, text := f"{named(request)} is left alone: {why}"):
                    by_hand = f"kubectl certificate approve {request.name}"
                    self._voice.warn(text, f"if it is right all the same: {by_hand}")

    def _keys(self, expected: Expected) -> frozenset[str]:
        """Those of all machines that could be the node: an approval cannot be taken back."""
        asking = (one for one in self._seen.requests() if not is_refused(one))
        return frozenset(key for one in asking if (key := client_key(one, expected)))

    def _is_news(self, request: CertificateSigningRequest, text: str) -> bool:
        said = self._told.get(request.metadata.uid)
        self._told[request.metadata.uid] = text
        return said != text

    async def _elsewhere(self) -> dict[str, str]:
        """The names and addresses that are somebody else's."""
        found = {
            one: f"node {node.name}"
            for node in await self._others()
            for one in (node.name, *addresses_of(node))
        }
        if host := urlsplit(self._server).hostname:
            found[host] = "the API server"
        return found

    async def _others(self) -> list[Node]:
        with may("see Nodes"):
            nodes = (await self._api.list(NODES)).items
        return [node for node in nodes if node.name != self._node]

    async def _approve(self, request: CertificateSigningRequest) -> None:
        for _ in range(_TRIES):
            try:
                with may("approve certificates of nodes"):
                    approved = await self._api.replace(
                        SIGNING_REQUESTS,
                        request.name,
                        _with_approval(request),
                        subresource="approval",
                    )
            except NotFound:
                return  # taken back meanwhile
            except Conflict:
                again = await self._api.get(SIGNING_REQUESTS, request.name)
                if again.metadata.uid != request.metadata.uid or is_settled(again):
                    return  # another one of that name, which the watch brings; or no need any more
                request = again
            else:
                self._seen.note(approved)
                self._approved.append(approved.name)
                self._voice.say(f"{named(request)} approved")
                return

    # the node ---------------------------------------------------------------------------------

    async def _has_joined(self) -> bool:
        """Whether the node is ready; it is labelled when it first is."""
        node = self._seen.node
        if node is None or not is_ready(node):
            return False
        if self._ready_at is None:
            if AGENT_LABEL not in node.metadata.labels:
                await self._label()
            self._voice.say(f"node {node.name} is ready, with the role agent")
            self._ready_at = asyncio.get_running_loop().time()
        return True

    async def _label(self) -> None:
        patch = {"metadata": {"labels": {AGENT_LABEL: ""}}}
        with may("label nodes"):
            await self._api.patch(NODES, self._node, patch, kind=PatchKind.MERGE)

    def _outcome(self) -> Joined | None:
        """What came of it; None while a serving certificate may have to be approved yet."""
        serving = self._seen.serving()
        if serving and not is_settled(serving[-1]):
            return None
        if not serving and self._patience_s() != 0:
            return None
        is_approved = bool(serving) and serving[-1].condition(APPROVED) is not None
        if not serving:
            self._voice.say(f"node {self._node} asks for no serving certificate now")
        elif not is_approved:
            self._voice.warn(f"{named(serving[-1])} was refused by somebody")
        return Joined(node=self._node, approved=tuple(self._approved), serving=is_approved)

    def _patience_s(self) -> float | None:
        """How much longer a request for a serving certificate is waited for; None: no matter."""
        if self._ready_at is None or self._seen.serving():
            return None
        waited_s = asyncio.get_running_loop().time() - self._ready_at
        return max(0.0, _SERVING_WITHIN_S - waited_s)

    # too late ---------------------------------------------------------------------------------

    def _not_joined(self, within_s: float) -> NotJoined:
        node = self._seen.node
        if self._ready_at is not None and node is not None and is_ready(node):
            what, hint = missing_of_ready(self._seen.serving(), self._told)
            how_far = "is ready, but has got no serving certificate"
        else:
            what, hint = self._missing(node)
            how_far = "has not joined"
        return NotJoined(f"node {self._node} {how_far} within {within_s:g} s: {what}", hint=hint)

    def _missing(self, node: Node | None) -> tuple[str, str]:
        # Who has shown our token may be another node: that is not what keeps this one.
        own = self._seen.requests_of(Expected(node=self._node))
        what, hint = missing(node, own, self._told, name=self._node, server=self._server)
        if node is None and not any(one.status.certificate for one in own):
            if self._has_token_ended():
                return (
                    f"{what}, and token {self._token_id} ended at {self._token_ends}",
                    f"make another (krustlet bootstrap --wait {self._node}; --ttl says how long it "
                    "is good), and give the machine the new file",
                )
            if not own and (others := self._seen.requests_of(self._expected())):
                why = self._told.get(others[-1].metadata.uid, f"there is {named(others[-1])}")
                hint = f"{hint} Or is this one meant, and called otherwise: {why}"
        return what, hint

    def _has_token_ended(self) -> bool:
        return bool(self._token_ends) and from_rfc3339(self._token_ends) <= self._clock.now()


def _with_approval(request: CertificateSigningRequest) -> CertificateSigningRequest:
    approval = SigningRequestCondition(
        type=APPROVED, status="True", reason=_REASON, message=_MESSAGE
    )
    conditions = (*request.status.conditions, approval)
    status = msgspec.structs.replace(request.status, conditions=conditions)
    return msgspec.structs.replace(request, status=status)
