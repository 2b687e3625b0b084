import base64
import json
from pathlib import Path

import pytest

from krustlet.images import (
    Credentials,
    Keyring,
    PullSecretInvalid,
    RegistryReference,
    parse_reference,
)
from krustlet.objects import ObjectMeta, Secret


def image(text: str) -> RegistryReference:
    reference = parse_reference(text)
    assert isinstance(reference, RegistryReference)
    return reference


def users(keyring: Keyring, text: str) -> list[str]:
    return [credentials.username for credentials in keyring.look_up(image(text))]


def a_keyring(*keys: str) -> Keyring:
    """One in which each user is named for what the credentials are for."""
    return Keyring([(key, Credentials(username=key, password="p")) for key in keys])


def a_secret(
    data: object,
    kind: str = "kubernetes.io/dockerconfigjson",
    key: str = ".dockerconfigjson",
) -> Secret:
    text = data if isinstance(data, bytes) else json.dumps(data).encode()
    return Secret(metadata=ObjectMeta(namespace="ns", name="pull"), type=kind, data={key: text})


def auth(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    ("key", "name", "fits"),
    [
        pytest.param("reg.io", "reg.io/a/b", True, id="a-host"),
        pytest.param("reg.io", "other.io/a", False, id="another-host"),
        pytest.param("reg.io", "reg.io:5000/a", False, id="another-port"),
        pytest.param("reg.io:5000", "reg.io:5000/a", True, id="host-and-port"),
        pytest.param("https://reg.io", "reg.io/a", True, id="with-scheme"),
        pytest.param("http://reg.io/v1/", "reg.io/a", True, id="version-1-is-the-host"),
        pytest.param("https://reg.io/v2/", "reg.io/a", True, id="version-2-is-the-host"),
        pytest.param("reg.io/team", "reg.io/team/a", True, id="a-path"),
        pytest.param("reg.io/team", "reg.io/other/a", False, id="another-path"),
        pytest.param("*.reg.io", "eu.reg.io/a", True, id="a-glob-for-a-label"),
        pytest.param("*.reg.io", "reg.io/a", False, id="a-glob-is-one-label"),
        pytest.param("*.io", "eu.reg.io/a", False, id="a-glob-is-no-more-than-one"),
        pytest.param("r?g*.io", "region1.io/a", True, id="a-glob-within-a-label"),
        pytest.param("[::1]:5000", "[::1]:5000/a", True, id="an-ipv6-address-is-no-glob"),
        pytest.param("https://index.docker.io/v1/", "hello", True, id="docker-hub"),
        pytest.param("docker.io", "hello", True, id="docker-hub-by-its-name"),
        pytest.param("index.docker.io", "localhost/hello", False, id="docker-hub-is-not-here"),
    ],
)
def test_an_entry_is_for_the_images_the_kubelet_takes_it_for(
    key: str, name: str, fits: bool
) -> None:
    assert bool(users(a_keyring(key), name)) == fits


def test_the_more_specific_comes_first() -> None:
    keyring = a_keyring("reg.io", "reg.io/team/web", "reg.io/team", "*.io")
    assert users(keyring, "reg.io/team/web/a") == [
        "reg.io/team/web",
        "reg.io/team",
        "reg.io",
        "*.io",
    ]


def test_all_secrets_count_while_passwords_are_rotated() -> None:
    keyring = Keyring.from_secrets(
        [a_secret({"auths": {"reg.io": {"auth": auth(f"me:{n}")}}}) for n in (1, 2, 1)]
    )
    assert [c.password for c in keyring.look_up(image("reg.io/a"))] == ["1", "2"]


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        pytest.param(
            {"username": "u", "password": "p"},
            Credentials(username="u", password="p"),
            id="in-two-fields",
        ),
        pytest.param(
            {"auth": auth("u:p:q"), "username": "other"},
            Credentials(username="u", password="p:q"),
            id="auth-decides",
        ),
        pytest.param(
            {"auth": auth("us:pa").rstrip("=")},
            Credentials(username="us", password="pa"),
            id="without-padding",
        ),
        pytest.param(
            {"identitytoken": "t"}, Credentials(identity_token="t"), id="an-identity-token"
        ),
        pytest.param(
            {"auth": auth("<token>:t")}, Credentials(identity_token="t"), id="one-as-a-password"
        ),
        pytest.param(
            {"registrytoken": "t"}, Credentials(registry_token="t"), id="a-registry-token"
        ),
    ],
)
def test_what_an_entry_holds(entry: dict[str, str], expected: Credentials) -> None:
    keyring = Keyring.from_secrets([a_secret({"auths": {"reg.io": entry}})])
    assert keyring.look_up(image("reg.io/a")) == (expected,)


def test_the_old_format_has_no_auths_around_it() -> None:
    secret = a_secret({"reg.io": {"auth": auth("u:p")}}, "kubernetes.io/dockercfg", ".dockercfg")
    assert users(Keyring.from_secrets([secret]), "reg.io/a") == ["u"]


@pytest.mark.parametrize(
    "secret",
    [
        pytest.param(a_secret({"auths": {"reg.io": {}}}), id="an-entry-for-a-helper"),
        pytest.param(a_secret({"auths": {"reg.io": {"auth": auth("u:p")}}}, "Opaque"), id="opaque"),
        pytest.param(a_secret(b""), id="empty"),
    ],
)
def test_what_holds_no_credentials_is_passed_over(secret: Secret) -> None:
    assert Keyring.from_secrets([secret]).look_up(image("reg.io/a")) == ()


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"s3cret", id="no-json"),
        pytest.param({"auths": {"reg.io": {"auth": "s3cret!"}}}, id="no-base64"),
        pytest.param({"auths": {"reg.io": {"auth": auth("s3cret")}}}, id="no-colon"),
        pytest.param({"auths": {"reg.io": "s3cret"}}, id="another-shape"),
    ],
)
def test_a_broken_secret_is_named_but_not_shown(data: object) -> None:
    with pytest.raises(PullSecretInvalid, match="Secret ns/pull") as invalid:
        Keyring.from_secrets([a_secret(data)])
    assert "s3cret" not in f"{invalid.value}{invalid.value.hint}{invalid.value.__cause__}"
    assert "kubectl create secret" in invalid.value.hint


def test_nothing_shows_a_secret() -> None:
    keyring = Keyring([("reg.io", Credentials(username="u", password="s3cret"))])
    (credentials,) = keyring.look_up(image("reg.io/a"))
    assert "s3cret" not in f"{keyring!r} {credentials!r} {credentials}"


def test_a_nodes_file_is_read_and_need_not_be_there(tmp_path: Path) -> None:
    file = tmp_path / "config.json"
    assert Keyring.from_file(file).look_up(image("reg.io/a")) == ()
    file.write_text(json.dumps({"auths": {"reg.io": {"auth": auth("u:p")}}, "credsStore": "x"}))
    assert users(Keyring.from_file(file), "reg.io/a") == ["u"]
    file.write_text("[")
    with pytest.raises(PullSecretInvalid, match=r"config\.json") as invalid:
        Keyring.from_file(file)
    assert "docker login" in invalid.value.hint
