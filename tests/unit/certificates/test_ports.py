"""Requests at a real API server, as far as that goes without one."""

import ssl
from collections.abc import AsyncGenerator
from typing import Any, cast

import pytest

from krustlet.certificates import RequestsApi, is_lasting
from krustlet.kube import (
    ApiError,
    ApiUnavailable,
    Forbidden,
    KubeClient,
    Listing,
    Unauthorized,
    WatchEvent,
    WatchType,
)
from krustlet.objects import SIGNING_REQUESTS, CertificateSigningRequest, ObjectMeta
from tests.support.virtual_time import in_virtual_time

Step = Listing[CertificateSigningRequest] | list[WatchEvent[CertificateSigningRequest]] | ApiError


def a_request(version: str) -> CertificateSigningRequest:
    return CertificateSigningRequest(
        metadata=ObjectMeta(name="wasm-1", uid="uid-1", resource_version=version)
    )


def a_listing(*requests: CertificateSigningRequest) -> Listing[CertificateSigningRequest]:
    return Listing(requests, "1")


def an_event(
    kind: WatchType, request: CertificateSigningRequest
) -> WatchEvent[CertificateSigningRequest]:
    return WatchEvent(kind, request, request.metadata.resource_version)


def untrusted() -> ApiUnavailable:
    error = ApiUnavailable("self-signed certificate")
    error.__cause__ = ssl.SSLCertVerificationError(1, "self-signed certificate")
    return error


class ScriptedClient:
    """Lists and watches as the script says, step by step."""

    def __init__(self, *script: Step) -> None:
        self._script = list(script)
        self.chosen: set[str] = set()

    async def list(self, resource: object, **chosen: str) -> Any:
        assert resource is SIGNING_REQUESTS
        self.chosen.add(chosen["field_selector"])
        return self._next()

    async def watch(self, resource: object, **chosen: str) -> AsyncGenerator[Any, None]:
        assert resource is SIGNING_REQUESTS
        self.chosen.add(chosen["field_selector"])
        for event in self._next():
            yield event

    def _next(self) -> Any:
        step = self._script.pop(0)
        if isinstance(step, ApiError):
            raise step
        return step


async def seen(client: ScriptedClient, count: int) -> list[str | None]:
    """The versions that come by, or None for a request that is gone."""
    told: list[str | None] = []
    watch = RequestsApi(cast(KubeClient, client)).watch("wasm-1")
    async for request in watch:
        told.append(None if request is None else request.metadata.resource_version)
        if len(told) == count:
            break
    await watch.aclose()
    return told


@in_virtual_time
async def test_a_request_is_seen_as_it_is_and_as_it_changes() -> None:
    client = ScriptedClient(
        a_listing(a_request("1")),
        [
            an_event(WatchType.MODIFIED, a_request("2")),
            an_event(WatchType.DELETED, a_request("3")),
            an_event(WatchType.ADDED, a_request("4")),
        ],
    )

    assert await seen(client, 4) == ["1", "2", None, "4"]
    assert client.chosen == {"metadata.name=wasm-1"}


@in_virtual_time
async def test_one_that_is_not_there_is_seen_as_that() -> None:
    assert await seen(ScriptedClient(a_listing()), 1) == [None]


@pytest.mark.parametrize("error", [ApiUnavailable("refused"), Forbidden("no", status=403)])
@in_virtual_time
async def test_a_server_in_trouble_is_waited_for(error: ApiError) -> None:
    client = ScriptedClient(
        error,
        error,
        a_listing(a_request("1")),
        error,
        [an_event(WatchType.MODIFIED, a_request("2"))],
    )

    assert await seen(client, 2) == ["1", "2"]


@pytest.mark.parametrize("at", ["list", "watch"])
@pytest.mark.parametrize("error", [Unauthorized("who are you?", status=401), untrusted()])
@in_virtual_time
async def test_who_cannot_prove_who_he_is_ends_it(error: ApiError, at: str) -> None:
    before: list[Step] = [] if at == "list" else [a_listing(a_request("1"))]
    cause = error.__cause__

    with pytest.raises(type(error)) as caught:
        await seen(ScriptedClient(*before, error), 9)

    assert caught.value is error
    assert caught.value.__cause__ is cause
    assert is_lasting(caught.value)
