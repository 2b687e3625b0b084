import signal
import subprocess
import sys
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[3]
_SHOWS = "import signal, sys; print(signal.getsignal(int(sys.argv[1])) is signal.SIG_IGN)"
_STARTS = """
import signal, subprocess, sys
from tests.support.signals import pytest_configure
number = int(sys.argv[1])
signal.signal(number, signal.SIG_IGN)
pytest_configure()
subprocess.run([sys.executable, "-c", sys.argv[2], str(number)], check=True)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGQUIT, signal.SIGHUP])
def test_what_a_shell_had_us_ignore_nobody_else_does(number: signal.Signals) -> None:
    command = [sys.executable, "-c", _STARTS, str(int(number)), _SHOWS]
    done = subprocess.run(command, cwd=_ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
