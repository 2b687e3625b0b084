"""What end-to-end tests run against: one control plane, registry and node for all of them."""

import itertools
import re
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.support.bench import Bench
from tests.support.cluster import Cluster
from tests.support.controlplane import NotBuilt, Programs
from tests.support.guests import Guests, default_cache
from tests.support.krustlet_node import KrustletNode, krustlet_node
from tests.support.registry import Registry

_RUNTIME_CLASS: Final = Path(__file__).parents[2] / "deploy" / "runtimeclass.yaml"
_NODE: Final = "wasm-node"
_numbers: Final = itertools.count(1)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    given = getattr(item, "funcargs", {})
    if report.failed and report.when != "teardown":  # by then they may be gone
        if isinstance(cluster := given.get("cluster"), Cluster):
            report.sections.append(("Control plane", cluster.log_tail()))
        if isinstance(node := given.get("node"), KrustletNode):
            report.sections.append(("Node", "\n".join(node.said().splitlines()[-40:])))
        if isinstance(bench := given.get("bench"), Bench):
            report.sections.append(("Pods", bench.kubectl("describe", "pods").stdout))
    return report


@pytest.fixture(scope="session")
def programs() -> Programs:
    """The programs of a control plane, and a registry."""
    programs = Programs(default_cache())
    try:
        programs.check()
    except NotBuilt as missing:
        pytest.skip(str(missing))
    return programs


@pytest.fixture(scope="session")
def cluster(
    programs: Programs, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[Cluster]:
    """A cluster that tests share: each names its objects, and takes them away when it is over."""
    failed_before = request.session.testsfailed
    directory = tmp_path_factory.mktemp("cluster")
    with Cluster.start(directory, programs=programs) as cluster:
        yield cluster
        cluster.keep_logs = request.session.testsfailed > failed_before


@pytest.fixture(scope="session")
def registry(programs: Programs, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """A registry that anybody may use, over TLS."""
    directory = tmp_path_factory.mktemp("registry")
    with Registry.start(directory / "all", programs=programs) as registry:
        yield registry


class Images:
    """The guests of the tests, as images of a registry."""

    def __init__(self, registry: Registry, guests: Guests) -> None:
        self._registry = registry
        self._guests = guests
        self._pushed: dict[str, str] = {}

    def __call__(self, guest: str) -> str:
        """The reference of `guest`, pushed when it is first asked for."""
        if guest not in self._pushed:
            self._registry.push(guest, "v1", self.module(guest))
            self._pushed[guest] = f"{self._registry.address}/{guest}:v1"
        return self._pushed[guest]

    def module(self, guest: str) -> bytes:
        return self._guests.path(guest).read_bytes()


@pytest.fixture(scope="session")
def images(registry: Registry) -> Images:
    return Images(registry, Guests(default_cache()))


@pytest.fixture(scope="session")
def certs(registry: Registry, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Whom a node trusts to sign for registries, as Docker lays it out."""
    directory = tmp_path_factory.mktemp("certs")
    own = directory / registry.address
    own.mkdir()
    (own / "ca.crt").write_bytes(registry.ca.read_bytes())
    return directory


@pytest.fixture(scope="session")
def runtime_class(cluster: Cluster) -> str:
    result = cluster.kubectl("apply", "-f", str(_RUNTIME_CLASS))
    assert result.code == 0, result.stderr
    return "krustlet"


@pytest.fixture(scope="session")
def node(
    cluster: Cluster,
    certs: Path,
    runtime_class: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[KrustletNode]:
    """A node that tests share, and leave as they found it."""
    directory = tmp_path_factory.mktemp("node")
    flags = ("--registry-certs-dir", certs, "--max-pods", "600", "--allow-local-modules")
    with krustlet_node(cluster, directory / "all", _NODE, *flags) as node:
        yield node


@pytest.fixture
def bench(cluster: Cluster, request: pytest.FixtureRequest) -> Iterator[Bench]:
    """A namespace for the test alone."""
    words = re.sub(r"[^a-z0-9]+", "-", request.node.name.lower().removeprefix("test_"))
    bench = Bench(cluster, f"{words[:40].strip('-')}-{next(_numbers)}")
    yield bench
    bench.close()
