"""What the API server's answers mean to pods."""

import asyncio
from typing import Any

import msgspec
import pytest

from krustlet.base import Instant
from krustlet.kube import ApiUnavailable, Forbidden, NotFound
from krustlet.objects import (
    SERVICE_ACCOUNTS,
    ConfigMap,
    LookupFailed,
    ObjectMissing,
    Secret,
    TokenRequest,
    TokenRequestSpec,
    TokenRequestStatus,
)
from krustlet.sources import ApiLookups
from tests.support.pods import a_pod
from tests.support.virtual_time import in_virtual_time

GRANTED = TokenRequest(
    spec=TokenRequestSpec(expiration_seconds=3607),
    status=TokenRequestStatus(token="abc", expiration_timestamp="2026-01-01T01:00:07Z"),
)
NOT_YET = Forbidden(
    'configmaps "settings" is forbidden: User "system:node:n" cannot get resource "configmaps": '
    "no relationship found between node 'n' and this object",
    status=403,
)


class FakeClient:
    """Answers one after the other with what it was given, and with the last for ever."""

    def __init__(self, *answers: object) -> None:
        self.answers = list(answers)
        self.calls: list[tuple[Any, ...]] = []

    async def get(self, resource: Any, name: str, *, namespace: str = "") -> Any:
        return self._answer(resource.plural, namespace, name)

    async def create_sub(
        self,
        resource: Any,
        name: str,
        subresource: str,
        obj: Any,
        answer: Any,
        *,
        namespace: str = "",
    ) -> Any:
        sent = msgspec.json.decode(msgspec.json.encode(obj))
        return self._answer(resource.plural, namespace, name, subresource, sent)

    def _answer(self, *call: Any) -> object:
        self.calls.append(call)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


def elapsed_s() -> float:
    return asyncio.get_running_loop().time()


@in_virtual_time
async def test_objects_are_asked_for_by_kind_namespace_and_name() -> None:
    config_map, secret = ConfigMap(data={"a": "A"}), Secret(data={"b": b"B"})
    client = FakeClient(config_map, secret)
    lookups = ApiLookups(client)
    assert await lookups.config_map("shop", "settings") is config_map
    assert await lookups.secret("shop", "login") is secret
    assert client.calls == [("configmaps", "shop", "settings"), ("secrets", "shop", "login")]


@in_virtual_time
async def test_a_burst_of_pods_costs_one_question() -> None:
    client = FakeClient(ConfigMap())
    lookups = ApiLookups(client)
    await asyncio.gather(*(lookups.config_map("shop", "kube-root-ca.crt") for _ in range(200)))
    assert len(client.calls) == 1


@in_virtual_time
async def test_what_is_not_there_is_missing_at_once() -> None:
    lookups = ApiLookups(FakeClient(NotFound('configmaps "x" not found', status=404)))
    with pytest.raises(ObjectMissing) as missing:
        await lookups.config_map("shop", "x")
    assert missing.value.message == 'configmap "x" not found'
    with pytest.raises(ObjectMissing, match=r'^secret "x" not found$'):
        await lookups.secret("shop", "x")
    assert elapsed_s() == 0


@pytest.mark.parametrize("name", ["", ".", ".."])
async def test_what_cannot_be_a_name_is_missing_and_not_asked_for(name: str) -> None:
    client = FakeClient()
    with pytest.raises(ObjectMissing):
        await ApiLookups(client).secret("shop", name)
    assert client.calls == []


@in_virtual_time
async def test_a_node_that_may_not_yet_asks_again_for_two_seconds() -> None:
    client = FakeClient(NOT_YET, NOT_YET, ConfigMap(data={"a": "A"}))
    assert (await ApiLookups(client).config_map("shop", "settings")).data == {"a": "A"}
    assert elapsed_s() < 0.5

    began = elapsed_s()
    client = FakeClient(NOT_YET)
    with pytest.raises(LookupFailed, match="no relationship found") as failed:
        await ApiLookups(client).config_map("shop", "settings")
    assert not isinstance(failed.value, ObjectMissing)
    assert elapsed_s() - began == pytest.approx(2)
    assert len(client.calls) == 7


@in_virtual_time
async def test_a_server_that_is_away_says_nothing_about_the_object() -> None:
    lookups = ApiLookups(FakeClient(ApiUnavailable("connection refused")))
    with pytest.raises(LookupFailed, match="connection refused") as failed:
        await lookups.secret("shop", "login")
    assert not isinstance(failed.value, ObjectMissing)
    assert failed.value.retryable
    assert elapsed_s() == 0  # the pod's own back-off sees to it


# tokens -----------------------------------------------------------------------------------------


@in_virtual_time
async def test_a_token_is_bound_to_its_pod() -> None:
    client = FakeClient(GRANTED)
    pod = a_pod(service_account_name="seller")
    token = await ApiLookups(client).service_account_token(
        pod, audiences=["vault"], expiration_s=3607
    )
    assert token.text == "abc"
    assert token.expires_at - token.issued_at == 3607
    assert token.issued_at == Instant(1_767_225_600)
    ((plural, namespace, name, subresource, sent),) = client.calls
    assert (plural, namespace, name, subresource) == (
        SERVICE_ACCOUNTS.plural,
        "shop",
        "seller",
        "token",
    )
    assert sent["spec"] == {
        "audiences": ["vault"],
        "expirationSeconds": 3607,
        "boundObjectRef": {"kind": "Pod", "apiVersion": "v1", "name": "web", "uid": pod.uid},
    }


@in_virtual_time
async def test_a_pod_without_an_account_has_the_default_one() -> None:
    client = FakeClient(GRANTED)
    await ApiLookups(client).service_account_token(a_pod(), audiences=(), expiration_s=None)
    assert client.calls[0][2] == "default"
    assert "audiences" not in client.calls[0][4]["spec"]


@in_virtual_time
async def test_each_pod_is_given_its_own_token() -> None:
    client = FakeClient(GRANTED)
    lookups = ApiLookups(client)
    await asyncio.gather(
        *(
            lookups.service_account_token(a_pod(name=name), audiences=(), expiration_s=3607)
            for name in ("a", "b")
        )
    )
    assert [call[4]["spec"]["boundObjectRef"]["name"] for call in client.calls] == ["a", "b"]


@pytest.mark.parametrize(
    "refused", [NOT_YET, NotFound('pods "web" not found', status=404)], ids=["no-right", "no-pod"]
)
@in_virtual_time
async def test_a_server_that_has_not_heard_of_the_pod_is_asked_again(refused: Exception) -> None:
    lookups = ApiLookups(FakeClient(refused, refused, GRANTED))
    token = await lookups.service_account_token(a_pod(), audiences=(), expiration_s=3607)
    assert token.text == "abc"


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(NotFound('serviceaccounts "seller" not found', status=404), id="no-account"),
        pytest.param(ApiUnavailable("connection refused"), id="server-away"),
        pytest.param(TokenRequest(status=TokenRequestStatus(token="abc")), id="no-expiry"),
    ],
)
@in_virtual_time
async def test_a_token_that_cannot_be_had_is_told_in_the_kubelets_words(answer: object) -> None:
    lookups = ApiLookups(FakeClient(answer))
    with pytest.raises(LookupFailed, match=r"^failed to fetch token: ") as failed:
        await lookups.service_account_token(a_pod(), audiences=(), expiration_s=3607)
    assert "abc" not in failed.value.message
