"""What the exit code of a session in a container is, and what is said of it."""

from pathlib import Path
from typing import Final

from krustlet.cli.conversation import Ended
from krustlet.cli.local_api import NodeLost
from krustlet.cli.words import show_error

_NOT_RUN: Final = 126  # as shells say of a command that cannot be run


def exit_code_of(ended: Ended | None, node: Path, *, otherwise: str) -> int:
    """The process' own; that it could not be run is told.

    Args:
        ended: None if the node went away first.
        node: where it was.
        otherwise: what became of the process then.

    Raises:
        NodeLost: it went away.
    """
    if ended is None:
        raise NodeLost(
            f"the node at {node} went away, and {otherwise}",
            hint="it may have been stopped: try again",
        )
    if ended.code is None:
        show_error(ended.message, ended.hint)
        return _NOT_RUN
    return ended.code
