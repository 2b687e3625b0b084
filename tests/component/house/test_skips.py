"""A skip in CI is a failure: the plugin on a small test suite of its own."""

import pytest

SUITE = """
    import pytest

    @pytest.mark.skip("no tool")
    def test_by_mark(): ...

    @pytest.mark.skipif(True, reason="no tool")
    def test_by_condition(): ...

    def test_by_call():
        pytest.skip("no tool")

    @pytest.mark.allow_skip("the kernel has it or not")
    def test_allowed():
        pytest.skip("old kernel")

    @pytest.mark.xfail
    def test_foreseen():
        raise AssertionError

    def test_passes(): ...
"""
MODULE = """
    import pytest

    pytest.importorskip("no_such_module_anywhere")
"""


@pytest.fixture
def suite(pytester: pytest.Pytester) -> pytest.Pytester:
    pytester.makeini("[pytest]\nmarkers =\n    allow_skip(reason)\n    root\n")
    pytester.makepyfile(SUITE)
    return pytester


def run(pytester: pytest.Pytester) -> pytest.RunResult:
    # Leaving, faulthandler would put back what handled SIGILL before the engine did.
    plugins = ["tests.support.skips", "no:randomly", "no:asyncio", "no:faulthandler"]
    return pytester.runpytest_inprocess("-ra", *(f"-p{plugin}" for plugin in plugins))


def test_at_home_a_skip_is_a_skip(suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    run(suite).assert_outcomes(passed=1, skipped=4, xfailed=1)


def test_in_ci_a_skip_is_a_failure(suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    result = run(suite)
    result.assert_outcomes(passed=1, failed=1, errors=2, skipped=1, xfailed=1)
    result.stdout.fnmatch_lines(
        ["FAILED *test_by_call - skipped, which is a failure in CI: no tool"]
    )
    assert result.ret == pytest.ExitCode.TESTS_FAILED


def test_in_ci_a_skipped_module_is_a_failure(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CI", "true")
    pytester.makepyfile(MODULE)
    result = run(pytester)
    assert result.ret != pytest.ExitCode.OK
    result.stdout.fnmatch_lines(["*skipped, which is a failure in CI*no_such_module_anywhere*"])


def test_a_root_test_without_root_says_how_to_run_it(
    suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    suite.makepyfile("import pytest\n@pytest.mark.root\ndef test_mount(): ...")
    result = run(suite)
    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines(["*needs root: sudo -E make test*"])
