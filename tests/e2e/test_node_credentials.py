"""What goes wrong with credentials is told in words that help, and tried again where that does."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import pytest
import yaml
from cryptography import x509

from tests.support.authority import Authority
from tests.support.cluster import NODES, Cluster
from tests.support.controlplane import Programs
from tests.support.joining import CLIENT_SIGNER, Joining
from tests.support.joining_node import (
    approved,
    candidate,
    client_certificate_of,
    kubeconfig_of,
    log_of,
    stdout_of,
    until_ready,
)
from tests.support.krustlet_node import KrustletNode, Launch, krustlet_node_to_be
from tests.support.kubeconfig import write_kubeconfig
from tests.support.skewed_clock import SkewedClock
from tests.support.until import until

_DAY_S: Final = 86_400.0
_NOWHERE: Final = "https://127.0.0.1:1"
_TIME: Final = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"


@pytest.fixture(scope="module")
def cluster(
    programs: Programs, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[Cluster]:
    """One of these tests' own, where whoever has a token may ask."""
    failed_before = request.session.testsfailed
    with Cluster.start(tmp_path_factory.mktemp("cluster"), programs=programs) as cluster:
        yield cluster
        cluster.keep_logs = request.session.testsfailed > failed_before


@pytest.fixture(scope="module")
def joining(cluster: Cluster) -> Joining:
    joining = Joining(cluster)
    joining.let_tokens_ask()
    return joining


def _refused(node: KrustletNode) -> str:
    """What a node says that ends by itself, as it cannot be one."""
    before = len(node.said()) if node.log.exists() else 0
    node.start_only()
    assert node.wait() == 1
    assert "Traceback" not in node.said()
    return node.said()[before:]


# requests -------------------------------------------------------------------------------------


def test_a_node_that_is_denied_says_who_said_so_and_how_to_ask_again(
    joining: Joining, tmp_path: Path
) -> None:
    with candidate(joining, tmp_path / "it", "denied") as node:
        node.start_only()
        asked = joining.until_asked("denied", CLIENT_SIGNER)
        joining.deny(asked.name, why="we do not know that machine")
        assert node.wait() == 1
        said = node.said()
        assert "request denied was denied: NotOurs: we do not know that machine" in said
        assert "kubectl delete csr denied" in said
        joining.delete_request("denied")
        until_ready(joining, node)


def test_a_request_that_is_deleted_is_made_again_with_the_same_key(
    joining: Joining, tmp_path: Path
) -> None:
    with candidate(joining, tmp_path / "it", "deleted") as node:
        node.start_only()
        first = joining.until_asked("deleted", CLIENT_SIGNER)
        until(lambda: stdout_of(node))
        joining.delete_request(first.name)
        until(lambda: len(stdout_of(node)) == 2)
        second = approved(joining, node, CLIENT_SIGNER)
        assert (second.name, second.public_key) == (first.name, first.public_key)
        until(node.is_ready)


def test_a_request_of_that_name_that_is_not_its_own_is_let_alone(
    joining: Joining, tmp_path: Path
) -> None:
    with candidate(joining, tmp_path / "one", "taken") as one:
        one.start_only()
        first = joining.until_asked("taken", CLIENT_SIGNER)
        one.stop()
        with candidate(joining, tmp_path / "other", "taken") as other:
            other.start_only()
            until(lambda: len(joining.requests("taken", CLIENT_SIGNER)) == 2)
            [second] = [
                asked for asked in joining.requests("taken", CLIENT_SIGNER) if asked != first
            ]
            assert re.fullmatch(r"taken-[0-9a-f]{5}", second.name)
            until(
                lambda: (
                    stdout_of(other)[-1:]
                    and stdout_of(other)[-1].endswith(f"approve {second.name}")
                ),
            )
            joining.approve(second.name)
            until(other.is_ready)
            assert not joining.requests("taken", CLIENT_SIGNER)[0].conditions


# tokens ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["expired", "made-up"])
def test_a_token_that_is_not_known_is_told_without_its_secret(
    joining: Joining, tmp_path: Path, how: str
) -> None:
    token = "abcdef.0123456789abcdef"
    if how == "expired":
        token = joining.token(lasts=timedelta(minutes=-1))
    file = joining.bootstrap_file(tmp_path / "bootstrap.conf", token=token)
    with candidate(joining, tmp_path / "it", how, bootstrap_file=file) as node:
        said = _refused(node)
        id_, _, secret = token.partition(".")
        assert f"does not accept the token {id_} of {file}" in said
        assert "krustlet bootstrap" in said
        assert secret not in said
        assert joining.requests(how) == []


def test_without_a_right_to_ask_it_is_told_which_one_is_missing(
    programs: Programs, tmp_path: Path
) -> None:
    with Cluster.start(tmp_path / "cluster", programs=programs) as bare:
        joining = Joining(bare)
        with candidate(joining, tmp_path / "it", "rightless") as node:
            said = _refused(node)
            assert "certificatesigningrequests" in said
            assert "kubectl create clusterrolebinding" in said
            assert "--clusterrole=system:node-bootstrapper" in said


# what is there already ------------------------------------------------------------------------


def test_a_kubeconfig_that_it_wrote_for_another_cluster_is_kept_beside_the_new_one(
    joining: Joining, tmp_path: Path
) -> None:
    with candidate(joining, tmp_path / "it", "moved") as node:
        until_ready(joining, node)
        node.stop()
        left = _as_of_another_cluster(kubeconfig_of(node), tmp_path / "pki")
        node.start_only()
        approved(joining, node, CLIENT_SIGNER, times=2)
        until(node.is_ready)
        assert kubeconfig_of(node).with_name("kubeconfig.old").read_text() == left
        [told] = log_of(node, "join.another_cluster")
        assert told["level"] == "warning"
        assert (told["was"], told["now"]) == (_NOWHERE, joining.cluster.server)


def test_a_kubeconfig_that_somebody_else_wrote_for_another_cluster_is_let_alone(
    joining: Joining, tmp_path: Path
) -> None:
    stranger = Authority.create(tmp_path / "pki", "stranger")
    kubeconfig = write_kubeconfig(
        tmp_path / "other.conf",
        server=_NOWHERE,
        ca=stranger.certificate,
        user="system:node:stays",
        credentials=stranger.issue("system:node:stays", groups=[NODES]),
    )
    before = kubeconfig.read_text()
    with candidate(joining, tmp_path / "it", "stays", "--kubeconfig", kubeconfig) as node:
        said = _refused(node)
        assert _NOWHERE in said
        assert joining.cluster.server in said
        assert str(kubeconfig) in said
        assert kubeconfig.read_text() == before


def test_a_certificate_that_has_expired_is_told_with_both_times(
    joining: Joining, tmp_path: Path
) -> None:
    expired = _expired(joining, "late", tmp_path / "late.conf")
    launch = Launch(credentials=("--kubeconfig", expired))
    with krustlet_node_to_be(joining.cluster, tmp_path / "it", "late", launch=launch) as node:
        said = _refused(node)
        assert re.search(rf"expired at {_TIME}; the clock of this machine shows {_TIME}", said)
        assert "krustlet bootstrap" in said
        assert "--bootstrap-file" in said


def test_with_a_bootstrap_file_an_expired_certificate_is_replaced(
    joining: Joining, tmp_path: Path
) -> None:
    expired = _expired(joining, "renewed", tmp_path / "renewed.conf")
    with candidate(joining, tmp_path / "it", "renewed", "--kubeconfig", expired) as node:
        until_ready(joining, node)
        assert log_of(node, "join.bootstraps_anew")
        kept = x509.load_pem_x509_certificate(client_certificate_of(node).read_bytes())
        assert kept.not_valid_after_utc > datetime.now(UTC)


# clocks ---------------------------------------------------------------------------------------


def test_a_clock_that_is_a_day_behind_is_told_and_joining_goes_on_once_it_is_right(
    joining: Joining, tmp_path: Path
) -> None:
    clock = SkewedClock(tmp_path / "clock")
    clock.be_ahead(-_DAY_S)
    with candidate(joining, tmp_path / "it", "behind", environment=clock.environment) as node:
        node.start_only()
        until(lambda: log_of(node, "join.waits_for_api_server"))
        [told] = log_of(node, "join.waits_for_api_server")
        assert "not yet valid" in told["reason"]
        assert "clock" in told["hint"]
        assert re.search(_TIME, told["hint"])
        assert node.is_running()
        clock.be_ahead(0)
        approved(joining, node, CLIENT_SIGNER)
        until(node.is_ready)


def test_a_certificate_that_is_not_good_yet_is_waited_for(joining: Joining, tmp_path: Path) -> None:
    clock = SkewedClock(tmp_path / "clock")
    with candidate(joining, tmp_path / "it", "early", environment=clock.environment) as node:
        until_ready(joining, node)
        node.stop()
        clock.be_ahead(-_DAY_S)
        node.start_only()
        until(lambda: log_of(node, "join.certificate_not_good_yet"))
        [told] = log_of(node, "join.certificate_not_good_yet")
        assert told["level"] == "warning"
        assert told["clock"] < told["good_from"]
        assert node.is_running()
        clock.be_ahead(0)
        until(lambda: log_of(node)[-1]["event"] != told["event"])
        until(node.is_ready)


# files ----------------------------------------------------------------------------------------


def test_a_key_that_others_can_read_is_not_used(joining: Joining, tmp_path: Path) -> None:
    with candidate(joining, tmp_path / "it", "exposed") as node:
        until_ready(joining, node)
        node.stop()
        key = client_certificate_of(node)
        key.chmod(0o640)
        said = _refused(node)
        assert f"the private key in {key} can be read or changed by others (mode 0640)" in said
        assert f"chmod 600 {key}" in said
        key.chmod(0o600)
        node.start()


def test_a_key_that_cannot_be_read_is_told_with_the_reason(
    joining: Joining, tmp_path: Path
) -> None:
    with candidate(joining, tmp_path / "it", "unreadable") as node:
        until_ready(joining, node)
        node.stop()
        key = client_certificate_of(node)
        key.unlink()
        key.mkdir()
        said = _refused(node)
        assert f"{key} cannot be read: Is a directory" in said
        assert "hint: " in said


# the API server -------------------------------------------------------------------------------


def test_a_server_of_another_authority_is_told_with_file_and_address(
    joining: Joining, tmp_path: Path
) -> None:
    other = Authority.create(tmp_path / "pki", "other")
    file = joining.bootstrap_file(tmp_path / "bootstrap.conf", ca=other.certificate)
    with candidate(joining, tmp_path / "it", "elsewhere", bootstrap_file=file) as node:
        said = _refused(node)
        assert f"{joining.cluster.server} is not the API server that {file} means" in said
        assert "certificate-authority" in said


def test_a_server_that_is_away_is_waited_for_and_that_is_told_once(
    joining: Joining, tmp_path: Path
) -> None:
    with candidate(joining, tmp_path / "it", "waits") as node:
        joining.cluster.stop_apiserver()
        try:
            node.start_only()
            until(lambda: log_of(node, "join.waits_for_api_server"))
        finally:
            joining.cluster.start_apiserver()
        approved(joining, node, CLIENT_SIGNER)
        until(node.is_ready)
        told = [one["reason"] for one in log_of(node, "join.waits_for_api_server")]
        assert len(told) == len(set(told))
        assert len(log_of(node, "join.api_server_answers")) == 1


def _expired(joining: Joining, node: str, path: Path) -> Path:
    """A kubeconfig with a certificate that was good until a minute ago."""
    user = f"system:node:{node}"
    identity = joining.cluster.issue(user, groups=[NODES], lasts=timedelta(minutes=-1))
    return write_kubeconfig(
        path,
        server=joining.cluster.server,
        ca=joining.cluster.ca,
        user=user,
        credentials=identity,
    )


def _as_of_another_cluster(kubeconfig: Path, pki: Path) -> str:
    """As a node would have written it there; what it says now."""
    other = write_kubeconfig(
        pki / "other.conf",
        server=_NOWHERE,
        ca=Authority.create(pki, "other").certificate,
        user="nobody",
        credentials="",
    )
    told = yaml.safe_load(kubeconfig.read_text())
    told["clusters"][0]["cluster"] = yaml.safe_load(other.read_text())["clusters"][0]["cluster"]
    kubeconfig.write_text(said := yaml.safe_dump(told))
    return said
