"""The kubeconfig of a node that has joined says all that the bootstrap file said of the cluster."""

import stat
from pathlib import Path

import pytest
import yaml
from msgspec.structs import replace

from krustlet.certificates import (
    KubeConfigUnwritable,
    Purpose,
    Store,
    StoredCredentials,
    write_kubeconfig,
)
from krustlet.certificates.kubeconfig import is_same_cluster, is_written_here, warn_if_exposed
from krustlet.kube import Credentials, Identity, KubeConfig, load_kubeconfig
from tests.support.authority import Authority
from tests.support.kubeconfig import write_kubeconfig as write_another
from tests.unit.certificates.conftest import Logged, lines


class FakeCredentials:
    """As `Credentials`."""

    def __init__(self) -> None:
        self.rejected: list[Identity] = []

    async def identity(self) -> Identity:
        return Identity("Bearer fallback")

    def reject(self, identity: Identity) -> None:
        self.rejected.append(identity)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority.create(tmp_path_factory.mktemp("authority"), "cluster")


@pytest.fixture
def certificate(authority: Authority, tmp_path: Path) -> Path:
    """One file, as in the store."""
    issued = authority.issue("system:node:wasm-1", groups=["system:nodes"])
    path = tmp_path / "kubelet-client-current.pem"
    path.write_bytes(issued.certificate.read_bytes() + issued.key.read_bytes())
    return path


@pytest.fixture
def cluster(authority: Authority) -> KubeConfig:
    return KubeConfig(
        server="https://10.0.0.1:6443",
        credentials=FakeCredentials(),
        origin=Path("bootstrap.conf"),
        ca=authority.certificate.read_bytes(),
        tls_server_name="kubernetes",
        proxy_url="http://proxy:3128",
    )


async def test_it_is_read_back_as_it_was_meant(
    tmp_path: Path, cluster: KubeConfig, certificate: Path
) -> None:
    path = tmp_path / "kubeconfig"
    write_kubeconfig(path, cluster=cluster, certificate=certificate)
    read = load_kubeconfig(path)
    for name in ("server", "ca", "tls_server_name", "proxy_url", "insecure_skip_verify"):
        assert getattr(read, name) == getattr(cluster, name)
    shown = (await read.credentials.identity()).certificate
    assert shown is not None
    assert shown.pem() == certificate.read_bytes()


def test_a_server_that_is_not_verified_is_not_verified_later_either(
    tmp_path: Path, cluster: KubeConfig, certificate: Path
) -> None:
    path = tmp_path / "kubeconfig"
    careless = replace(cluster, ca=None, insecure_skip_verify=True, proxy_url="")
    write_kubeconfig(path, cluster=careless, certificate=certificate)
    read = load_kubeconfig(path)
    assert (read.ca, read.insecure_skip_verify, read.proxy_url) == (None, True, "")


def test_it_is_private_has_the_names_of_the_original_and_is_known_again(
    tmp_path: Path, cluster: KubeConfig, certificate: Path
) -> None:
    path = tmp_path / "kubeconfig"
    write_kubeconfig(path, cluster=cluster, certificate=certificate)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    content = yaml.safe_load(path.read_text())
    named = [content[kind][0]["name"] for kind in ("clusters", "users", "contexts")]
    assert [*named, content["current-context"]] == ["krustlet"] * 4
    assert is_written_here(path)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param("", id="empty"),
        pytest.param("clusters: 7", id="no-kubeconfig"),
        pytest.param("a: [", id="no-yaml"),
        pytest.param("current-context: krustlet", id="half-of-one"),
    ],
)
def test_what_is_no_kubeconfig_is_not_ours(tmp_path: Path, content: str) -> None:
    path = tmp_path / "kubeconfig"
    path.write_text(content)
    assert not is_written_here(path)


def test_somebody_elses_is_not_ours(tmp_path: Path, authority: Authority) -> None:
    path = tmp_path / "kubeconfig"
    write_another(path, server="https://a", ca=authority.certificate, user="u", credentials="t")
    assert not is_written_here(path)


def test_a_place_that_cannot_be_written_is_named(
    tmp_path: Path, cluster: KubeConfig, certificate: Path
) -> None:
    with pytest.raises(KubeConfigUnwritable, match="No such file") as failed:
        write_kubeconfig(tmp_path / "no" / "dir", cluster=cluster, certificate=certificate)
    assert "--kubeconfig" in failed.value.hint


def test_a_cluster_is_known_by_its_authority_and_without_one_by_its_address(
    tmp_path: Path, cluster: KubeConfig
) -> None:
    assert cluster.ca is not None
    another = Authority.create(tmp_path / "other", "cluster").certificate.read_bytes()
    moved = replace(cluster, server="https://10.0.0.9")
    assert is_same_cluster(cluster, moved)
    assert is_same_cluster(cluster, replace(moved, ca=another + b"# and\n" + cluster.ca))
    assert not is_same_cluster(cluster, replace(cluster, ca=another))
    assert is_same_cluster(cluster, replace(cluster, ca=None))
    assert not is_same_cluster(cluster, replace(moved, ca=None))


@pytest.mark.parametrize(("mode", "warnings"), [(0o600, 0), (0o400, 0), (0o640, 1), (0o604, 1)])
def test_a_file_that_others_can_read_is_warned_of(
    tmp_path: Path, logged: Logged, mode: int, warnings: int
) -> None:
    path = tmp_path / "kubeconfig"
    path.touch()
    path.chmod(mode)
    warn_if_exposed(path)
    told = lines(logged, "join.file_exposed")
    assert [entry["hint"] for entry in told] == [f"chmod 600 {path}"] * warnings


async def test_what_is_in_the_store_is_shown_as_soon_as_it_is_there_and_each_new_one_is_new(
    tmp_path: Path,
) -> None:
    fallback = FakeCredentials()
    store = Store(tmp_path)
    credentials: Credentials = StoredCredentials(store, fallback)

    assert (await credentials.identity()).authorization == "Bearer fallback"
    current = store.path(Purpose.CLIENT)
    seen = []
    for content in (b"one", b"another"):
        current.with_suffix(".new").write_bytes(content)
        current.with_suffix(".new").replace(current)
        identity = await credentials.identity()
        assert identity is await credentials.identity()
        assert identity.certificate is not None
        assert (identity.authorization, identity.certificate.pem()) == ("", content)
        seen.append(identity.certificate)
    assert seen[0] is not seen[1]
    credentials.reject(await credentials.identity())
    assert fallback.rejected == []
    current.unlink()
    assert (await credentials.identity()).authorization == "Bearer fallback"
    credentials.reject(await credentials.identity())
    assert len(fallback.rejected) == 1
