"""Users of certificates, and tokens of headers."""

from typing import Any

import pytest

from krustlet.objects import UserInfo
from krustlet.server.authentication import bearer_token, user_of_certificate

LATER = "Jan  1 00:00:00 2100 GMT"


def a_certificate(*subject: tuple[str, str], ends: str = LATER) -> dict[str, Any]:
    return {"subject": tuple((pair,) for pair in subject), "notAfter": ends}


def test_the_common_name_is_the_user_and_organisations_are_groups() -> None:
    certificate = a_certificate(
        ("organizationName", "a"), ("commonName", "bob"), ("organizationName", "b")
    )
    assert user_of_certificate(certificate) == UserInfo(username="bob", groups=("a", "b"))


def test_of_several_names_the_last_counts() -> None:
    """As in Go's `pkix.Name`."""
    certificate = a_certificate(("commonName", "admin"), ("commonName", "bob"))
    assert user_of_certificate(certificate) == UserInfo(username="bob")


@pytest.mark.parametrize(
    "certificate",
    [
        pytest.param(a_certificate(("organizationName", "a")), id="no-name"),
        pytest.param(a_certificate(("commonName", "")), id="an-empty-name"),
        pytest.param(a_certificate(), id="no-subject"),
        pytest.param(
            a_certificate(("commonName", "bob"), ends="Jan  1 00:00:00 2020 GMT"), id="expired"
        ),
    ],
)
def test_who_is_nobody(certificate: dict[str, Any]) -> None:
    assert user_of_certificate(certificate) is None


@pytest.mark.parametrize(
    ("header", "token"),
    [
        ("Bearer abc", "abc"),
        ("bearer abc", "abc"),
        ("  Bearer abc  ", "abc"),
        ("Bearer abc def", "abc"),
        ("Bearer  abc", ""),
        ("Bearer", ""),
        ("Basic abc", ""),
        ("", ""),
    ],
)
def test_the_token_of_a_header(header: str, token: str) -> None:
    assert bearer_token(header) == token
