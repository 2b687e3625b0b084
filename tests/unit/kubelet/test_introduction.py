"""A node that the API server will not have says so; one whose server is away waits."""

import asyncio
import ssl
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from krustlet.kube import ApiError, ApiUnavailable, Forbidden, NotFound, Unauthorized
from krustlet.kubelet.introduction import NodeRefused, introduce
from krustlet.objects import Node
from tests.support.virtual_time import LoopClock, in_virtual_time

KUBECONFIG = Path("/etc/krustlet/node.conf")


class FakeNodes:
    """Answers with one error after the other, the last for ever; None: with the node."""

    def __init__(self, *answers: Exception | None) -> None:
        self._answers = list(answers)
        self.asked = 0

    async def get(self) -> Node:
        self.asked += 1
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if answer is not None:
            raise answer
        return Node()


def _untrusted(words: str = "self-signed certificate", code: int = 18) -> ApiError:
    """As OpenSSL refuses a server's certificate."""
    cause = ssl.SSLCertVerificationError(1, words)
    cause.verify_code = code
    error = ApiUnavailable(words, hint="see certificate-authority")
    error.__cause__ = cause
    return error


async def _introduced(nodes: FakeNodes) -> float:
    """After how many seconds."""
    await introduce(nodes, name="edge-1", kubeconfig=KUBECONFIG)
    return asyncio.get_running_loop().time()


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(None, id="it-has-the-node"),
        pytest.param(NotFound("no such node", status=404), id="it-has-no-such-node-yet"),
    ],
)
def test_a_server_that_answers_is_enough(answer: Exception | None) -> None:
    @in_virtual_time
    async def story() -> None:
        assert await _introduced(FakeNodes(answer)) == 0

    story()


@in_virtual_time
async def test_a_server_that_is_away_is_waited_for_and_that_is_said_once() -> None:
    away = ApiUnavailable("connection refused", hint="is it running?")
    with capture_logs() as logged:
        waited_s = await _introduced(FakeNodes(*[away] * 50, None))
    assert waited_s > 60
    (entry,) = [one for one in logged if one["event"] == "node.waits_for_api_server"]
    assert (entry["reason"], entry["hint"]) == ("connection refused", "is it running?")


@in_virtual_time
async def test_a_server_that_is_just_starting_may_change_its_mind() -> None:
    refusal = Forbidden("not yet", status=403)
    await _introduced(FakeNodes(refusal, refusal, ApiUnavailable("away"), refusal, None))


@pytest.mark.parametrize(
    ("words", "code"),
    [
        pytest.param("certificate is not yet valid", 9, id="behind"),
        pytest.param("certificate has expired", 10, id="ahead"),
    ],
)
def test_a_clock_that_is_wrong_may_be_set_right(words: str, code: int) -> None:
    @in_virtual_time
    async def story() -> None:
        nodes = FakeNodes(*[_untrusted(words, code)] * 20, None)
        with capture_logs() as logged:
            await introduce(nodes, name="edge-1", kubeconfig=KUBECONFIG, clock=LoopClock())
        (entry,) = [one for one in logged if one["event"] == "node.waits_for_api_server"]
        assert entry["reason"] == words
        assert "the clock of this machine shows 2026-01-01T00:00:00Z" in entry["hint"]

    story()


@pytest.mark.parametrize(
    ("error", "message", "hint"),
    [
        pytest.param(
            Unauthorized("Unauthorized", status=401),
            "does not know who this node is",
            f"the credentials in {KUBECONFIG} have expired",
            id="unknown-credentials",
        ),
        pytest.param(
            Forbidden("node other is not allowed", status=403),
            "does not let this be node 'edge-1': node other is not allowed",
            "must be system:node:edge-1",
            id="another-node",
        ),
        pytest.param(
            _untrusted(), "not the one that the kubeconfig means", "certificate-authority",
            id="another-cluster",
        ),
    ],
)  # fmt: skip
def test_a_refusal_is_told_with_what_to_do(error: Exception, message: str, hint: str) -> None:
    @in_virtual_time
    async def story() -> None:
        with pytest.raises(NodeRefused, match=message) as refused:
            await _introduced(FakeNodes(error))
        assert hint in refused.value.hint
        assert asyncio.get_running_loop().time() < 10

    story()
