"""What this room is given: a small door to the API server, so that tests hand in another.

Errors are those of `krustlet.kube`.
"""

import ssl
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Protocol, TypeVar

from krustlet.kube import (
    ApiError,
    Applied,
    KubeClient,
    Listed,
    Listing,
    Removed,
    Source,
    Unauthorized,
    WatchEvent,
    reflect,
)
from krustlet.objects import SIGNING_REQUESTS, CertificateSigningRequest, Resource

T = TypeVar("T")


class Requests(Protocol):
    """The requests for certificates that the API server has."""

    async def create(self, request: CertificateSigningRequest) -> CertificateSigningRequest: ...

    async def get(self, name: str) -> CertificateSigningRequest: ...

    def watch(self, name: str) -> AsyncGenerator[CertificateSigningRequest | None, None]:
        """The request as it is, then each change, for ever; None: it is not there, or gone.

        Raises:
            ApiError: one that waiting does not mend, see `is_lasting`; others are waited out.
        """
        ...


def is_lasting(error: ApiError) -> bool:
    """Whether one of the two cannot prove who it is: the caller has to know, and to decide."""
    return isinstance(error, Unauthorized) or isinstance(
        error.__cause__, ssl.SSLCertVerificationError
    )


class RequestsApi:
    """The requests at a real API server."""

    def __init__(self, client: KubeClient) -> None:
        self._client = client

    async def create(self, request: CertificateSigningRequest) -> CertificateSigningRequest:
        return await self._client.create(SIGNING_REQUESTS, request)

    async def get(self, name: str) -> CertificateSigningRequest:
        return await self._client.get(SIGNING_REQUESTS, name)

    async def watch(self, name: str) -> AsyncGenerator[CertificateSigningRequest | None, None]:
        source = _Outspoken(self._client)
        only = f"metadata.name={name}"
        try:
            async with aclosing(reflect(source, SIGNING_REQUESTS, field_selector=only)) as changes:
                async for change in changes:
                    match change:
                        case Listed(objects=objects):
                            for request in objects:
                                yield request
                            if not objects:
                                yield None
                        case Applied(object=request):
                            yield request
                        case Removed():
                            yield None
        except _Lasting as exc:
            raise exc.error from exc.error.__cause__


class _Lasting(Exception):
    """Carries an error past `reflect`, which waits out all that it knows."""

    def __init__(self, error: ApiError) -> None:
        super().__init__(error.message)
        self.error = error


class _Outspoken:
    """A source that tells lasting errors in a way that `reflect` does not hold back."""

    def __init__(self, source: Source) -> None:
        self._source = source

    async def list(
        self,
        resource: Resource[T],
        *,
        namespace: str = "",
        field_selector: str = "",
        label_selector: str = "",
    ) -> Listing[T]:
        try:
            return await self._source.list(
                resource,
                namespace=namespace,
                field_selector=field_selector,
                label_selector=label_selector,
            )
        except ApiError as exc:
            if is_lasting(exc):
                raise _Lasting(exc) from exc
            raise

    async def watch(
        self,
        resource: Resource[T],
        *,
        namespace: str = "",
        field_selector: str = "",
        label_selector: str = "",
        resource_version: str = "",
    ) -> AsyncGenerator[WatchEvent[T], None]:
        watch = self._source.watch(
            resource,
            namespace=namespace,
            field_selector=field_selector,
            label_selector=label_selector,
            resource_version=resource_version,
        )
        try:
            async with aclosing(watch) as events:
                async for event in events:
                    yield event
        except ApiError as exc:
            if is_lasting(exc):
                raise _Lasting(exc) from exc
            raise
