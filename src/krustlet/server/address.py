"""Where the local API of a node is found."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

SOCKET_NAME: Final = "krustlet.sock"
"""Its name in the node's data directory."""

_LONGEST_BYTES: Final = 107  # Linux, unix(7): what fits a socket's address


@contextlib.contextmanager
def short_address(path: Path) -> Iterator[str]:
    """An address to bind or connect to while the block lasts, however long `path` is.

    Raises:
        OSError: the directory of a long path cannot be opened.
    """
    if len(os.fsencode(path)) <= _LONGEST_BYTES:
        yield str(path)
        return
    directory = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{directory}/{path.name}"
    finally:
        os.close(directory)
