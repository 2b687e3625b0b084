"""What it costs to enter the room."""

import subprocess
import sys


def test_the_room_is_entered_without_the_library_that_reads_certificates() -> None:
    program = (
        "from krustlet.certificates import *; import sys; print('cryptography' in sys.modules)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )

    assert ended.stdout == "False\n"
