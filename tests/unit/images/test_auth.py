import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any, cast

import pytest
from multidict import CIMultiDict
from yarl import URL

from krustlet.images import Credentials
from krustlet.images.auth import Authenticator, parse_challenges
from krustlet.images.transport import Answer, Transport

ANYBODY = Credentials()
SCOPE = "repository:hello:pull"


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        pytest.param(
            ['Bearer realm="https://a.io/token",service="reg",scope="repository:a/b:pull,push"'],
            [
                (
                    "bearer",
                    {
                        "realm": "https://a.io/token",
                        "service": "reg",
                        "scope": "repository:a/b:pull,push",
                    },
                )
            ],
            id="a-token",
        ),
        pytest.param(['Basic realm="x"'], [("basic", {"realm": "x"})], id="a-password"),
        pytest.param(["BASIC"], [("basic", {})], id="a-scheme-alone"),
        pytest.param(
            ['Basic realm="a, b=c", Bearer realm=https://a.io , service = "s"'],
            [("basic", {"realm": "a, b=c"}), ("bearer", {"realm": "https://a.io", "service": "s"})],
            id="two-in-one-header",
        ),
        pytest.param(
            ['Basic realm="a"', 'Bearer Realm="b"'],
            [("basic", {"realm": "a"}), ("bearer", {"realm": "b"})],
            id="two-headers",
        ),
        pytest.param(
            [r'Basic realm="a \"b\" \\"'], [("basic", {"realm": r'a "b" \ '[:-1]})], id="escapes"
        ),
        pytest.param(["", 'realm="x"'], [], id="nonsense"),
    ],
)
def test_the_ways_to_sign_in_that_are_offered(
    headers: list[str], expected: list[tuple[str, dict[str, str]]]
) -> None:
    assert parse_challenges(headers) == expected


class FakeAnswer:
    """A 401 that offers tokens, or what is said when one is asked for."""

    def __init__(self, status: int, body: object = None) -> None:
        self.status = status
        self.url = URL("https://reg.io/v2/hello/manifests/v1")
        self.headers = CIMultiDict({"WWW-Authenticate": 'Bearer realm="https://auth.io/token"'})
        self._body = json.dumps(body).encode()

    async def read(self, *, limit_bytes: int) -> bytes:
        return self._body


class FakeIssuer:
    """Hands out a new token each time."""

    def __init__(self, *, expires_in: float | None) -> None:
        self.issued = 0
        self._expires_in = expires_in

    @contextlib.asynccontextmanager
    async def request(self, method: str, url: URL, **_: Any) -> AsyncIterator[FakeAnswer]:
        self.issued += 1
        life = {} if self._expires_in is None else {"expires_in": self._expires_in}
        yield FakeAnswer(200, {"token": f"t{self.issued}", **life})


@pytest.mark.parametrize(
    ("expires_in", "works_s", "over_s"),
    [
        pytest.param(300, 250, 300, id="as-it-says"),
        pytest.param(None, 50, 60, id="a-minute-if-it-does-not-say"),
        pytest.param(1, 50, 60, id="no-less-than-a-minute"),
    ],
)
async def test_a_token_is_shown_until_it_expires(
    expires_in: float | None, works_s: float, over_s: float
) -> None:
    now = 0.0
    issuer = FakeIssuer(expires_in=expires_in)
    authenticator = Authenticator(cast(Transport, issuer), monotonic=lambda: now)
    denied = cast(Answer, FakeAnswer(401))

    header = await authenticator.answer(
        denied, host="reg.io", scope=SCOPE, credentials=ANYBODY, sent=None
    )

    assert header == "Bearer t1"
    now = works_s
    assert authenticator.known("reg.io", SCOPE, ANYBODY) == header
    assert authenticator.known("reg.io", "repository:other:pull", ANYBODY) is None
    assert authenticator.known("other.io", SCOPE, ANYBODY) is None
    now = over_s
    assert authenticator.known("reg.io", SCOPE, ANYBODY) is None


async def test_who_is_denied_together_needs_one_new_token() -> None:
    issuer = FakeIssuer(expires_in=300)
    authenticator = Authenticator(cast(Transport, issuer), monotonic=lambda: 0.0)
    denied = cast(Answer, FakeAnswer(401))
    headers = [
        await authenticator.answer(
            denied, host="reg.io", scope=SCOPE, credentials=ANYBODY, sent="Bearer old"
        )
        for _ in range(2)
    ]
    assert (headers, issuer.issued) == (["Bearer t1", "Bearer t1"], 1)
