"""Service accounts, and the tokens with which their pods show who they are.

Source: kubernetes `authentication.k8s.io/v1`, `TokenRequest`.
"""

from typing import Final

from krustlet.objects.meta import LocalObjectReference, ObjectMeta
from krustlet.objects.resource import Resource
from krustlet.objects.shape import Shape


class ServiceAccount(Shape, frozen=True, kw_only=True):
    """Who a pod is to the API server."""

    api_version: str = "v1"
    kind: str = "ServiceAccount"
    metadata: ObjectMeta = ObjectMeta()
    image_pull_secrets: tuple[LocalObjectReference, ...] = ()
    automount_service_account_token: bool | None = None


class BoundObjectReference(Shape, frozen=True, kw_only=True):
    """A token is worth nothing any more once this object is gone."""

    kind: str = ""
    api_version: str = ""
    name: str = ""
    uid: str = ""


class TokenRequestSpec(Shape, frozen=True, kw_only=True):
    """`audiences` is empty for the API server itself; the server answers with what it granted."""

    audiences: tuple[str, ...] = ()
    expiration_seconds: int | None = None
    bound_object_ref: BoundObjectReference | None = None


class TokenRequestStatus(Shape, frozen=True, kw_only=True):
    """The token is not in the repr."""

    token: str = ""
    expiration_timestamp: str | None = None

    def __repr__(self) -> str:
        return f"TokenRequestStatus(expiration_timestamp={self.expiration_timestamp!r})"

    def __rich_repr__(self) -> list[tuple[str, object]]:
        return [("expiration_timestamp", self.expiration_timestamp)]


class TokenRequest(Shape, frozen=True, kw_only=True, omit_defaults=False):
    """Created below a service account: `serviceaccounts/<name>/token`."""

    api_version: str = "authentication.k8s.io/v1"
    kind: str = "TokenRequest"
    metadata: ObjectMeta = ObjectMeta()
    spec: TokenRequestSpec = TokenRequestSpec()
    status: TokenRequestStatus = TokenRequestStatus()


SERVICE_ACCOUNTS: Final = Resource(
    plural="serviceaccounts", kind="ServiceAccount", type=ServiceAccount
)
