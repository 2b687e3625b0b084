import json
import sys
from collections.abc import Iterator

import pytest
import structlog

from krustlet.base.logs import set_up_logs


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    yield
    structlog.reset_defaults()


def test_a_traceback_holds_no_local_variables(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logs("error")
    _fail_with("s3cret")
    said = capsys.readouterr().err
    assert json.loads(said)["event"] == "pod.bug"
    assert "ValueError" in said
    assert "s3cret" not in said


def test_nor_does_it_on_a_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    set_up_logs("error")
    _fail_with("s3cret")
    said = capsys.readouterr().err
    assert "ValueError" in said
    assert "s3cret" not in said


def test_what_lies_below_the_level_is_not_said(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logs("warning")
    structlog.get_logger().info("pod.phase", now="Running")
    assert capsys.readouterr().err == ""


def _fail_with(password: str) -> None:
    try:
        raise ValueError(len(password))
    except ValueError:
        structlog.get_logger().exception("pod.bug")
