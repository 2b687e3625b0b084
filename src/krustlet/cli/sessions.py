"""What the exit code of a session in a container is, and what is said of it."""

import sys
from pathlib import Path
from typing import Final

from krustlet.cli.conversation import Ended
from krustlet.cli.local_api import NodeLost
from krustlet.cli.words import begin_line, is_terminal, remark, show_error

_NOT_RUN: Final = 126  # as shells say of a command that cannot be run


def exit_code_of(
    ended: Ended | None, node: Path, *, who: str, otherwise: str, is_mid_line: bool
) -> int:
    """The process' own; that it could not be run is told, and to a terminal why it ended.

    Args:
        ended: None if the node went away first.
        node: where it was.
        who: the process, for people.
        otherwise: what became of it then.
        is_mid_line: whether the last that it printed is no whole line.

    Raises:
        NodeLost: it went away.
    """
    if is_mid_line and (ended is None or ended.code != 0):  # there is something to say
        begin_line()
    if ended is None:
        raise NodeLost(
            f"the node at {node} went away, and {otherwise}",
            hint="it may have been stopped: try again",
        )
    if ended.code is None:
        show_error(ended.message, ended.hint)
        return _NOT_RUN
    if ended.code and is_terminal(sys.stderr):
        remark(f"{who} terminated with exit code {ended.code}")
    return ended.code
