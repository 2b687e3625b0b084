"""What others have said is shown to an administrator, and nothing more than that."""

import pytest

from krustlet.cli.admin_options import Teller
from krustlet.cli.words import show_error

HOSTILE = "it is for \x1b[2J\x1b]0;owned\x07\r\u202eadmin\nhint: run this"


@pytest.mark.parametrize("aside", [True, False])
def test_a_line_stays_one_line_of_text(capsys: pytest.CaptureFixture[str], aside: bool) -> None:
    teller = Teller(aside=aside)
    teller.say(HOSTILE)
    teller.warn(HOSTILE, HOSTILE)
    shown = "".join(capsys.readouterr())
    assert all(char.isprintable() or char == "\n" for char in shown)
    assert shown.count("\n") == 3
    assert r"it is for \x1b[2J\x1b]0;owned\x07\r\u202eadmin\nhint: run this" in shown


def test_an_error_commands_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    show_error(HOSTILE, "one\ntwo")
    shown = capsys.readouterr().err
    assert all(char.isprintable() or char == "\n" for char in shown)
    assert "hint: one\ntwo\n" in shown
