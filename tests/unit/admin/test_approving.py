"""A node is helped into the cluster, step by step."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from krustlet.admin import AGENT_LABEL, Approver, Joined, NotJoined, RightsMissing
from krustlet.kube import ApiUnavailable, Conflict, Forbidden
from krustlet.objects import (
    NODES,
    SIGNING_REQUESTS,
    CertificateSigningRequest,
    SigningRequestCondition,
    SigningRequestStatus,
)
from tests.support.virtual_time import LoopClock, in_virtual_time
from tests.unit.admin import requests as made
from tests.unit.admin.fakes import Listener, MemoryApi
from tests.unit.admin.requests import ADDRESS, NODE, TOKEN_ID, ip

SERVER = "https://10.0.0.1:6443"
A_WHILE_S = 600.0
SETTLED_S = 11.0  # past the time in which a node asks for a serving certificate


class Admin:
    """Waits for the node in the background."""

    def __init__(self, api: MemoryApi, *, token_ends: str = "") -> None:
        self.api = api
        self.voice = Listener()
        approver = Approver(
            api,
            self.voice,
            LoopClock(),
            node=NODE,
            server=SERVER,
            token_id=TOKEN_ID,
            token_ends=token_ends,
        )
        self.task = asyncio.create_task(approver.run(within_s=A_WHILE_S))

    async def joined(self) -> Joined:
        return await self.task

    def request(self, name: str) -> CertificateSigningRequest:
        found = self.api.objects[SIGNING_REQUESTS.plural, "", name]
        assert isinstance(found, CertificateSigningRequest)
        return found

    def is_approved(self, name: str) -> bool:
        return self.request(name).condition("Approved") is not None


@contextlib.asynccontextmanager
async def waiting(api: MemoryApi, **how: Any) -> AsyncIterator[Admin]:
    admin = Admin(api, **how)
    try:
        await asyncio.sleep(0.1)
        yield admin
    finally:
        admin.task.cancel()
        await asyncio.gather(admin.task, return_exceptions=True)


def decided(request: CertificateSigningRequest, kind: str) -> CertificateSigningRequest:
    condition = SigningRequestCondition(type=kind, status="True", message="nobody knows it")
    return msgspec.structs.replace(request, status=SigningRequestStatus(conditions=(condition,)))


@in_virtual_time
async def test_a_node_goes_all_the_way() -> None:
    api = MemoryApi()
    async with waiting(api) as admin:
        api.put(SIGNING_REQUESTS, made.client())
        await asyncio.sleep(1)
        assert admin.is_approved(NODE)
        api.put(NODES, made.node(ready=False))
        api.put(SIGNING_REQUESTS, made.serving())
        api.put(NODES, made.node())
        joined = await admin.joined()
    assert joined == Joined(node=NODE, approved=(NODE, f"{NODE}-tls"), serving=True)
    assert api.objects["nodes", "", NODE].metadata.labels == {AGENT_LABEL: ""}
    condition = admin.request(NODE).condition("Approved")
    assert condition is not None
    assert (condition.reason, condition.status) == ("KrustletApprove", "True")


@in_virtual_time
async def test_what_was_asked_for_before_anybody_waited_is_approved_too() -> None:
    api = MemoryApi()
    api.put(SIGNING_REQUESTS, made.client())
    async with waiting(api) as admin:
        assert admin.is_approved(NODE)


@in_virtual_time
async def test_a_serving_request_waits_until_the_node_has_told_its_addresses() -> None:
    api = MemoryApi()
    async with waiting(api) as admin:
        api.put(SIGNING_REQUESTS, made.serving())
        await asyncio.sleep(1)
        assert not admin.is_approved(f"{NODE}-tls")
        api.put(NODES, made.node())
        await asyncio.sleep(1)
        assert admin.is_approved(f"{NODE}-tls")


@in_virtual_time
async def test_a_node_that_wants_no_serving_certificate_has_joined_all_the_same() -> None:
    api = MemoryApi()
    async with waiting(api) as admin:
        api.put(NODES, made.node())
        await asyncio.sleep(9)
        assert not admin.task.done()
        joined = await admin.joined()
    assert asyncio.get_running_loop().time() < SETTLED_S
    assert not joined.serving
    assert "no serving certificate" in admin.voice.said[-1]


@in_virtual_time
async def test_what_was_decided_earlier_does_not_count() -> None:
    """Requests stay for an hour: a node that was reset asks once more."""
    api = MemoryApi()
    api.put(SIGNING_REQUESTS, decided(made.serving(), "Approved"))
    async with waiting(api) as admin:
        api.put(NODES, made.node())
        await asyncio.sleep(1)
        api.put(SIGNING_REQUESTS, made.serving(name=f"{NODE}-tls-a1b2c"))
        joined = await admin.joined()
    assert joined.approved == (f"{NODE}-tls-a1b2c",)


@in_virtual_time
async def test_what_is_left_alone_is_told_once_and_how_to_approve_it() -> None:
    api = MemoryApi()
    async with waiting(api) as admin:
        api.put(SIGNING_REQUESTS, made.client(username="kubernetes-admin"))
        api.put(NODES, made.node(ready=False))
        await asyncio.sleep(1)
        api.put(NODES, made.node(ready=False))
        await asyncio.sleep(1)
        (warning,) = admin.voice.warned
        assert not admin.is_approved(NODE)
    assert "client request wasm-1 is left alone: kubernetes-admin asks for it" in warning
    assert "kubectl certificate approve wasm-1" in warning


@in_virtual_time
async def test_of_two_machines_with_the_token_a_person_has_to_choose() -> None:
    api = MemoryApi()
    theirs = made.client(name=f"{NODE}-a1b2c", request=made.pem(machine="another"))
    async with waiting(api) as admin:
        no_rival = made.pem(machine="of another token")
        api.put(
            SIGNING_REQUESTS,
            made.client(name="odd", username="system:bootstrap:zzz999", request=no_rival),
        )
        api.put(SIGNING_REQUESTS, made.client())
        await asyncio.sleep(1)
        assert admin.is_approved(NODE)
        api.put(SIGNING_REQUESTS, theirs)
        await asyncio.sleep(1)
        assert not admin.is_approved(theirs.name)
    assert "another machine" in admin.voice.warned[-1]


@in_virtual_time
async def test_of_two_machines_that_wait_already_neither_is_preferred() -> None:
    api = MemoryApi()
    theirs = made.client(name="a-first", request=made.pem(machine="another"))
    api.put(SIGNING_REQUESTS, theirs)
    api.put(SIGNING_REQUESTS, made.client())
    async with waiting(api) as admin:
        await asyncio.sleep(1)
        assert not admin.is_approved(theirs.name)
        assert not admin.is_approved(NODE)
        api.put(SIGNING_REQUESTS, decided(theirs, "Denied"))  # the person has chosen
        await asyncio.sleep(1)
        assert admin.is_approved(NODE)


@pytest.mark.parametrize(
    ("address", "whose"), [("10.0.0.1", "the API server"), ("10.0.0.2", "node other")]
)
def test_addresses_of_others_are_not_certified(address: str, whose: str) -> None:
    @in_virtual_time
    async def case() -> None:
        api = MemoryApi()
        api.put(NODES, made.node("other", addresses=["10.0.0.2"]))
        api.put(NODES, made.node(addresses=[ADDRESS, address]))
        async with waiting(api) as admin:
            api.put(SIGNING_REQUESTS, made.serving(names=[ip(ADDRESS), ip(address)]))
            await asyncio.sleep(1)
            assert not admin.is_approved(f"{NODE}-tls")
            assert f"{address} is also that of {whose}" in admin.voice.warned[0]

    case()


@in_virtual_time
async def test_requests_of_others_are_none_of_its_business() -> None:
    api = MemoryApi()
    other = made.pem(common_names=["system:node:other"])
    async with waiting(api) as admin:
        theirs = made.client(name="other", request=other, username="system:bootstrap:zzz999")
        api.put(SIGNING_REQUESTS, theirs)
        await asyncio.sleep(1)
        assert not admin.is_approved("other")
        assert admin.voice.warned == []


@in_virtual_time
async def test_a_conflict_is_tried_again() -> None:
    api = MemoryApi()
    api.faults[f"replace {SIGNING_REQUESTS.plural} {NODE}"] = [
        Conflict("changed", status=409),
        Conflict("changed", status=409),
    ]
    async with waiting(api) as admin:
        api.put(SIGNING_REQUESTS, made.client())
        await asyncio.sleep(1)
        assert admin.is_approved(NODE)


@in_virtual_time
async def test_another_request_of_that_name_is_judged_anew() -> None:
    """Between the look and the approval the request was replaced by one that may not pass."""
    api = MemoryApi()
    call = f"replace {SIGNING_REQUESTS.plural} {NODE}"
    api.faults[call] = [Conflict("changed", status=409)]

    def swap(made_call: str) -> None:
        if made_call == call:
            api.on_call = lambda _: None
            api.put(SIGNING_REQUESTS, api.objects[SIGNING_REQUESTS.plural, "", NODE], gone=True)
            api.put(SIGNING_REQUESTS, made.client(username="somebody"))

    async with waiting(api) as admin:
        api.on_call = swap
        api.put(SIGNING_REQUESTS, made.client())
        await asyncio.sleep(1)
        assert not admin.is_approved(NODE)
        assert "somebody asks for it" in admin.voice.warned[0]


@in_virtual_time
async def test_an_api_server_that_is_away_for_a_moment_is_waited_for() -> None:
    api = MemoryApi()
    api.faults[f"replace {SIGNING_REQUESTS.plural} {NODE}"] = [ApiUnavailable("gone away")]
    async with waiting(api) as admin:
        api.put(SIGNING_REQUESTS, made.client())
        await asyncio.sleep(3)
        assert admin.is_approved(NODE)
        assert admin.voice.warned == ["trying again: gone away"]


@pytest.mark.parametrize(
    "call",
    [
        "list certificatesigningrequests",
        "list nodes",
        "replace certificatesigningrequests wasm-1",
        "patch nodes wasm-1",
    ],
)
def test_who_may_not_do_this_hears_of_it(call: str) -> None:
    @in_virtual_time
    async def case() -> None:
        api = MemoryApi()
        api.faults[call] = [Forbidden("no", status=403)]
        async with waiting(api) as admin:
            api.put(SIGNING_REQUESTS, made.client())
            api.put(NODES, made.node())
            with pytest.raises(RightsMissing, match="may not"):
                await admin.joined()

    case()


@pytest.mark.parametrize(
    ("requests", "node", "words"),
    [
        pytest.param([], None, "joined.*: it has not asked for a certificate", id="nothing"),
        pytest.param(
            [made.client(username="somebody")],
            None,
            "joined.*: client request wasm-1 is left alone: somebody asks for it",
            id="left-alone",
        ),
        pytest.param([made.client()], None, "joined.*nobody signs it", id="unsigned"),
        pytest.param(
            [], made.node(ready=False), "joined.*: it is not ready: kubelet says so", id="not-ready"
        ),
    ],
)
def test_in_the_end_it_tells_what_is_missing(requests: Any, node: Any, words: str) -> None:
    @in_virtual_time
    async def case() -> None:
        api = MemoryApi()
        if node is not None:
            api.put(NODES, node)
        async with waiting(api) as admin:
            for request in requests:
                api.put(SIGNING_REQUESTS, request)
            with pytest.raises(NotJoined, match=f"wasm-1 has not {words}") as refused:
                await admin.joined()
        assert "within 600 s" in refused.value.message

    case()


@in_virtual_time
async def test_a_node_that_is_ready_is_not_said_to_have_stayed_away() -> None:
    api = MemoryApi()
    api.put(NODES, made.node())
    async with waiting(api) as admin:
        api.put(SIGNING_REQUESTS, made.serving(names=[ip("10.9.9.9")]))
        with pytest.raises(NotJoined) as refused:
            await admin.joined()
    assert "wasm-1 is ready, but has got no serving certificate within" in refused.value.message
    assert "serving request wasm-1-tls is left alone" in refused.value.message
    assert "kubectl certificate approve wasm-1-tls" in refused.value.hint


@in_virtual_time
async def test_a_node_that_had_no_time_to_ask_for_a_serving_certificate_is_ready_too() -> None:
    api = MemoryApi()
    async with waiting(api) as admin:
        await asyncio.sleep(A_WHILE_S - 5)
        api.put(NODES, made.node())
        with pytest.raises(NotJoined, match=r"wasm-1 is ready, .*: it has not asked for one yet"):
            await admin.joined()


@in_virtual_time
async def test_another_node_s_request_is_not_what_keeps_this_one() -> None:
    api = MemoryApi()
    async with waiting(api) as admin:
        theirs = made.pem(common_names=["system:node:other"])
        api.put(SIGNING_REQUESTS, made.client(name="theirs", request=theirs))
        with pytest.raises(NotJoined) as refused:
            await admin.joined()
    assert refused.value.message.endswith(": it has not asked for a certificate")
    assert "meant, and called otherwise: client request theirs" in refused.value.hint


@pytest.mark.parametrize(
    ("ends", "asks", "is_named"),
    [
        pytest.param("2026-01-01T00:05:00Z", False, True, id="before-it-asked"),
        pytest.param("2026-01-01T00:05:00Z", True, True, id="before-it-was-signed"),
        pytest.param("2026-01-01T01:00:00Z", False, False, id="not-yet"),
        pytest.param("", False, False, id="never"),
    ],
)
def test_a_token_that_ends_meanwhile_is_named(ends: str, asks: bool, is_named: bool) -> None:
    @in_virtual_time
    async def case() -> None:
        api = MemoryApi()
        async with waiting(api, token_ends=ends) as admin:
            if asks:
                api.put(SIGNING_REQUESTS, made.client())
            with pytest.raises(NotJoined) as refused:
                await admin.joined()
        told = f"and token {TOKEN_ID} ended at {ends}" in refused.value.message
        assert told is is_named
        assert ("make another" in refused.value.hint) is is_named

    case()


@pytest.mark.parametrize(
    ("kind", "words"), [("Denied", "was denied: nobody"), ("Failed", "could not be signed: nobody")]
)
def test_a_refusal_is_told_in_the_end(kind: str, words: str) -> None:
    @in_virtual_time
    async def case() -> None:
        api = MemoryApi()
        async with waiting(api) as admin:
            api.put(SIGNING_REQUESTS, decided(made.client(), kind))
            with pytest.raises(NotJoined, match=words):
                await admin.joined()

    case()
