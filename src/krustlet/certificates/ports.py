"""What this room is given: a small door to the API server, so that tests hand in another.

Errors are those of `krustlet.kube`.
"""

import ssl
from collections.abc import AsyncGenerator
from typing import Protocol

from krustlet.kube import ApiError, KubeClient, Unauthorized, reflect_one
from krustlet.objects import SIGNING_REQUESTS, CertificateSigningRequest


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

    def watch(self, name: str) -> AsyncGenerator[CertificateSigningRequest | None, None]:
        return reflect_one(self._client, SIGNING_REQUESTS, name, ends_with=is_lasting)
