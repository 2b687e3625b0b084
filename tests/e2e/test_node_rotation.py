"""Certificates that last two minutes are renewed under all that goes on meanwhile."""

import contextlib
import http.client
import time
from collections.abc import Iterator
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest
from cryptography import x509

from tests.support.bench import Bench, a_pod
from tests.support.cluster import ADMINS, Cluster
from tests.support.controlplane import Programs
from tests.support.guests import Guests
from tests.support.joining import CLIENT_SIGNER, SERVING_SIGNER, Asking, Joining, sans_of
from tests.support.joining_machine import Machine
from tests.support.joining_node import (
    candidate,
    client_certificate_of,
    is_signed,
    log_of,
    serving_certificate_of,
    shown_by,
)
from tests.support.krustlet_node import KrustletNode, client_context
from tests.support.until import until

pytestmark = [pytest.mark.timeout(420), pytest.mark.root]

_NAME: Final = "rotates"
_HERE: Final = "198.18.9.1"  # of a network that is set aside for tests: RFC 2544
_THERE: Final = "198.18.9.2"
_MOVED: Final = "198.18.9.3"
_LIFE_S: Final = 120.0
_ROTATIONS: Final = 2
_LIMIT_S: Final = _ROTATIONS * _LIFE_S + 30.0
_PAUSE_MS: Final = 100  # between two lines of the pod that is followed
_A_POD_EVERY_S: Final = 10.0
_LAST_WORDS: Final = 40  # lines of the node's, where it all goes wrong


class Story(msgspec.Struct):
    """What was seen of a node while its certificates were renewed.

    Attributes:
        client, serving: each certificate that was there, in order.
        followed: what somebody has got who followed a log from the start.
        logged: what was in it then.
        pods: how long each took from being made to its end.
        unready: each time that the node was not.
        dropped: each error on a connection to its API that was there from the start.
        requests: for certificates.
        log: of the node. What a test does to it later is in none of these.
    """

    node: KrustletNode
    machine: Machine
    client: list[x509.Certificate]
    serving: list[x509.Certificate]
    followed: str
    logged: str
    pods: list[float]
    unready: list[object]
    dropped: list[str]
    requests: list[Asking]
    log: list[dict[str, Any]]


@pytest.fixture(scope="module")
def cluster(
    programs: Programs, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[Cluster]:
    """One of these tests' own, that signs for two minutes, and believes only what it has signed."""
    failed_before = request.session.testsfailed
    directory = tmp_path_factory.mktemp("cluster")
    flags = {
        "kube-apiserver": [f"--kubelet-certificate-authority={directory / 'pki' / 'ca.crt'}"],
        "kube-controller-manager": [f"--cluster-signing-duration={_LIFE_S:.0f}s"],
    }
    with Cluster.start(directory, programs=programs, flags=flags, also_at=[_HERE]) as cluster:
        yield cluster
        cluster.keep_logs = request.session.testsfailed > failed_before


@pytest.fixture(scope="module")
def story(
    cluster: Cluster, guests: Guests, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Story]:
    """It lasts until both certificates have been renewed twice; the node goes on afterwards."""
    joining = Joining(cluster)
    joining.let_tokens_ask()
    joining.approve_clients_by_themselves()
    directory = tmp_path_factory.mktemp("rotation")
    server = f"https://{_HERE}:{cluster.server.rpartition(':')[2]}"
    token = joining.bootstrap_file(directory / "bootstrap.conf", server=server)
    with (
        Machine.start(directory / "machine", _NAME, networked=True) as machine,
        machine.linked(here=_HERE, there=_THERE),
        candidate(
            joining,
            directory / "it",
            _NAME,
            *("--node-ip", "0.0.0.0"),
            bootstrap_file=token,
            machine=machine,
        ) as node,
        joining.approving(_NAME, SERVING_SIGNER),
        contextlib.closing(Bench(cluster, "rotation")) as bench,
    ):
        node.start()
        until(lambda: is_signed(node, host=_THERE))
        try:
            told = _told(node, machine, joining, bench, guests)
        except BaseException as error:
            error.add_note("\n".join(node.said().splitlines()[-_LAST_WORDS:]))
            error.add_note(bench.kubectl("describe", "pods").stdout)
            raise
        yield told


def _told(
    node: KrustletNode, machine: Machine, joining: Joining, bench: Bench, guests: Guests
) -> Story:
    story = Story(node, machine, [], [], "", "", [], [], [], [], [])
    bench.apply(_a_pod(node, guests, "ticks", "ticks", "100000", str(_PAUSE_MS)))
    bench.until_phase("ticks", "Running")
    with (
        _followed(bench, node.data.parent / "followed") as followed,
        _connected(node) as connection,
    ):
        _see(story, node, bench, guests, connection)
        lines = bench.logs("ticks").splitlines()
        until(lambda: followed.read_text().count("\n") >= len(lines))
        story.logged = "".join(f"{line}\n" for line in lines)
        story.followed = followed.read_text()[: len(story.logged)]
    story.requests = joining.requests(_NAME)
    story.log = log_of(node)
    return story


def _see(
    story: Story,
    node: KrustletNode,
    bench: Bench,
    guests: Guests,
    connection: http.client.HTTPSConnection,
) -> None:
    began = next_pod_at = time.monotonic()
    while min(len(story.client), len(story.serving)) <= _ROTATIONS:
        assert time.monotonic() < began + _LIMIT_S, (story.client, story.serving)
        _note(story.client, client_certificate_of(node))
        _note(story.serving, serving_certificate_of(node))
        if not node.is_ready():
            story.unready.append(node.object()["status"]["conditions"])
        try:
            connection.request("GET", "/healthz")
            connection.getresponse().read()
        except (OSError, http.client.HTTPException) as error:
            story.dropped.append(repr(error))
        if time.monotonic() >= next_pod_at:
            made = time.monotonic()
            bench.apply(_a_pod(node, guests, name := f"pod-{len(story.pods)}", "hello"))
            bench.until_phase(name, "Succeeded")
            story.pods.append(time.monotonic() - made)
            next_pod_at = made + _A_POD_EVERY_S
        time.sleep(0.5)


def _note(seen: list[x509.Certificate], path: Path) -> None:
    certificate = x509.load_pem_x509_certificate(path.read_bytes())
    if not seen or seen[-1].serial_number != certificate.serial_number:
        seen.append(certificate)


@contextlib.contextmanager
def _followed(bench: Bench, into: Path) -> Iterator[Path]:
    """What `kubectl logs -f` has said so far of the pod `ticks`."""
    words = ("-n", bench.namespace, "logs", "-f", "ticks")
    with bench.cluster.kubectl_going_on(*words, into=into) as follower:
        yield into
        assert follower.poll() is None, "it has ended by itself"


@contextlib.contextmanager
def _connected(node: KrustletNode) -> Iterator[http.client.HTTPSConnection]:
    """A connection that was there before any certificate was renewed, and is not made again."""
    identity = node.cluster.issue("admin", groups=[ADMINS])
    context = client_context(node.cluster.ca, certificate=(identity.certificate, identity.key))
    connection = http.client.HTTPSConnection(_THERE, node.port, context=context, timeout=10)
    connection.connect()
    connection.auto_open = 0
    with contextlib.closing(connection):
        yield connection


def _a_pod(
    node: KrustletNode, guests: Guests, name: str, guest: str, *args: str
) -> dict[str, object]:
    image = f"file://{guests.path(guest)}"
    return a_pod(name, image, by_class=False, nodeName=node.name, container={"args": list(args)})


def _obtained(story: Story, purpose: str) -> list[datetime]:
    """When each certificate came into use, by the node's log."""
    return [
        datetime.fromisoformat(entry["timestamp"])
        for entry in story.log
        if (entry["event"], entry.get("purpose")) == ("certificate.in_use", purpose)
    ]


@pytest.mark.parametrize("purpose", ["client", "server"])
def test_a_certificate_is_renewed_between_70_and_90_percent_of_its_life(
    story: Story, purpose: str
) -> None:
    times = _obtained(story, purpose)
    assert len(times) >= _ROTATIONS + 1
    for one, next_ in pairwise(times):
        assert 0.7 * _LIFE_S - 2 <= (next_ - one).total_seconds() <= 0.9 * _LIFE_S + 5


def test_a_node_asks_as_itself_each_time_with_a_key_of_its_own(story: Story) -> None:
    later = [one for one in story.requests if one.user == f"system:node:{_NAME}"]
    assert {one.signer for one in later} == {CLIENT_SIGNER, SERVING_SIGNER}
    assert len({one.public_key for one in story.requests}) == len(story.requests)
    assert len({one.name for one in story.requests}) == len(story.requests)
    certificates = len(story.client) + len(story.serving)
    assert certificates <= len(story.requests) <= certificates + 1  # one may be under way


def test_who_follows_a_log_gets_every_line(story: Story) -> None:
    lines = story.logged.count("\n")
    assert lines * _PAUSE_MS / 1000 > _ROTATIONS * 0.7 * _LIFE_S / 2  # it prints all the while
    assert story.logged == "".join(f"tick {number}\n" for number in range(lines))
    assert story.followed == story.logged


def test_pods_come_and_end_as_ever(story: Story) -> None:
    assert len(story.pods) >= _ROTATIONS * 0.7 * _LIFE_S / _A_POD_EVERY_S - 1
    assert max(story.pods) < 30


def test_the_node_is_ready_and_known_all_the_while(story: Story) -> None:
    assert story.unready == []
    assert [entry for entry in story.log if entry["level"] in ("warning", "error")] == []


def test_a_connection_to_the_nodes_api_goes_on_when_the_certificate_is_another(
    story: Story,
) -> None:
    assert story.dropped == []


def test_a_new_address_is_in_a_new_certificate_before_long(
    story: Story, bench: Bench, guests: Guests
) -> None:
    node = story.node
    assert sans_of(shown_by(node, host=_THERE)) == [_NAME, _THERE]
    story.machine.readdress(_MOVED, gateway=_HERE)
    until(lambda: sans_of(shown_by(node, host=_MOVED)) == [_NAME, _MOVED], within_s=90)
    until(lambda: _MOVED in str(node.object()["status"]["addresses"]))
    assert _THERE not in str(node.object()["status"]["addresses"])
    bench.apply(_a_pod(node, guests, "hello", "hello"))
    # Connections from the old address are dead, which it takes a minute to notice.
    bench.until_phase("hello", "Succeeded", within_s=120)
    until(lambda: bench.kubectl("logs", "hello").stdout == "Hello, world!\n")
