"""ConfigMaps, Secrets and tokens: as they come, and what is never shown of them."""

import msgspec
import pytest

from krustlet.base import Instant
from krustlet.objects import (
    ClusterNeeded,
    ConfigMap,
    NoCluster,
    ObjectMeta,
    ObjectMissing,
    Pod,
    Secret,
    Token,
    TokenRequest,
    TokenRequestSpec,
    TokenRequestStatus,
)

HIDDEN = "s3cret"


def test_what_is_base64_on_the_wire_are_bytes_here() -> None:
    secret = msgspec.json.decode(b'{"data": {"k": "AP8="}, "type": "Opaque"}', type=Secret)
    config_map = msgspec.json.decode(
        b'{"data": {"t": "text"}, "binaryData": {"b": "AP8="}}', type=ConfigMap
    )
    assert secret.data == {"k": b"\0\xff"}
    assert (config_map.data, config_map.binary_data) == ({"t": "text"}, {"b": b"\0\xff"})


@pytest.mark.parametrize(
    "holder",
    [
        Secret(
            metadata=ObjectMeta(name="db", namespace="shop", annotations={"applied": HIDDEN}),
            data={"password": HIDDEN.encode()},
        ),
        Token(text=HIDDEN, issued_at=Instant(0), expires_at=Instant(1)),
        TokenRequest(status=TokenRequestStatus(token=HIDDEN)),
    ],
    ids=lambda holder: type(holder).__name__,
)
def test_what_is_secret_is_not_in_the_repr(holder: msgspec.Struct) -> None:
    assert HIDDEN not in repr(holder)
    assert HIDDEN not in str(holder)
    assert HIDDEN not in repr([holder])
    assert HIDDEN not in repr(list(holder.__rich_repr__())).replace(repr(holder), "")


def test_a_secret_shows_its_keys() -> None:
    secret = Secret(metadata=ObjectMeta(name="db", namespace="shop"), data={"user": b"me"})
    assert repr(secret) == "Secret('shop/db', type='', keys=['user'])"


def test_a_token_request_says_what_it_is() -> None:
    request = TokenRequest(spec=TokenRequestSpec(audiences=("vault",), expiration_seconds=600))
    assert msgspec.json.decode(msgspec.json.encode(request)) == {
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenRequest",
        "metadata": {},
        "spec": {"audiences": ["vault"], "expirationSeconds": 600},
        "status": {},
    }


def test_a_missing_object_is_told_in_the_kubelets_words() -> None:
    missing = ObjectMissing("configmap", namespace="shop", name="settings")
    assert missing.message == 'configmap "settings" not found'
    assert "namespace shop" in missing.hint
    assert missing.retryable


async def test_without_a_cluster_every_question_says_so() -> None:
    alone = NoCluster()
    for question in (
        alone.config_map("shop", "settings"),
        alone.secret("shop", "login"),
        alone.service_account_token(Pod(), audiences=(), expiration_s=None),
    ):
        with pytest.raises(ClusterNeeded, match="there is no cluster to ask") as refused:
            await question
        assert "manifest" in refused.value.hint
