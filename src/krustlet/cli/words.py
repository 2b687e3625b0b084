"""What people read on the terminal that is no guest's output: errors, hints, remarks."""

import os
import sys
from typing import Final, TextIO

import click

COMPLETE_VARIABLE: Final = "_KRUSTLET_COMPLETE"
INTERRUPTED: Final = 130
_BOLD_RED: Final = "1;31"
_CYAN: Final = "36"
_DIM: Final = "2"


def is_terminal(stream: TextIO) -> bool:
    """Whether a person watches `stream`, on something that can move its cursor."""
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def has_colour(stream: TextIO) -> bool:
    """Whether to colour what goes to `stream`; see https://no-color.org."""
    return is_terminal(stream) and not os.environ.get("NO_COLOR")


def coloured(text: str, code: str, stream: TextIO) -> str:
    """`text` in an SGR colour, if `stream` shows colours."""
    return f"\033[{code}m{text}\033[0m" if has_colour(stream) else text


def show_error(message: str, hint: str = "") -> None:
    """What went wrong and what to do about it, on stderr."""
    click.echo(f"{coloured('error:', _BOLD_RED, sys.stderr)} {message}", err=True)
    if hint:
        click.echo(f"{coloured('hint:', _CYAN, sys.stderr)} {hint}", err=True)


def remark(text: str) -> None:
    """A line beside the matter, on stderr."""
    click.echo(coloured(text, _DIM, sys.stderr), err=True)
