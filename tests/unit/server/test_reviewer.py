"""What the API server is asked, and what its answers mean."""

from typing import Any

import msgspec
import pytest

from krustlet.objects import (
    Resource,
    SubjectAccessReviewStatus,
    TokenReviewStatus,
    UserInfo,
)
from krustlet.server import Action, ApiReviewer, ServerError

BOB = UserInfo(username="bob", uid="7", groups=("devs",), extra={"scopes": ("a", "b")})


class FakeApi:
    """Answers every review with one status, and notes it as it would be sent."""

    def __init__(self, status: Any) -> None:
        self._status = status
        self.path = ""
        self.sent: Any = None

    async def create(self, resource: Resource[Any], obj: object) -> Any:
        self.path = f"{resource.group}/{resource.version}/{resource.plural}"
        self.sent = msgspec.json.decode(msgspec.json.encode(obj))
        return msgspec.structs.replace(obj, status=self._status)  # type: ignore[type-var]  # a Shape


async def test_a_token_is_somebodys() -> None:
    api = FakeApi(TokenReviewStatus(authenticated=True, user=BOB))
    assert await ApiReviewer(api).review_token("t0ken") == BOB
    assert api.path == "authentication.k8s.io/v1/tokenreviews"
    assert api.sent["spec"] == {"token": "t0ken"}


async def test_a_token_is_nobodys() -> None:
    api = FakeApi(TokenReviewStatus(user=BOB, error="expired"))
    assert await ApiReviewer(api).review_token("t0ken") is None


@pytest.mark.parametrize("allowed", [True, False])
async def test_somebody_may_or_may_not(allowed: bool) -> None:
    api = FakeApi(SubjectAccessReviewStatus(allowed=allowed))
    action = Action(verb="get", node="node-1", subresource="pods")
    assert await ApiReviewer(api).review_access(BOB, action) is allowed
    assert api.path == "authorization.k8s.io/v1/subjectaccessreviews"
    assert api.sent["spec"] == {
        "user": "bob",
        "uid": "7",
        "groups": ["devs"],
        "extra": {"scopes": ["a", "b"]},
        "resourceAttributes": {
            "verb": "get",
            "version": "v1",
            "resource": "nodes",
            "subresource": "pods",
            "name": "node-1",
        },
    }


async def test_both_is_neither() -> None:
    api = FakeApi(SubjectAccessReviewStatus(allowed=True, denied=True))
    with pytest.raises(ServerError):
        await ApiReviewer(api).review_access(BOB, Action("get", "node-1", "pods"))
