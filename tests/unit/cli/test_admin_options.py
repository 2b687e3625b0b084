"""What an administrator says is looked at; what others have said is shown as no more than text."""

import pytest
from click.testing import CliRunner

from krustlet.cli.admin_options import Teller
from krustlet.cli.main import krustlet
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


@pytest.mark.parametrize(
    "server",
    [
        pytest.param("10.0.0.1:6443", id="no-url"),
        pytest.param("http://10.0.0.1:6443", id="a-token-is-not-shown-to-all-on-the-way"),
        pytest.param("https://ada:secret@10.0.0.1", id="a-user"),
        pytest.param("https://", id="no-host"),
    ],
)
def test_nodes_are_sent_to_an_api_server_that_speaks_tls(server: str) -> None:
    result = CliRunner().invoke(krustlet, ["bootstrap", "--server", server])
    assert result.exit_code == 2
    assert "is no address of an API server, as https://10.0.0.1:6443" in result.stderr
