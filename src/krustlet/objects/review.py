"""Reviews: asking the API server who somebody is, and what he may do."""

from collections.abc import Mapping
from typing import Final

from krustlet.objects.meta import ObjectMeta
from krustlet.objects.resource import Resource
from krustlet.objects.shape import Shape


class UserInfo(Shape, frozen=True, kw_only=True):
    username: str = ""
    uid: str = ""
    groups: tuple[str, ...] = ()
    extra: Mapping[str, tuple[str, ...]] = {}


class TokenReviewSpec(Shape, frozen=True, kw_only=True):
    token: str = ""
    audiences: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"TokenReviewSpec(audiences={self.audiences!r})"  # the token is nobody's business

    def __rich_repr__(self) -> list[tuple[str, object]]:
        return [("audiences", self.audiences)]


class TokenReviewStatus(Shape, frozen=True, kw_only=True):
    authenticated: bool = False
    user: UserInfo = UserInfo()
    audiences: tuple[str, ...] = ()
    error: str = ""


class TokenReview(Shape, frozen=True, kw_only=True, omit_defaults=False):
    api_version: str = "authentication.k8s.io/v1"
    kind: str = "TokenReview"
    metadata: ObjectMeta = ObjectMeta()
    spec: TokenReviewSpec = TokenReviewSpec()
    status: TokenReviewStatus = TokenReviewStatus()


TOKEN_REVIEWS: Final = Resource(
    group="authentication.k8s.io",
    plural="tokenreviews",
    kind="TokenReview",
    type=TokenReview,
    namespaced=False,
)


class ResourceAttributes(Shape, frozen=True, kw_only=True):
    """Empty means all, as `*` does."""

    namespace: str = ""
    verb: str = ""
    group: str = ""
    version: str = ""
    resource: str = ""
    subresource: str = ""
    name: str = ""


class SubjectAccessReviewSpec(Shape, frozen=True, kw_only=True):
    resource_attributes: ResourceAttributes | None = None
    user: str = ""
    groups: tuple[str, ...] = ()
    extra: Mapping[str, tuple[str, ...]] = {}
    uid: str = ""


class SubjectAccessReviewStatus(Shape, frozen=True, kw_only=True):
    """Neither allowed nor denied means that nobody has an opinion."""

    allowed: bool = False
    denied: bool = False
    reason: str = ""
    evaluation_error: str = ""


class SubjectAccessReview(Shape, frozen=True, kw_only=True, omit_defaults=False):
    api_version: str = "authorization.k8s.io/v1"
    kind: str = "SubjectAccessReview"
    metadata: ObjectMeta = ObjectMeta()
    spec: SubjectAccessReviewSpec = SubjectAccessReviewSpec()
    status: SubjectAccessReviewStatus = SubjectAccessReviewStatus()


SUBJECT_ACCESS_REVIEWS: Final = Resource(
    group="authorization.k8s.io",
    plural="subjectaccessreviews",
    kind="SubjectAccessReview",
    type=SubjectAccessReview,
    namespaced=False,
)
