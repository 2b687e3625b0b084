"""Ask the API server who somebody is, and what he may do."""

from typing import Protocol, TypeVar

from krustlet.objects import (
    SUBJECT_ACCESS_REVIEWS,
    TOKEN_REVIEWS,
    Resource,
    ResourceAttributes,
    SubjectAccessReview,
    SubjectAccessReviewSpec,
    TokenReview,
    TokenReviewSpec,
    UserInfo,
)
from krustlet.server.errors import ServerError
from krustlet.server.ports import Action

T = TypeVar("T")


class _Api(Protocol):
    """What is needed of `krustlet.kube.KubeClient`."""

    async def create(self, resource: Resource[T], obj: object) -> T: ...


class ReviewContradictory(ServerError):
    """The API server both allowed and denied something."""


class ApiReviewer:
    """A `Reviewer` that has the API server decide."""

    def __init__(self, api: _Api) -> None:
        self._api = api

    async def review_token(self, token: str) -> UserInfo | None:
        review = TokenReview(spec=TokenReviewSpec(token=token))
        status = (await self._api.create(TOKEN_REVIEWS, review)).status
        return status.user if status.authenticated else None

    async def review_access(self, user: UserInfo, action: Action) -> bool:
        spec = SubjectAccessReviewSpec(
            user=user.username,
            uid=user.uid,
            groups=user.groups,
            extra=user.extra,
            resource_attributes=ResourceAttributes(
                verb=action.verb,
                version="v1",
                resource="nodes",
                subresource=action.subresource,
                name=action.node,
            ),
        )
        review = SubjectAccessReview(spec=spec)
        status = (await self._api.create(SUBJECT_ACCESS_REVIEWS, review)).status
        if status.allowed and status.denied:
            raise ReviewContradictory("the API server both allows and denies it")
        return status.allowed
