import pytest

from krustlet.images.auth import parse_challenges


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
