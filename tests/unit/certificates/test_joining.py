"""A node uses what it has, gets what it lacks, and says what is wrong with either."""

import asyncio
import json
import ssl
import stat
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import pytest
import yaml
from cryptography import x509

from krustlet.base import KrustletError
from krustlet.certificates import (
    AnotherCluster,
    AnotherNode,
    BootstrapFileUnusable,
    BootstrapRefused,
    CredentialsExpired,
    CredentialsMissing,
    CredentialsUnusable,
    Held,
    Joining,
    KeyExposed,
    KubeConfigUnwritable,
    Purpose,
    RequestDenied,
    Requests,
    ServerUntrusted,
    Store,
    StoredCredentials,
    Wanted,
    client_wanted,
    credentials_for,
    request_pem,
)
from krustlet.certificates import write_kubeconfig as write_joined
from krustlet.certificates.bootstrapping import first_certificate
from krustlet.certificates.kubeconfig import is_written_here
from krustlet.kube import (
    ApiError,
    ApiUnavailable,
    Forbidden,
    KubeConfig,
    KubeConfigError,
    Unauthorized,
    load_kubeconfig,
)
from tests.support.authority import Authority
from tests.support.authority import Identity as Issued
from tests.support.kubeconfig import write_kubeconfig
from tests.support.virtual_time import EPOCH, LoopClock, in_virtual_time
from tests.unit.certificates.conftest import Logged, lines
from tests.unit.certificates.fakes import FakeRequests, StoppedClock, going, signed

NODE: Final = "wasm-1"
USER: Final = "system:node:wasm-1"
SERVER: Final = "https://10.0.0.1:6443"
TOKEN: Final = "abcdef.0123456789abcdef"
HOUR: Final = 3600.0
APPROVE: Final = (
    "BOOTSTRAP: TLS certificate requires manual approval. Run kubectl certificate approve wasm-1"
)
RECEIVED: Final = "BOOTSTRAP: received TLS certificate approval: continuing"


class Rig:
    """A machine, and a cluster with requests."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.authority = Authority.create(directory / "authority", "cluster")
        self.kubeconfig = directory / "etc" / "krustlet" / "kubeconfig"
        self.bootstrap_file: Path | None = None
        self.clock = StoppedClock(EPOCH)
        self.store = Store(directory / "pki", clock=self.clock)
        self.requests = FakeRequests()
        self.asked_at: list[KubeConfig] = []
        self.said: list[str] = []
        self.node = NODE

    def joining(self) -> Joining:
        return Joining(
            kubeconfig=self.kubeconfig,
            bootstrap_file=self.bootstrap_file,
            node=self.node,
            clock=self.clock,
            store=self.store,
            say=self.said.append,
            open_requests=self._open,
        )

    async def joined(self) -> KubeConfig:
        return await credentials_for(self.joining())

    @asynccontextmanager
    async def _open(self, cluster: KubeConfig) -> AsyncIterator[Requests]:
        self.asked_at.append(cluster)
        yield self.requests

    # what is there ----------------------------------------------------------------------------

    def has_bootstrap_file(self, *, server: str = SERVER, ca: Path | None = None) -> Path:
        self.bootstrap_file = self.directory / "bootstrap.conf"
        return write_kubeconfig(
            self.bootstrap_file,
            server=server,
            ca=ca or self.authority.certificate,
            user="tls-bootstrap-token-user",
            credentials=TOKEN,
        )

    def has_kubeconfig(
        self,
        *,
        node: str = NODE,
        server: str = SERVER,
        ago_s: float = HOUR,
        life_s: float = 2 * HOUR,
    ) -> Path:
        """An administrator's, with certificate and key inside."""
        return write_kubeconfig(
            self.kubeconfig,
            server=server,
            ca=self.authority.certificate,
            user="node",
            credentials=self._issued(node, ago_s=ago_s, life_s=life_s),
        )

    def has_kubeconfig_of_the_original(self, *, ago_s: float = HOUR) -> Path:
        """All is named `krustlet`, and it is JSON."""
        path = self.has_kubeconfig(ago_s=ago_s)
        read = yaml.safe_load(path.read_text())
        for kind in ("clusters", "users", "contexts"):
            read[kind][0]["name"] = "krustlet"
        read["contexts"][0]["context"] = {"cluster": "krustlet", "user": "krustlet"}
        path.write_text(json.dumps({**read, "current-context": "krustlet"}))
        assert is_written_here(path)
        return path

    def has_stored(self, *, node: str = NODE, ago_s: float = HOUR) -> Held:
        issued = self._issued(node, ago_s=ago_s)
        certificate, key = issued.certificate.read_bytes(), issued.key.read_bytes()
        return self.store.keep(Purpose.CLIENT, certificate, key)

    def _issued(self, node: str, *, ago_s: float, life_s: float = 2 * HOUR) -> Issued:
        wanted = client_wanted(node=node)
        key = self.store.draft(wanted).key
        self.store.drop_pending(Purpose.CLIENT)
        begins = EPOCH - ago_s
        certificate = signed(
            request_pem(wanted, key),
            usages=wanted.usages,
            not_before=begins,
            not_after=begins + life_s,
        )
        issued = Issued(self.directory / f"{node}{ago_s}.crt", self.directory / f"{node}.key")
        issued.certificate.write_bytes(certificate)
        issued.key.write_bytes(key)
        return issued

    def has_joined(self, *, node: str = NODE, ago_s: float = HOUR) -> None:
        """As a bootstrap leaves things behind."""
        held = self.has_stored(node=node, ago_s=ago_s)
        cluster = load_kubeconfig(self.has_bootstrap_file())
        self.bootstrap_file = None
        self.kubeconfig.parent.mkdir(parents=True, exist_ok=True)
        write_joined(self.kubeconfig, cluster=cluster, certificate=held.path)

    @property
    def aside(self) -> list[str]:
        return sorted(path.name for path in self.directory.rglob("*.old"))


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path)


async def _shown(config: KubeConfig) -> bytes:
    certificate = (await config.credentials.identity()).certificate
    assert certificate is not None
    return certificate.pem()


async def _grants(requests: FakeRequests) -> None:
    await asyncio.sleep(1)
    requests.grant(NODE)


# what there is ------------------------------------------------------------------------------------


@in_virtual_time
async def _uses(rig: Rig, content: bytes) -> None:
    config = await rig.joined()
    assert isinstance(config.credentials, StoredCredentials)
    assert content.strip() in await _shown(config)
    assert rig.asked_at == []


def test_a_kubeconfig_that_is_good_is_used_and_nothing_is_asked_for(rig: Rig) -> None:
    rig.has_kubeconfig()
    rig.has_bootstrap_file()
    _uses(rig, (rig.directory / f"{NODE}{HOUR}.crt").read_bytes())
    assert rig.aside == []


@pytest.mark.parametrize("write", [Rig.has_kubeconfig, Rig.has_kubeconfig_of_the_original])
def test_a_later_certificate_in_the_store_goes_before_that_in_the_kubeconfig(
    rig: Rig, write: Callable[..., Path]
) -> None:
    write(rig, ago_s=1.5 * HOUR)
    held = rig.has_stored(ago_s=HOUR)
    _uses(rig, held.path.read_bytes())


def test_an_older_certificate_in_the_store_is_put_aside(rig: Rig) -> None:
    rig.has_stored(ago_s=1.5 * HOUR)
    rig.has_kubeconfig(ago_s=HOUR)
    _uses(rig, (rig.directory / f"{NODE}{HOUR}.crt").read_bytes())
    assert rig.aside == ["kubelet-client-current.pem.old"]


def test_a_later_certificate_of_another_node_does_not_count(rig: Rig) -> None:
    rig.has_kubeconfig(ago_s=1.5 * HOUR)
    rig.has_stored(node="wasm-2")
    _uses(rig, (rig.directory / f"{NODE}{1.5 * HOUR}.crt").read_bytes())


def test_an_older_certificate_that_is_good_goes_before_a_later_one_that_has_expired(
    rig: Rig,
) -> None:
    held = rig.has_stored(ago_s=1.5 * HOUR)
    rig.has_kubeconfig(ago_s=HOUR, life_s=0.5 * HOUR)
    _uses(rig, held.path.read_bytes())


def test_what_a_bootstrap_left_behind_is_enough_for_the_next_start(rig: Rig) -> None:
    rig.has_joined()
    _uses(rig, rig.store.path(Purpose.CLIENT).read_bytes())
    rig.bootstrap_file = rig.directory / "deleted-since.conf"
    _uses(rig, rig.store.path(Purpose.CLIENT).read_bytes())


@in_virtual_time
async def test_a_token_is_used_as_it_is(rig: Rig) -> None:
    ca = rig.authority.certificate
    write_kubeconfig(rig.kubeconfig, server=SERVER, ca=ca, user="u", credentials="word")
    rig.has_stored()
    config = await rig.joined()
    assert (await config.credentials.identity()).authorization == "Bearer word"


@in_virtual_time
async def test_an_administrators_certificate_is_used_but_not_renewed(
    rig: Rig, logged: Logged
) -> None:
    issued = rig.authority.issue("kubernetes-admin")
    parsed = x509.load_pem_x509_certificate(issued.certificate.read_bytes())
    rig.clock.at = parsed.not_valid_before_utc.timestamp()
    ca = rig.authority.certificate
    write_kubeconfig(rig.kubeconfig, server=SERVER, ca=ca, user="u", credentials=issued)
    config = await rig.joined()
    assert not isinstance(config.credentials, StoredCredentials)
    (told,) = lines(logged, "join.not_a_node")
    assert told["user"] == "kubernetes-admin"


# what there is not --------------------------------------------------------------------------------


def _fails(rig: Rig, kind: type[KrustletError], *words: str) -> KrustletError:
    """With an error of that kind, in which all the words are found."""
    caught: list[KrustletError] = []

    @in_virtual_time
    async def story() -> None:
        with pytest.raises(kind) as failed:
            await rig.joined()
        caught.append(failed.value)

    story()
    (error,) = caught
    for word in words:
        assert word in f"{error.message}\n{error.hint}"
    return error


def test_with_nothing_at_all_it_says_how_to_begin(rig: Rig) -> None:
    _fails(
        rig, CredentialsMissing, str(rig.kubeconfig), "krustlet bootstrap", "--bootstrap-file",
        "--kubeconfig",
    )  # fmt: skip


def test_a_bootstrap_file_that_is_not_there_is_named(rig: Rig) -> None:
    rig.bootstrap_file = rig.directory / "bootstrap.conf"
    _fails(rig, BootstrapFileUnusable, str(rig.bootstrap_file), "krustlet bootstrap")


def test_a_bootstrap_file_that_is_none_is_told_why(rig: Rig) -> None:
    rig.bootstrap_file = rig.directory / "bootstrap.conf"
    rig.bootstrap_file.write_text("clusters: 7")
    _fails(rig, BootstrapFileUnusable, str(rig.bootstrap_file), "no kubeconfig")


def test_a_kubeconfig_that_cannot_be_read_is_told_why(rig: Rig) -> None:
    rig.kubeconfig.mkdir(parents=True)
    rig.has_bootstrap_file()
    _fails(rig, KubeConfigError, str(rig.kubeconfig), "Is a directory")


def test_a_place_where_nothing_can_be_written_is_told_before_anybody_approves(rig: Rig) -> None:
    rig.has_bootstrap_file()
    (rig.directory / "etc").touch()
    _fails(rig, KubeConfigUnwritable, str(rig.kubeconfig))
    assert rig.requests.made == []


def test_a_key_that_others_can_read_is_an_error(rig: Rig) -> None:
    rig.has_joined()
    path = rig.store.path(Purpose.CLIENT)
    path.chmod(0o640)
    _fails(rig, KeyExposed, f"chmod 600 {path}")


def test_a_certificate_that_has_expired_says_when_and_what_to_do(rig: Rig) -> None:
    rig.has_joined(ago_s=3 * HOUR)
    _fails(
        rig, CredentialsExpired, "2025-12-31T23:00:00Z", "2026-01-01T00:00:00Z",
        "krustlet bootstrap", "--bootstrap-file",
    )  # fmt: skip


def test_a_certificate_that_is_gone_says_what_to_do(rig: Rig) -> None:
    rig.has_joined()
    path = rig.store.path(Purpose.CLIENT)
    path.unlink()
    _fails(rig, CredentialsUnusable, str(path), "krustlet bootstrap")


def test_a_certificate_of_another_node_is_an_error(rig: Rig) -> None:
    rig.has_kubeconfig(node="wasm-2")
    rig.has_bootstrap_file()
    _fails(rig, AnotherNode, "'system:node:wasm-2'", "'system:node:wasm-1'", "--node-name")


def test_a_kubeconfig_of_another_cluster_that_somebody_else_wrote_is_an_error(rig: Rig) -> None:
    rig.has_kubeconfig(server="https://old:6443")
    another = Authority.create(rig.directory / "another", "cluster")
    rig.has_bootstrap_file(ca=another.certificate)
    _fails(rig, AnotherCluster, "https://old:6443", SERVER, str(rig.kubeconfig))
    assert rig.aside == []


def test_a_certificate_that_is_not_good_yet_is_waited_for_until_the_clock_is_set(
    rig: Rig, logged: Logged
) -> None:
    rig.has_joined(ago_s=-HOUR)

    @in_virtual_time
    async def story() -> None:
        async with going(rig.joined()) as joined:
            await asyncio.sleep(600)
            assert not joined.done()
            rig.clock.at = EPOCH + HOUR
            await asyncio.sleep(11)
            assert joined.done()

    story()
    (told,) = lines(logged, "join.certificate_not_good_yet")
    assert told["good_from"] == "2026-01-01T01:00:00Z"
    assert told["clock"] == "2026-01-01T00:00:00Z"
    assert "clock" in told["hint"]


# a bootstrap --------------------------------------------------------------------------------------


@in_virtual_time
async def _bootstraps(rig: Rig) -> None:
    async with going(_grants(rig.requests)):
        config = await rig.joined()
    assert isinstance(config.credentials, StoredCredentials)
    held = rig.store.held(Purpose.CLIENT)
    assert held is not None
    assert held.facts.common_name == USER
    assert await _shown(config) == held.path.read_bytes()


def test_a_node_with_a_bootstrap_file_gets_credentials(rig: Rig, logged: Logged) -> None:
    file = rig.has_bootstrap_file()
    _bootstraps(rig)
    assert rig.said == [APPROVE, RECEIVED]
    assert [cluster.origin for cluster in rig.asked_at] == [file]
    assert stat.S_IMODE(rig.kubeconfig.stat().st_mode) == 0o600
    assert stat.S_IMODE(rig.kubeconfig.parent.stat().st_mode) == 0o700
    assert yaml.safe_load(rig.kubeconfig.read_text())["clusters"][0]["cluster"]["server"] == SERVER
    assert TOKEN not in f"{logged}{rig.kubeconfig.read_text()}"
    rig.bootstrap_file = None
    rig.asked_at.clear()
    _uses(rig, rig.store.path(Purpose.CLIENT).read_bytes())


@pytest.mark.parametrize(
    ("before", "why"),
    [
        pytest.param(lambda rig: rig.has_joined(ago_s=3 * HOUR), "expired at", id="expired"),
        pytest.param(
            lambda rig: rig.has_kubeconfig(ago_s=3 * HOUR), "expired at", id="expired-and-not-ours"
        ),
        pytest.param(lambda rig: rig.has_joined(node="wasm-2"), "wasm-2", id="another-node"),
        pytest.param(lambda rig: _breaks(rig, b"torn"), "cannot be used", id="torn"),
    ],
)
def test_what_is_of_no_use_is_put_aside_and_the_node_bootstraps_anew(
    rig: Rig, logged: Logged, before: Callable[[Rig], object], why: str
) -> None:
    before(rig)
    rig.has_bootstrap_file()
    was = rig.kubeconfig.read_bytes()
    _bootstraps(rig)
    (told,) = lines(logged, "join.bootstraps_anew")
    assert why in told["reason"]
    assert rig.kubeconfig.with_name("kubeconfig.old").read_bytes() == was


def _breaks(rig: Rig, content: bytes) -> None:
    rig.has_joined()
    path = rig.store.path(Purpose.CLIENT)
    path.write_bytes(content)
    path.chmod(0o600)


def test_what_a_bootstrap_left_behind_of_another_cluster_is_put_aside(
    rig: Rig, logged: Logged
) -> None:
    rig.has_joined()
    another = Authority.create(rig.directory / "another", "cluster")
    rig.has_bootstrap_file(server="https://new:6443", ca=another.certificate)
    _bootstraps(rig)
    assert load_kubeconfig(rig.kubeconfig).server == "https://new:6443"
    assert rig.aside == ["kubeconfig.old", "kubelet-client-current.pem.old"]
    (told,) = lines(logged, "join.another_cluster")
    assert (told["was"], told["now"]) == (SERVER, "https://new:6443")


def test_until_the_other_cluster_has_approved_what_there_was_stays_and_one_request_is_made(
    rig: Rig,
) -> None:
    rig.has_joined()
    was = rig.kubeconfig.read_bytes(), rig.store.path(Purpose.CLIENT).read_bytes()
    another = Authority.create(rig.directory / "another", "cluster")
    rig.has_bootstrap_file(server="https://new:6443", ca=another.certificate)

    @in_virtual_time
    async def story() -> None:
        for _ in range(2):  # stopped, and started again
            async with going(rig.joined()):
                await asyncio.sleep(1)
        assert len(rig.requests.made) == 1

    story()
    assert (rig.kubeconfig.read_bytes(), rig.store.path(Purpose.CLIENT).read_bytes()) == was


def test_a_cluster_that_has_moved_is_no_other_cluster(rig: Rig) -> None:
    rig.has_joined()
    rig.has_bootstrap_file(server="https://new:6443")
    _uses(rig, rig.store.path(Purpose.CLIENT).read_bytes())
    assert rig.aside == []


def test_a_refusal_names_the_request_and_how_to_ask_again(rig: Rig) -> None:
    rig.has_bootstrap_file()

    @in_virtual_time
    async def story() -> None:
        async with going(rig.joined()) as joined:
            await asyncio.sleep(1)
            rig.requests.deny(NODE, reason="Unknown", message="who is that?")
            with pytest.raises(RequestDenied, match=r"wasm-1 was denied: Unknown: who") as denied:
                await joined
            assert denied.value.hint.endswith("kubectl delete csr wasm-1")

    story()


# the server ---------------------------------------------------------------------------------------


def _distrusted(words: str, code: int) -> ApiError:
    cause = ssl.SSLCertVerificationError(1, words)
    cause.verify_code = code
    error = ApiUnavailable(words)
    error.__cause__ = cause
    return error


def test_a_token_that_is_not_accepted_is_told_after_a_moment_without_its_secret(
    rig: Rig, logged: Logged
) -> None:
    file = rig.has_bootstrap_file()
    rig.requests.trouble = Unauthorized("Unauthorized", status=401)
    error = _fails(rig, BootstrapRefused, "the token abcdef of", str(file), "krustlet bootstrap")
    assert TOKEN.partition(".")[2] not in f"{error.message}{error.hint}{logged}"
    assert len(rig.requests.asked) > 3


@in_virtual_time
async def _comes_back(rig: Rig, trouble: ApiError, *, after_s: float) -> None:
    rig.requests.trouble = trouble
    async with going(rig.joined()) as joined:
        await asyncio.sleep(after_s)
        assert not joined.done()
        rig.requests.trouble = None
        await asyncio.sleep(10)
        rig.clock.at = LoopClock().now()
        rig.requests.grant(NODE)
        await joined


def test_a_server_that_is_just_starting_may_not_know_the_token_yet(rig: Rig) -> None:
    rig.has_bootstrap_file()
    _comes_back(rig, Unauthorized("Unauthorized", status=401), after_s=4)


def test_a_server_that_is_away_for_ten_minutes_is_waited_for(rig: Rig, logged: Logged) -> None:
    rig.has_bootstrap_file()
    away = ApiUnavailable("connection refused", hint="is an API server running?")
    _comes_back(rig, away, after_s=600)
    (told,) = lines(logged, "join.waits_for_api_server")
    assert (told["reason"], told["hint"]) == ("connection refused", "is an API server running?")
    assert len(lines(logged, "join.api_server_answers")) == 1


@pytest.mark.parametrize(
    "code", [pytest.param(9, id="not-good-yet"), pytest.param(10, id="expired")]
)
def test_a_server_whose_certificate_is_good_at_another_time_is_waited_for(
    rig: Rig, logged: Logged, code: int
) -> None:
    rig.has_bootstrap_file()
    _comes_back(rig, _distrusted("certificate is not good now", code), after_s=60)
    (told,) = lines(logged, "join.waits_for_api_server")
    assert "the clock of this machine shows 2026-01-01T00:00:00Z" in told["hint"]


class AlreadySigned:
    """As `Signing`, where nothing is to be asked any more."""

    def __init__(self, rig: Rig) -> None:
        self._rig = rig

    async def obtain(self, wanted: Wanted) -> Held:
        return self._rig.has_stored(node=wanted.node)


def test_a_server_that_is_another_one_is_an_error(rig: Rig) -> None:
    file = rig.has_bootstrap_file()
    rig.requests.trouble = _distrusted("self-signed certificate in certificate chain", 19)
    _fails(rig, ServerUntrusted, SERVER, str(file), "self-signed", "certificate-authority")


def test_who_may_not_look_at_requests_may_still_make_one(rig: Rig) -> None:
    cluster = load_kubeconfig(rig.has_bootstrap_file())

    @in_virtual_time
    async def story() -> None:
        rig.requests.trouble = Forbidden("cannot get", status=403)
        held = await first_certificate(
            client_wanted(node=NODE),
            signing=AlreadySigned(rig),
            requests=rig.requests,
            cluster=cluster,
            clock=rig.clock,
        )
        assert held.facts.common_name == USER

    story()


def test_a_file_with_a_token_that_others_can_read_is_warned_of(rig: Rig, logged: Logged) -> None:
    rig.has_bootstrap_file().chmod(0o644)
    _bootstraps(rig)
    (told,) = lines(logged, "join.file_exposed")
    assert told["hint"] == f"chmod 600 {rig.bootstrap_file}"
