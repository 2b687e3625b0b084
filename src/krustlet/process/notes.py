"""What supervisor and log pump have to say for themselves: lines on stderr, which is a file.

No logging library: each container would carry it along.
"""

import contextlib
import os
import time
from typing import Final

_STDERR: Final = 2


def note(text: str) -> None:
    """Write a line with the time before it. Where that is impossible, life goes on without it."""
    when = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    with contextlib.suppress(OSError):
        os.write(_STDERR, f"{when} {text}\n".encode(errors="replace"))
