"""The control plane that end-to-end tests run against: one for all of them, and no nodes.

Nothing here builds it. Where it is not built yet, these tests are skipped and say how to.
"""

from collections.abc import Generator, Iterator

import pytest

from tests.support.cluster import Cluster
from tests.support.controlplane import NotBuilt, Programs
from tests.support.guests import default_cache


def pytest_itemcollected(item: pytest.Item) -> None:
    item.add_marker(pytest.mark.allow_skip("the control plane is built where it is asked for"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    cluster = getattr(item, "funcargs", {}).get("cluster")
    if report.failed and isinstance(cluster, Cluster):
        report.sections.append(("Control plane", cluster.log_tail()))
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
