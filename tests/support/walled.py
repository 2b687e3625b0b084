"""Containers behind walls, and what is seen of them from outside."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from krustlet.process.walls import Bind, User, Walls

ALICE: Final = User(1_879_060_001, 1_879_060_001, (1_879_070_000,))
"""Nobody of this machine: out of the range that pods get their users from."""

WAITS: Final = "import os, time; os.write(1, b'ready\\n'); time.sleep(600)"


def a_root(directory: Path, name: str = "root", *, owner: User = ALICE) -> Path:
    """A directory that is fit to be a container's root."""
    root = directory / name
    root.mkdir()
    os.chown(root, owner.uid, owner.gid)
    return root


def a_volume(directory: Path, name: str = "volume", *, owner: User = ALICE, **files: str) -> Path:
    """A directory that the container's user may write to, with `files` in it."""
    volume = directory / name
    volume.mkdir()
    os.chown(volume, owner.uid, owner.gid)
    for file, text in files.items():
        (volume / file).write_text(text)
        os.chown(volume / file, owner.uid, owner.gid)
    return volume


def walls_around(root: Path, *binds: Bind, **changes: Any) -> Walls:
    """All walls there are, but for those in `changes`."""
    fields: dict[str, Any] = {
        "root": str(root),
        "binds": binds,
        "user": ALICE,
        "network": False,
        "hostname": "pod",
    }
    return Walls(**(fields | changes))


@contextmanager
def a_tmpfs(at: Path) -> Iterator[None]:
    """Another file system of the node's, mounted there meanwhile."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=777", "tmpfs", at], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", at], check=True)


def mount_points(pid: int) -> dict[str, str]:
    """The mounts that a process sees: where, and with which options.

    Source: proc_pid_mountinfo(5).
    """
    lines = Path(f"/proc/{pid}/mountinfo").read_text().splitlines()
    return {line.split()[4]: line.split()[5] for line in lines}


def namespaces(pid: int) -> dict[str, str]:
    """The namespaces of a process, by their kind."""
    return {link.name: str(link.readlink()) for link in Path(f"/proc/{pid}/ns").iterdir()}


def capabilities(pid: int) -> dict[str, int]:
    """The capability sets of a process, by the names that `/proc/<pid>/status` has for them."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {line[3:6]: int(line.split()[1], 16) for line in lines if line.startswith("Cap")}
