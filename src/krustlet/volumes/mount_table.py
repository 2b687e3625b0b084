"""Say what is mounted on this node, as far as this process sees it.

Source: proc_pid_mountinfo(5).
"""

import os
import re
from pathlib import Path
from typing import Final

import msgspec

_TABLE: Final = Path("/proc/self/mountinfo")
_ESCAPED: Final = re.compile(rb"\\([0-7]{3})")
_POINT: Final = 4  # the fields that are used, by their place; what follows " - " counts anew
_END_OF_OPTIONS: Final = b" - "


class MountPoint(msgspec.Struct, frozen=True):
    """One mount. `kind` is the file system's: `tmpfs`; `source` is what its maker called it."""

    path: str
    kind: str
    source: str


def mounts_below(directory: Path, *, table: Path = _TABLE) -> list[MountPoint]:
    """What is mounted at `directory` or below it, later mounts first: the order to unmount them in.

    Where the system has no such table, nothing is mounted that is our business.
    """
    try:
        lines = table.read_bytes().splitlines()
    except FileNotFoundError:
        return []
    top = os.fsencode(os.path.realpath(directory))
    found = [_parsed(line) for line in lines if top in line or b"\\" in line]
    at, below = os.fsdecode(top), os.fsdecode(top.rstrip(b"/") + b"/")
    return [m for m in reversed(found) if m.path == at or m.path.startswith(below)]


def _parsed(line: bytes) -> MountPoint:
    before, _, after = line.partition(_END_OF_OPTIONS)
    kind, source, *_ = after.split(b" ")
    return MountPoint(*map(_plain, (before.split(b" ")[_POINT], kind, source)))


def _plain(field: bytes) -> str:
    """Spaces and the like are written as octal numbers there."""
    return os.fsdecode(_ESCAPED.sub(lambda found: bytes([int(found[1], 8)]), field))
