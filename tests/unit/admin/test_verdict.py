"""What is approved, and what is left for a person to look at."""

from typing import Any

import pytest

from krustlet.admin.verdict import Approve, Expected, Later, Leave, is_from, judge
from tests.unit.admin import requests as made
from tests.unit.admin.requests import ADDRESS, NODE, TOKEN_ID, dns, ip, mail, pem

EXPECTED = Expected(node=NODE, token_id=TOKEN_ID, object=made.node())


@pytest.mark.parametrize(
    "request_",
    [
        pytest.param(made.client(), id="a-client-with-the-token"),
        pytest.param(
            made.client(usages=("client auth", "key encipherment", "digital signature")),
            id="a-client-with-a-key-for-rsa",
        ),
        pytest.param(made.serving(), id="the-node-s-own-name-and-address"),
        pytest.param(made.serving(names=[ip(ADDRESS)]), id="the-address-alone"),
        pytest.param(made.serving(names=[dns("WASM-1"), ip(ADDRESS)]), id="case-is-no-matter"),
    ],
)
def test_what_a_node_asks_for_is_approved(request_: Any) -> None:
    assert judge(request_, EXPECTED) == Approve()


@pytest.mark.parametrize(
    ("forged", "word"),
    [
        pytest.param(
            {"request": pem(common_names=["system:node:other"])}, "other", id="other-node"
        ),
        pytest.param({"request": pem(common_names=["admin"])}, "admin", id="no-node"),
        pytest.param(
            {"request": pem(common_names=[made.NODE_USER, "system:node:other"])},
            "other",
            id="two-names-of-which-the-last-counts",
        ),
        pytest.param(
            {"request": pem(organizations=["system:nodes", "system:masters"])},
            "system:masters",
            id="one-more-organisation",
        ),
        pytest.param({"request": pem(organizations=[])}, "organisation", id="no-organisation"),
        pytest.param({"request": b"no request"}, "read", id="nothing-that-can-be-read"),
        pytest.param(
            {"request": pem(names=[mail("a@example.com")])}, "a@example.com", id="a-mail-address"
        ),
        pytest.param(
            {"signer": "kubernetes.io/kube-apiserver-client"}, "signer", id="other-signer"
        ),
        pytest.param({"usages": ("digital signature",)}, "usages", id="too-few-usages"),
        pytest.param(
            {"usages": ("digital signature", "client auth", "server auth")},
            "usages",
            id="too-many-usages",
        ),
    ],
)
@pytest.mark.parametrize("kind", [made.client, made.serving], ids=["client", "serving"])
def test_what_is_not_as_nodes_ask_is_left_alone(kind: Any, forged: Any, word: str) -> None:
    verdict = judge(kind(**forged), EXPECTED)
    assert isinstance(verdict, Leave)
    assert word in verdict.why


@pytest.mark.parametrize(
    ("forged", "word"),
    [
        pytest.param({"username": "system:bootstrap:zzz999"}, "zzz999", id="another-token"),
        pytest.param({"username": "kubernetes-admin"}, "kubernetes-admin", id="no-token"),
        pytest.param(
            {"username": made.NODE_USER, "groups": made.NODE_GROUPS}, made.NODE_USER, id="the-node"
        ),
        pytest.param({"groups": ("system:authenticated",)}, "token", id="a-user-called-like-one"),
        pytest.param({"request": pem(names=[dns(NODE)])}, "no address", id="a-name"),
        pytest.param({"request": pem(names=[ip(ADDRESS)])}, "no address", id="an-address"),
        pytest.param({"usages": ("digital signature", "server auth")}, "usages", id="of-a-server"),
    ],
)
def test_a_client_shows_the_token_and_has_no_address(forged: Any, word: str) -> None:
    verdict = judge(made.client(**forged), EXPECTED)
    assert isinstance(verdict, Leave)
    assert word in verdict.why


def test_without_a_token_of_its_own_any_will_do() -> None:
    request = made.client(username="system:bootstrap:zzz999")
    assert judge(request, Expected(node=NODE)) == Approve()


@pytest.mark.parametrize(
    ("forged", "word"),
    [
        pytest.param({"names": [dns(NODE), ip("10.0.0.9")]}, "10.0.0.9", id="an-unknown-address"),
        pytest.param({"names": [dns("db.example"), ip(ADDRESS)]}, "db.example", id="another-name"),
        pytest.param({"names": []}, "no address", id="nothing"),
        pytest.param({"username": "system:node:other"}, "system:node:other", id="another-node"),
        pytest.param(
            {"username": made.TOKEN_USER, "groups": made.TOKEN_GROUPS},
            "system:bootstrap",
            id="token",
        ),
        pytest.param({"groups": ("system:authenticated",)}, "itself", id="a-user-called-like-it"),
        pytest.param({"usages": ("digital signature", "client auth")}, "usages", id="of-a-client"),
    ],
)
def test_a_server_is_the_node_at_its_own_addresses(forged: Any, word: str) -> None:
    verdict = judge(made.serving(**forged), EXPECTED)
    assert isinstance(verdict, Leave)
    assert word in verdict.why


@pytest.mark.parametrize("whose", ["node other", "the API server"])
def test_nobody_gets_a_certificate_for_somebody_else_s_address(whose: str) -> None:
    """A node tells its own addresses, so what it tells is not enough."""
    claimed = made.node(addresses=[ADDRESS, "10.0.0.1"])
    expected = Expected(node=NODE, object=claimed, elsewhere={"10.0.0.1": whose})
    verdict = judge(made.serving(names=[ip(ADDRESS), ip("10.0.0.1")]), expected)
    assert verdict == Leave(f"10.0.0.1 is also that of {whose}")


@pytest.mark.parametrize("known", [None, made.node(addresses=[])])
def test_a_server_waits_until_its_addresses_are_known(known: Any) -> None:
    if known is not None:
        known = type(known)(metadata=known.metadata)
    verdict = judge(made.serving(), Expected(node=NODE, object=known))
    assert isinstance(verdict, Later)


@pytest.mark.parametrize(
    ("request_", "is_ours"),
    [
        pytest.param(made.client(), True, id="our-token-our-name"),
        pytest.param(
            made.client(request=pem(common_names=["system:node:other"])), True, id="our-token"
        ),
        pytest.param(made.client(username="system:bootstrap:zzz999"), True, id="our-name"),
        pytest.param(made.serving(), True, id="the-node-itself"),
        pytest.param(
            made.serving(request=pem(common_names=["x"]), username="system:node:other"),
            False,
            id="another-node",
        ),
        pytest.param(made.client(request=b"?", username="somebody"), False, id="anybody"),
    ],
)
def test_only_what_has_to_do_with_the_node_is_looked_at(request_: Any, is_ours: bool) -> None:
    assert is_from(request_, EXPECTED) is is_ours
