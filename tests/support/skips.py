"""A pytest plugin: which tests are skipped, and that CI skips none.

A skip on a laptop says what is missing there. In CI it would be a test that nobody runs, so it is
a failure, unless the test carries `@pytest.mark.allow_skip("why")`.
"""

import os
from collections.abc import Generator
from typing import Final

import pytest

_ROOT_MISSING: Final = "needs root: sudo -E make test"


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("root") is not None and os.geteuid() != 0:
        pytest.skip(_ROOT_MISSING)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    expected = hasattr(report, "wasxfail")  # pytest reports a foreseen failure as a skip, too
    if report.skipped and not expected and item.get_closest_marker("allow_skip") is None:
        _fail_in_ci(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    if report.skipped:  # a whole module, which no marker can excuse
        _fail_in_ci(report)
    return report


def _fail_in_ci(report: pytest.TestReport | pytest.CollectReport) -> None:
    if os.environ.get("CI", "").lower() in ("", "0", "false"):
        return
    assert isinstance(report.longrepr, tuple)  # of a skip: file, line and words
    words = report.longrepr[2].removeprefix("Skipped: ")
    report.outcome = "failed"
    report.longrepr = f"skipped, which is a failure in CI: {words}"
