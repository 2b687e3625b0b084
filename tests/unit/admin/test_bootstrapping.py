"""A token, a file, and the rights to use them: all of it, or no token."""

import os
import stat
from pathlib import Path
from typing import Any

import pytest

from krustlet.admin import (
    BootstrapFile,
    BootstrapWanted,
    Endpoint,
    FileInTheWay,
    FileUnwritable,
    RightsMissing,
    bootstrap,
)
from krustlet.admin.token import NAMESPACE, BootstrapToken, good_until, secret_of
from krustlet.base import Instant
from krustlet.kube import AlreadyExists, Forbidden, NotFound, load_kubeconfig
from krustlet.objects import (
    CLUSTER_ROLE_BINDINGS,
    SECRETS,
    ClusterRoleBinding,
    ObjectMeta,
    RoleRef,
    Secret,
    Subject,
)
from tests.support.virtual_time import EPOCH, LoopClock, in_virtual_time
from tests.unit.admin.fakes import Listener, MemoryApi

ENDPOINT = Endpoint(server="https://10.0.0.1:6443")
TOKEN = BootstrapToken("abc123", "0123456789abcdef")
HOUR_S = 3600.0


def show_nobody(_: bytes) -> None:
    raise AssertionError("the file is kept, and not shown")


def wanted(file: Path | None, **others: Any) -> BootstrapWanted:
    return BootstrapWanted(**{"endpoint": ENDPOINT, "file": file, "ttl_s": HOUR_S, **others})


def tokens(api: MemoryApi) -> list[Secret]:
    return [one for (plural, _, _), one in api.objects.items() if plural == SECRETS.plural]


def bindings(api: MemoryApi) -> dict[str, ClusterRoleBinding]:
    return {
        name: one
        for (plural, _, name), one in api.objects.items()
        if plural == CLUSTER_ROLE_BINDINGS.plural
    }


@in_virtual_time
async def _test_file(tmp_path: Path) -> None:
    api, file = MemoryApi(), tmp_path / "config" / "bootstrap.conf"
    new = wanted(file, makes_directory=True)
    done = await bootstrap(api, new, LoopClock(), Listener(), show=show_nobody)
    (secret,) = tokens(api)
    token = done.file.token
    assert secret.metadata.name == f"bootstrap-token-{token.id}"
    assert secret.metadata.namespace == "kube-system"
    assert secret.type == "bootstrap.kubernetes.io/token"
    assert {key: value.decode() for key, value in secret.data.items() if key != "description"} == {
        "token-id": token.id,
        "token-secret": token.secret,
        "expiration": "2026-01-01T01:00:00Z",
        "usage-bootstrap-authentication": "true",
        "usage-bootstrap-signing": "true",
        "auth-extra-groups": "system:bootstrappers:kubeadm:default-node-token",
    }
    assert (done.expires, done.is_new) == ("2026-01-01T01:00:00Z", True)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    config = load_kubeconfig(file, context="tls-bootstrap-token-user@kubernetes")
    assert config.server == ENDPOINT.server
    identity = await config.credentials.identity()
    assert identity.authorization == f"Bearer {token.text}"


def test_there_is_a_file_with_a_token_that_is_good(tmp_path: Path) -> None:
    _test_file(tmp_path)


def test_the_endpoint_is_carried_over_whole(tmp_path: Path) -> None:
    from krustlet.admin import bootstrap_file

    endpoint = Endpoint(
        server="https://10.0.0.1:6443",
        insecure_skip_verify=True,
        tls_server_name="kubernetes",
        proxy_url="http://proxy:3128",
    )
    bootstrap_file.write(tmp_path / "b.conf", BootstrapFile(endpoint, TOKEN))
    assert Endpoint.of(load_kubeconfig(tmp_path / "b.conf")) == endpoint


def test_no_secret_is_in_any_repr() -> None:
    file = BootstrapFile(ENDPOINT, TOKEN)
    for text in (repr(TOKEN), repr(file), str(file), repr(secret_of(TOKEN, expires_at=EPOCH))):
        assert TOKEN.id in text
        assert TOKEN.secret not in text


def test_tokens_have_the_form_that_the_api_server_takes() -> None:
    made = {BootstrapToken.new().text for _ in range(50)}
    assert len(made) == 50
    assert all(BootstrapToken.parse(text) is not None for text in made)


@pytest.mark.parametrize("text", ["", "abc123", "abc123.short", "ABC123.0123456789abcdef", "a.b.c"])
def test_other_words_are_no_tokens(text: str) -> None:
    assert BootstrapToken.parse(text) is None


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        pytest.param({}, "2026-01-01T01:00:00Z", id="good"),
        pytest.param({"expiration": b""}, "", id="for-ever"),
        pytest.param({"expiration": b"2025-12-31T23:59:59Z"}, None, id="expired"),
        pytest.param({"expiration": b"tomorrow"}, None, id="unreadable"),
        pytest.param({"token-secret": b"x" * 16}, None, id="another-secret"),
        pytest.param({"usage-bootstrap-authentication": b"false"}, None, id="not-to-log-in-with"),
    ],
)
def test_until_when_a_token_is_good(changed: dict[str, bytes], expected: str | None) -> None:
    secret = secret_of(TOKEN, expires_at=Instant(EPOCH + HOUR_S))
    secret = Secret(metadata=secret.metadata, data={**secret.data, **changed})
    assert good_until(secret, TOKEN, now=EPOCH) == expected


class Case:
    """A file from an earlier time, and a cluster."""

    def __init__(self, directory: Path) -> None:
        self.api = MemoryApi()
        self.voice = Listener()
        self.file = directory / "bootstrap.conf"

    async def bootstrap(self, **others: Any) -> Any:
        all_of_it = wanted(self.file, **others)
        return await bootstrap(self.api, all_of_it, LoopClock(), self.voice, show=show_nobody)


def run(case: Any, tmp_path: Path) -> None:
    in_virtual_time(case)(Case(tmp_path))


def test_a_file_whose_token_is_good_is_used_again(tmp_path: Path) -> None:
    async def case(it: Case) -> None:
        first = await it.bootstrap()
        content = it.file.read_bytes()
        again = await it.bootstrap(ttl_s=2 * HOUR_S)
        assert (again.file, again.expires, again.is_new) == (first.file, first.expires, False)
        assert it.file.read_bytes() == content
        assert len(tokens(it.api)) == 1

    run(case, tmp_path)


def test_force_makes_another(tmp_path: Path) -> None:
    async def case(it: Case) -> None:
        first = await it.bootstrap()
        again = await it.bootstrap(force=True)
        assert again.is_new
        assert again.file.token != first.file.token

    run(case, tmp_path)


@pytest.mark.parametrize("how", ["expired", "gone"])
def test_a_file_whose_token_is_not_good_any_more_is_replaced(tmp_path: Path, how: str) -> None:
    async def case(it: Case) -> None:
        first = await it.bootstrap()
        (secret,) = tokens(it.api)
        if how == "gone":
            it.api.put(SECRETS, secret, gone=True)
        else:
            old = {**secret.data, "expiration": b"2025-01-01T00:00:00Z"}
            it.api.put(SECRETS, Secret(metadata=secret.metadata, type=secret.type, data=old))
        again = await it.bootstrap()
        assert again.is_new
        assert again.file.token != first.file.token

    run(case, tmp_path)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param("not yaml: [", id="no-yaml"),
        pytest.param("a: b", id="no-kubeconfig"),
        pytest.param(
            "{clusters: [{name: c, cluster: {server: 'https://10.0.0.1:6443'}}], contexts: [{name: "
            "x, context: {cluster: c, user: u}}], users: [{name: u, user: {token: tok}}], "
            "current-context: x}",
            id="another-kubeconfig",
        ),
    ],
)
def test_a_file_that_is_no_bootstrap_file_is_not_overwritten(tmp_path: Path, content: str) -> None:
    async def case(it: Case) -> None:
        it.file.write_text(content)
        with pytest.raises(FileInTheWay, match="already"):
            await it.bootstrap()
        assert it.file.read_text() == content
        assert it.api.objects == {}
        assert (await it.bootstrap(force=True)).is_new

    run(case, tmp_path)


def test_a_file_for_another_cluster_is_not_overwritten(tmp_path: Path) -> None:
    async def case(it: Case) -> None:
        await it.bootstrap(endpoint=Endpoint(server="https://elsewhere:6443"))
        before = dict(it.api.objects)
        with pytest.raises(FileInTheWay, match="https://elsewhere:6443"):
            await it.bootstrap()
        assert it.api.objects == before

    run(case, tmp_path)


def test_no_token_is_left_if_there_can_be_no_file(tmp_path: Path) -> None:
    async def case(it: Case) -> None:
        (tmp_path / "plain").write_text("")
        it.file = tmp_path / "plain" / "bootstrap.conf"
        with pytest.raises(FileUnwritable, match="plain"):
            await it.bootstrap(force=True, makes_directory=True)
        assert tokens(it.api) == []

    run(case, tmp_path)


def test_no_token_is_left_if_nobody_is_shown_the_file(tmp_path: Path) -> None:
    async def case(it: Case) -> None:
        shown: list[bytes] = []

        def show(file: bytes) -> None:
            shown.append(file)
            if len(shown) == 1:
                raise BrokenPipeError

        nowhere = wanted(None)
        with pytest.raises(BrokenPipeError):
            await bootstrap(it.api, nowhere, LoopClock(), it.voice, show=show)
        assert tokens(it.api) == []
        made = await bootstrap(it.api, nowhere, LoopClock(), it.voice, show=show)
        assert shown[1] == made.file.content()
        assert len(tokens(it.api)) == 1

    run(case, tmp_path)


def test_a_directory_that_nobody_asked_for_is_not_made(tmp_path: Path) -> None:
    async def case(it: Case) -> None:
        it.file = tmp_path / "typo" / "dir" / "bootstrap.conf"
        with pytest.raises(FileUnwritable, match=r"there is no directory .*/typo/dir"):
            await it.bootstrap()
        assert it.api.objects == {}
        assert not (tmp_path / "typo").exists()

    run(case, tmp_path)


def test_a_file_that_others_can_read_is_for_its_owner_alone_once_it_is_used_again(
    tmp_path: Path,
) -> None:
    async def case(it: Case) -> None:
        first = await it.bootstrap()
        assert not (await it.bootstrap()).is_new
        assert it.voice.warned == []
        it.file.chmod(0o644)
        assert (await it.bootstrap()).file == first.file
        assert stat.S_IMODE(it.file.stat().st_mode) == 0o600
        (warning,) = it.voice.warned
        assert "could be read by others" in warning
        assert "for its owner alone now" in warning

    run(case, tmp_path)


def test_a_file_of_somebody_else_is_left_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def case(it: Case) -> None:
        await it.bootstrap()
        it.file.chmod(0o644)
        monkeypatch.setattr(os, "geteuid", lambda: it.file.stat().st_uid + 1)
        await it.bootstrap()
        assert stat.S_IMODE(it.file.stat().st_mode) == 0o644
        assert "it is another user's" in it.voice.warned[0]

    run(case, tmp_path)


def test_a_token_that_cannot_be_taken_back_is_told(tmp_path: Path) -> None:
    async def case(it: Case) -> None:
        (tmp_path / "plain").write_text("")
        it.file = tmp_path / "plain" / "bootstrap.conf"

        def forbid(call: str) -> None:
            if call.startswith("delete"):
                raise Forbidden("no", status=403)

        it.api.on_call = forbid
        with pytest.raises(FileUnwritable):
            await it.bootstrap(force=True, makes_directory=True)
        (warning,) = it.voice.warned
        assert "kubectl -n kube-system delete secret bootstrap-token-" in warning

    run(case, tmp_path)


def test_an_id_that_is_taken_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def case(it: Case) -> None:
        given = iter([TOKEN, BootstrapToken("def456", TOKEN.secret)])
        monkeypatch.setattr(BootstrapToken, "new", lambda: next(given))
        call = f"create secrets {TOKEN.object_name}"
        it.api.faults[call] = [AlreadyExists("it is there", status=409)]
        assert (await it.bootstrap()).file.token.id == "def456"

    run(case, tmp_path)


@pytest.mark.parametrize("seconds", [120, -120])
def test_clocks_that_differ_are_told(tmp_path: Path, seconds: int) -> None:
    async def case(it: Case) -> None:
        def late(_: str) -> None:
            pass

        it.api.on_call = late
        put = it.api.put

        def stamped(resource: Any, obj: Any, *, gone: bool = False) -> Any:
            if isinstance(obj, Secret) and not gone:
                from krustlet.objects import to_rfc3339

                at = to_rfc3339(Instant(EPOCH - seconds))
                meta = ObjectMeta(
                    name=obj.metadata.name, namespace=NAMESPACE, creation_timestamp=at
                )
                obj = Secret(metadata=meta, type=obj.type, data=obj.data)
            return put(resource, obj, gone=gone)

        it.api.put = stamped  # type: ignore[method-assign]  # the cluster's clock is another one
        await it.bootstrap()
        assert ("ahead of" if seconds > 0 else "behind") in it.voice.warned[0]

    run(case, tmp_path)


# rights -------------------------------------------------------------------------------------------


def a_binding(role: str, *groups: str, name: str = "of-somebody") -> ClusterRoleBinding:
    return ClusterRoleBinding(
        metadata=ObjectMeta(name=name),
        role_ref=RoleRef(kind="ClusterRole", name=role),
        subjects=tuple(Subject(kind="Group", name=group) for group in groups),
    )


def test_a_bare_cluster_is_told_that_nodes_may_ask(tmp_path: Path) -> None:
    async def case(it: Case) -> None:
        await it.bootstrap()
        (binding,) = bindings(it.api).values()
        assert binding.metadata.name == "krustlet:node-bootstrapper"
        assert binding.role_ref.name == "system:node-bootstrapper"
        assert [one.name for one in binding.subjects] == [
            "system:bootstrappers:kubeadm:default-node-token"
        ]

    run(case, tmp_path)


@pytest.mark.parametrize(
    "group", ["system:bootstrappers", "system:bootstrappers:kubeadm:default-node-token"]
)
def test_what_somebody_has_granted_is_not_granted_again(tmp_path: Path, group: str) -> None:
    async def case(it: Case) -> None:
        it.api.put(CLUSTER_ROLE_BINDINGS, a_binding("system:node-bootstrapper", "x", group))
        await it.bootstrap()
        assert set(bindings(it.api)) == {"of-somebody"}

    run(case, tmp_path)


def test_a_binding_for_others_grants_nothing(tmp_path: Path) -> None:
    async def case(it: Case) -> None:
        it.api.put(CLUSTER_ROLE_BINDINGS, a_binding("system:node-bootstrapper", "others"))
        await it.bootstrap()
        assert "krustlet:node-bootstrapper" in bindings(it.api)

    run(case, tmp_path)


def test_nothing_is_approved_at_once_unless_asked_for(tmp_path: Path) -> None:
    async def case(it: Case) -> None:
        await it.bootstrap()
        assert len(bindings(it.api)) == 1
        await it.bootstrap(auto_approve=True)
        found = {
            one.role_ref.name.rpartition(":")[2]: one.subjects[0].name
            for one in bindings(it.api).values()
        }
        assert found == {
            "system:node-bootstrapper".rpartition(":")[2]: (
                "system:bootstrappers:kubeadm:default-node-token"
            ),
            "nodeclient": "system:bootstrappers:kubeadm:default-node-token",
            "selfnodeclient": "system:nodes",
        }

    run(case, tmp_path)


def test_who_may_only_make_tokens_may_still_make_them(tmp_path: Path) -> None:
    """On a cluster of kubeadm's, that was all that the original's script took."""

    async def case(it: Case) -> None:
        it.api.faults["list clusterrolebindings"] = [Forbidden("no", status=403)]
        assert (await it.bootstrap()).is_new
        assert "may not see ClusterRoleBindings" in it.voice.warned[0]

    run(case, tmp_path)


@pytest.mark.parametrize(
    ("call", "others"),
    [
        ("list clusterrolebindings", {"auto_approve": True}),
        ("patch clusterrolebindings krustlet:node-bootstrapper", {}),
    ],
)
def test_who_may_not_grant_what_is_missing_makes_nothing(
    tmp_path: Path, call: str, others: dict[str, Any]
) -> None:
    async def case(it: Case) -> None:
        it.api.faults[call] = [Forbidden("no", status=403)]
        with pytest.raises(RightsMissing, match="may not"):
            await it.bootstrap(**others)
        assert it.api.objects == {}
        assert not it.file.exists()

    run(case, tmp_path)


def test_a_cluster_without_rbac_is_no_error(tmp_path: Path) -> None:
    async def case(it: Case) -> None:
        it.api.faults["list clusterrolebindings"] = [NotFound("no such resource", status=404)]
        assert (await it.bootstrap()).is_new

    run(case, tmp_path)


@pytest.mark.parametrize(
    ("server", "is_loopback"),
    [
        ("https://127.0.0.1:6443", True),
        ("https://localhost:6443", True),
        ("https://kind.localhost:6443", True),
        ("https://[::1]:6443", True),
        ("https://0.0.0.0:6443", True),
        ("https://10.0.0.1:6443", False),
        ("https://api.example.com", False),
    ],
)
def test_addresses_that_lead_nowhere_else(server: str, is_loopback: bool) -> None:
    assert Endpoint(server=server).is_loopback is is_loopback
