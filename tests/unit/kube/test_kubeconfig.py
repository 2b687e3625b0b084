"""A kubeconfig is followed to the letter, or refused with a word on what is wrong."""

import asyncio
import base64
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from krustlet.kube import KubeConfig, KubeConfigError, load_kubeconfig
from krustlet.kube.credentials import Identity
from krustlet.kube.exec_plugin import ExecPlugin
from krustlet.kube.kubeconfig_file import NamedUser
from tests.support.authority import Authority
from tests.support.authority import Identity as Signed

A_SECRET = "s3cr3t-t0k3n"
PLUGIN = {"command": "aws", "apiVersion": "client.authentication.k8s.io/v1"}


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority.create(tmp_path_factory.mktemp("pki"), "test")


@pytest.fixture(scope="module")
def alice(authority: Authority) -> Signed:
    return authority.issue("alice")


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    def write(*, user: dict[str, Any] | None = None, **cluster: Any) -> Path:
        cluster = {"server": "https://10.0.0.1:6443", **cluster}
        return write_file(tmp_path, a_config(cluster, user or {}))

    return write


def a_config(cluster: dict[str, Any], user: dict[str, Any]) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "blue", "cluster": cluster}],
        "users": [{"name": "alice", "user": user}],
        "contexts": [
            {
                "name": "work",
                "context": {"cluster": "blue", "user": "alice", "namespace": "team"},
            },
            {"name": "bare", "context": {"cluster": "blue"}},
        ],
        "current-context": "work",
    }


def write_file(directory: Path, config: object) -> Path:
    path = directory / "config"
    path.write_text(config if isinstance(config, str) else yaml.safe_dump(config))
    return path


def encoded(content: bytes) -> str:
    return base64.b64encode(content).decode()


def identity_of(config: KubeConfig) -> Identity:
    return asyncio.run(_identity(config))


async def _identity(config: KubeConfig) -> Identity:
    return await config.credentials.identity()


# the server --------------------------------------------------------------------------------------


def test_the_current_context_is_followed(write: Callable[..., Path]) -> None:
    path = write(**{"tls-server-name": "kubernetes", "proxy-url": "http://proxy:3128"})

    config = load_kubeconfig(path)

    assert (config.server, config.user_name, config.namespace) == (
        "https://10.0.0.1:6443",
        "alice",
        "team",
    )
    assert (config.ca, config.tls_server_name) == (None, "kubernetes")
    assert (config.proxy_url, config.origin) == ("http://proxy:3128", path)


def test_another_context_is_followed_if_asked_for(write: Callable[..., Path]) -> None:
    path = write(user={"token": "t"})
    assert identity_of(load_kubeconfig(path, context="bare")) == Identity()


def test_json_is_read_as_well(tmp_path: Path) -> None:
    (tmp_path / "config").write_bytes(
        b'{"clusters":[{"name":"c","cluster":{"server":"http://localhost:8080/prefix/"}}],'
        b'"contexts":[{"name":"x","context":{"cluster":"c"}}],"current-context":"x"}'
    )
    assert load_kubeconfig(tmp_path / "config").server == "http://localhost:8080/prefix"


def test_an_authority_is_inline_or_in_a_file_beside(
    write: Callable[..., Path], authority: Authority, tmp_path: Path
) -> None:
    pem = authority.certificate.read_bytes()
    (tmp_path / "ca.crt").write_bytes(pem)

    inline = load_kubeconfig(write(**{"certificate-authority-data": encoded(pem)}))
    beside = load_kubeconfig(write(**{"certificate-authority": "ca.crt"}))

    assert inline.ca == beside.ca == pem
    assert [one["subject"] for one in inline.ssl_context(None).get_ca_certs()] == [
        ((("commonName", "test"),),)
    ]


def test_without_an_authority_of_its_own_the_machine_decides(write: Callable[..., Path]) -> None:
    context = load_kubeconfig(write()).ssl_context(None)
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)


def test_the_server_may_be_anybody_only_where_it_says_so(write: Callable[..., Path]) -> None:
    config = load_kubeconfig(write(**{"insecure-skip-tls-verify": True}))
    context = config.ssl_context(None)
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_NONE, False)


# who we are --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("user", "header"),
    [
        pytest.param({}, "", id="nobody"),
        pytest.param({"token": "abc"}, "Bearer abc", id="a token"),
        pytest.param({"token": "abc\n"}, "Bearer abc", id="a token with a line end"),
        pytest.param(
            {"username": "al", "password": "o:p"}, "Basic YWw6bzpw", id="a name and a password"
        ),
        pytest.param({"token": "abc", "exec": PLUGIN}, "Bearer abc", id="a token before a plugin"),
    ],
)
def test_the_header_says_who_we_are(
    write: Callable[..., Path], user: dict[str, Any], header: str
) -> None:
    assert identity_of(load_kubeconfig(write(user=user))).authorization == header


def test_a_token_file_goes_before_a_token(write: Callable[..., Path], tmp_path: Path) -> None:
    (tmp_path / "token").write_text("from-file\n")
    config = load_kubeconfig(write(user={"tokenFile": "token", "token": "old"}))
    assert identity_of(config).authorization == "Bearer from-file"


def test_a_client_certificate_is_inline_or_in_files_beside(
    write: Callable[..., Path], alice: Signed, tmp_path: Path
) -> None:
    both = alice.certificate.read_bytes() + alice.key.read_bytes()
    (tmp_path / "both.pem").write_bytes(both)
    inline = {
        "client-certificate-data": encoded(alice.certificate.read_bytes()),
        "client-key-data": encoded(alice.key.read_bytes()),
    }
    in_files = {"client-certificate": str(alice.certificate), "client-key": str(alice.key)}
    in_one_file = {"client-certificate": "both.pem", "client-key": "both.pem"}

    for user in (inline, in_files, in_one_file):
        config = load_kubeconfig(write(user=user))
        certificate = identity_of(config).certificate
        assert certificate is not None
        assert certificate.pem().count(b"BEGIN CERTIFICATE") == 1
        assert certificate.pem().count(b"PRIVATE KEY-----") == 2
        config.ssl_context(certificate)


def test_a_rotated_certificate_is_read_anew(
    write: Callable[..., Path], authority: Authority, tmp_path: Path
) -> None:
    first, second = authority.issue("alice"), authority.issue("alice")
    current = tmp_path / "current.pem"
    current.write_bytes(first.certificate.read_bytes() + first.key.read_bytes())
    user = {"client-certificate": "current.pem", "client-key": "current.pem"}
    certificate = identity_of(load_kubeconfig(write(user=user))).certificate
    assert certificate is not None

    current.write_bytes(second.certificate.read_bytes() + second.key.read_bytes())

    assert second.certificate.read_bytes() in certificate.pem()


def test_a_plugin_is_asked_where_there_is_nothing_else(write: Callable[..., Path]) -> None:
    assert isinstance(load_kubeconfig(write(user={"exec": PLUGIN})).credentials, ExecPlugin)


# what is refused ---------------------------------------------------------------------------------


def test_a_file_that_is_missing_may_be_another(tmp_path: Path) -> None:
    (tmp_path / "config").touch()
    with pytest.raises(KubeConfigError, match="there is no kubeconfig") as caught:
        load_kubeconfig(tmp_path / "confg")
    assert "did you mean" in caught.value.hint


def test_what_has_no_end_is_no_kubeconfig() -> None:
    with pytest.raises(KubeConfigError, match="longer than 16 MiB"):
        load_kubeconfig(Path("/dev/zero"))


def test_a_directory_is_no_kubeconfig(tmp_path: Path) -> None:
    with pytest.raises(KubeConfigError, match="cannot be read: Is a directory"):
        load_kubeconfig(tmp_path)


def test_a_context_that_is_missing_may_be_another(write: Callable[..., Path]) -> None:
    with pytest.raises(KubeConfigError, match="no context 'wrok'") as caught:
        load_kubeconfig(write(), context="wrok")
    assert caught.value.hint == "did you mean `work`?"


def test_without_a_current_context_one_has_to_be_named(tmp_path: Path) -> None:
    config = {**a_config({"server": "https://x"}, {}), "current-context": ""}
    with pytest.raises(KubeConfigError, match="no current-context") as caught:
        load_kubeconfig(write_file(tmp_path, config))
    assert caught.value.hint == "name one of its contexts: work, bare"


@pytest.mark.parametrize(
    ("cluster", "why"),
    [
        ({"server": ""}, "has no server"),
        ({"server": "10.0.0.1:6443"}, "is no address"),
        ({"server": "https://10.0.0.1:644300"}, "is no address"),
        ({"server": "https://al:pw@10.0.0.1"}, "has a user in its address"),
        ({"proxy-url": "socks5://10.0.0.1"}, "is not supported"),
        ({"certificate-authority": "gone.crt"}, r"gone\.crt cannot be read: No such file"),
        ({"certificate-authority-data": "%%%"}, "certificate-authority-data is no base64"),
        ({"certificate-authority-data": encoded(b"PEM?")}, "is no PEM certificate"),
    ],
)
def test_a_cluster_that_cannot_be_followed_is_refused(
    write: Callable[..., Path], cluster: dict[str, Any], why: str
) -> None:
    with pytest.raises(KubeConfigError, match=why) as caught:
        load_kubeconfig(write(**cluster))
    assert "pw" not in caught.value.message


@pytest.mark.parametrize(
    ("user", "why"),
    [
        ({"client-certificate-data": "QQ=="}, "lacks a client-key"),
        ({"client-key": "alice.key"}, "lacks a client-certificate"),
        ({"client-certificate": "gone", "client-key": "gone"}, "gone cannot be read: No such file"),
        ({"client-certificate-data": "QQ==", "client-key-data": "QQ=="}, "cannot be used"),
        ({"token": "two words"}, "a token is one word"),
        ({"as": "root"}, "acts as somebody else"),
        ({"auth-provider": {"name": "gcp"}}, "has an auth-provider"),
        ({"exec": {**PLUGIN, "command": ""}}, "has no command"),
        ({"exec": {**PLUGIN, "apiVersion": "v1alpha1"}}, "has apiVersion 'v1alpha1'"),
        ({"exec": {**PLUGIN, "interactiveMode": "Always"}}, "wants to ask a person"),
    ],
)
def test_a_user_that_cannot_be_followed_is_refused(
    write: Callable[..., Path], user: dict[str, Any], why: str
) -> None:
    with pytest.raises(KubeConfigError, match=why):
        load_kubeconfig(write(user=user))


def test_a_key_of_another_certificate_is_refused(
    write: Callable[..., Path], alice: Signed, authority: Authority
) -> None:
    other = authority.issue("bob")
    user = {"client-certificate": str(alice.certificate), "client-key": str(other.key)}
    with pytest.raises(KubeConfigError, match="cannot be used with its key") as caught:
        load_kubeconfig(write(user=user))
    assert "belong together" in caught.value.hint


def test_an_encrypted_key_is_refused_and_nobody_is_asked_for_a_password(
    write: Callable[..., Path], alice: Signed, tmp_path: Path
) -> None:
    from cryptography.hazmat.primitives import serialization

    key = serialization.load_pem_private_key(alice.key.read_bytes(), password=None)
    (tmp_path / "locked.key").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"password"),
        )
    )
    user = {"client-certificate": str(alice.certificate), "client-key": "locked.key"}
    with pytest.raises(KubeConfigError, match="cannot be used with its key"):
        load_kubeconfig(write(user=user))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (f"users:\n- name: alice\n  user: {{token: {A_SECRET}, : ]\n", "is no YAML: see line 3"),
        (f"users: {{name: {A_SECRET}}}", r"is no kubeconfig: Expected `array \| null`"),
        ("users: [{name: alice, user: {password: 123456}}]", "Expected `str`, got `int`"),
        ("", "is no kubeconfig"),
        ("just words", "is no kubeconfig"),
        ("\0", "is no YAML"),
    ],
)
def test_what_is_no_kubeconfig_is_refused_without_quoting_it(
    tmp_path: Path, text: str, why: str
) -> None:
    with pytest.raises(KubeConfigError, match=why) as caught:
        load_kubeconfig(write_file(tmp_path, text))
    assert A_SECRET not in repr(caught.value)
    assert "123456" not in repr(caught.value)
    assert caught.value.__cause__ is None or A_SECRET not in str(caught.value.__cause__)


# what is shown -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "user",
    [
        {"token": A_SECRET},
        {"username": "alice", "password": A_SECRET},
        {"exec": {**PLUGIN, "args": [A_SECRET], "env": [{"name": "KEY", "value": A_SECRET}]}},
    ],
)
def test_no_secret_is_ever_shown(write: Callable[..., Path], user: dict[str, Any]) -> None:
    config = load_kubeconfig(write(user=user, **{"proxy-url": f"http://me:{A_SECRET}@proxy"}))
    as_written = msgspec.convert({"name": "alice", "user": user}, NamedUser)

    shown = [
        repr(as_written),
        repr(as_written.__rich_repr__()),
        repr(config),
        repr(config.credentials),
        repr(config.__rich_repr__()),
    ]
    if "exec" not in user:
        identity = identity_of(config)
        shown += [repr(identity), repr(identity.__rich_repr__())]

    assert not [text for text in shown if A_SECRET in text or encoded(A_SECRET.encode()) in text]
    assert "https://10.0.0.1:6443" in repr(config)


def test_an_inline_key_is_not_shown_either(write: Callable[..., Path], alice: Signed) -> None:
    key = alice.key.read_bytes()
    user = {
        "client-certificate-data": encoded(alice.certificate.read_bytes()),
        "client-key-data": encoded(key),
    }
    config = load_kubeconfig(write(user=user))
    assert "inline" in repr(config.credentials)
    assert "PRIVATE" not in repr(config.credentials)
