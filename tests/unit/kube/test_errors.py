"""A refusal becomes a type to branch on and a sentence to read, whoever wrote it."""

import msgspec
import pytest

from krustlet.kube import (
    AlreadyExists,
    ApiError,
    ApiUnavailable,
    BadRequest,
    Conflict,
    Forbidden,
    Gone,
    Invalid,
    NamespaceEnding,
    NotFound,
    TooManyRequests,
    Unauthorized,
)
from krustlet.kube.errors import error_from_answer


def a_status(**fields: object) -> bytes:
    return msgspec.json.encode({"kind": "Status", "apiVersion": "v1", **fields})


@pytest.mark.parametrize(
    ("status", "reason", "kind"),
    [
        (400, "BadRequest", BadRequest),
        (401, "Unauthorized", Unauthorized),
        (403, "Forbidden", Forbidden),
        (404, "NotFound", NotFound),
        (405, "MethodNotAllowed", ApiError),
        (409, "AlreadyExists", AlreadyExists),
        (409, "Conflict", Conflict),
        (410, "Expired", Gone),
        (410, "Gone", Gone),
        (422, "Invalid", Invalid),
        (429, "TooManyRequests", TooManyRequests),
        (500, "InternalError", ApiUnavailable),
        (503, "ServiceUnavailable", ApiUnavailable),
        (504, "Timeout", ApiUnavailable),
    ],
)
def test_each_refusal_has_its_type(status: int, reason: str, kind: type[ApiError]) -> None:
    error = error_from_answer("GET /x", status, a_status(message="no", reason=reason, code=status))

    assert type(error) is kind
    assert (error.message, error.status, error.api_reason) == ("no", status, reason)
    assert error.retryable == (status >= 429)


def test_a_namespace_that_is_being_deleted_is_told_from_a_right_that_is_missing() -> None:
    why = {"causes": [{"reason": "NamespaceTerminating", "field": "metadata.namespace"}]}
    body = a_status(message="no", reason="Forbidden", code=403, details=why)

    assert type(error_from_answer("POST /x", 403, body)) is NamespaceEnding


@pytest.mark.parametrize(
    ("header", "in_body", "expected"),
    [("7", 3, 7.0), ("", 3, 3.0), ("", 0, None), ("soon", 0, None), ("-1", 0, None)],
)
def test_how_long_to_wait_is_told_by_the_header_or_the_body(
    header: str, in_body: int, expected: float | None
) -> None:
    details = {"retryAfterSeconds": in_body} if in_body else {}
    body = a_status(message="busy", details=details)

    assert error_from_answer("GET /x", 429, body, retry_after=header).retry_after_s == expected


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "GET /x: 502 Bad Gateway"),
        (b"<h1>no\n  upstream</h1>", "GET /x: 502 Bad Gateway: <h1>no upstream</h1>"),
        (b'{"kind":"Proxy"}', 'GET /x: 502 Bad Gateway: {"kind":"Proxy"}'),
        (b"\xff\xfe", "GET /x: 502 Bad Gateway: ��"),
        (b"x" * 5000, f"GET /x: 502 Bad Gateway: {'x' * 200}…"),
    ],
)
def test_what_is_no_status_is_quoted(body: bytes, said: str) -> None:
    error = error_from_answer("GET /x", 502, body)
    assert (type(error), error.message) == (ApiUnavailable, said)


def test_a_code_that_nobody_knows_is_an_error_as_well() -> None:
    assert error_from_answer("GET /x", 299 + 300, b"").message == "GET /x: 599"


def test_the_unauthorized_are_told_what_to_look_at() -> None:
    assert "kubeconfig" in error_from_answer("GET /x", 401, a_status(message="no")).hint
