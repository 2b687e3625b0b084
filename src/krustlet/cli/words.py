"""What people read on the terminal that is no guest's output: errors, hints, remarks."""

import errno
import os
import sys
from pathlib import Path
from typing import Final, TextIO

import click

COMPLETE_VARIABLE: Final = "_KRUSTLET_COMPLETE"
_HINTS: Final = {
    errno.EMFILE: "let it open more: ulimit -n 4096",
    errno.ENFILE: "this machine has too many files open; close some",
    errno.ENOSPC: "make room there",
    errno.EDQUOT: "make room there: your quota is used up",
    errno.EROFS: "that file system is mounted read-only",
}
_LITTLE_BYTES: Final = 64 * 1024
_OF_NO_FILE: Final = (errno.EMFILE, errno.ENFILE)
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


def on_one_line(text: str) -> str:
    """`text` as a person can read it: what others say must not command the terminal."""
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


def show_error(message: str, hint: str = "") -> None:
    """What went wrong and what to do about it, on stderr."""
    click.echo(f"{coloured('error:', _BOLD_RED, sys.stderr)} {_lines(message)}", err=True)
    if hint:
        click.echo(f"{coloured('hint:', _CYAN, sys.stderr)} {_lines(hint)}", err=True)


def _lines(text: str) -> str:
    return "\n".join(on_one_line(line) for line in text.split("\n"))


def explained(exc: OSError, *, where: Path | None = None) -> tuple[str, str]:
    """What the system complains of, and what can be done about it.

    Args:
        where: the file it is about, or its directory, if `exc` itself does not know.
    """
    why = exc.strerror or str(exc)
    file = exc.filename or where
    if file is not None and exc.errno not in _OF_NO_FILE:
        why = f"{file}: {why}"
    return why, _HINTS.get(exc.errno or 0, "")


def room_hint(directory: Path) -> str:
    """That the file system of `directory` is full, if so."""
    try:
        room = os.statvfs(directory)
    except OSError:
        return ""
    is_full = room.f_bavail * room.f_frsize < _LITTLE_BYTES or (room.f_files and not room.f_favail)
    return f"the file system of {directory} is full: make room there" if is_full else ""


def begin_line() -> None:
    """What is said next on a terminal does not stand behind what a guest, or a key, left there."""
    if is_terminal(sys.stderr):
        click.echo(err=True)


def remark(text: str) -> None:
    """A line beside the matter, on stderr."""
    click.echo(coloured(text, _DIM, sys.stderr), err=True)
