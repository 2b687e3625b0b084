"""Run a command as a user without privileges, though the tests may run as root.

Python, its packages and this tree may lie in a home directory that nobody else can enter. Then the
user gets a view of just those, in a mount namespace of its own: an empty directory in place of
each closed one, with what is needed bound into it.
"""

import os
import shlex
import stat
import sys
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

UID: Final = 64_123  # nobody's


def as_ordinary_user(needed: Iterable[Path]) -> Sequence[str]:
    """Words to put before a command, so that it runs as `UID` and can read `needed`.

    Without root there is nothing to do: who runs the tests is an ordinary user.

    Args:
        needed: directories besides Python itself and this tree.
    """
    if os.geteuid() != 0:
        return ()
    tree = Path(__file__).parents[2]
    wanted = {Path(sys.prefix), Path(sys.base_prefix), tree, *needed}
    script = [*_opened(wanted), 'cd "$1"', "shift"]
    drop = ["setpriv", f"--reuid={UID}", f"--regid={UID}", "--clear-groups", "--no-new-privs"]
    script.append(f'exec {shlex.join(drop)} -- "$@"')
    return ("unshare", "--mount", "--propagation=private", "sh", "-ec", "\n".join(script), "sh")


def _opened(wanted: Iterable[Path]) -> Iterable[str]:
    """Shell commands that let others reach each of `wanted`."""
    behind: dict[Path, set[Path]] = defaultdict(set)
    for path in wanted:
        if (closed := _closed_parent(path.resolve())) is not None:
            behind[closed].add(path.resolve())
    for closed, paths in behind.items():
        for number, path in enumerate(sorted(paths)):
            yield f"exec {number + 3}< {shlex.quote(str(path))}"
        yield f"mount -t tmpfs -o mode=755 tmpfs {shlex.quote(str(closed))}"
        for number, path in enumerate(sorted(paths)):
            there = shlex.quote(str(path))
            yield f"mkdir -p {there}"
            # As it is: resolved, the descriptor's path would lead into the new, empty directory.
            yield f"mount --no-canonicalize --bind /proc/self/fd/{number + 3} {there}"
            yield f"exec {number + 3}<&-"


def _closed_parent(path: Path) -> Path | None:
    """The topmost directory above `path` that others may not enter."""
    for parent in reversed(path.parents):
        if not parent.stat().st_mode & stat.S_IXOTH:
            return parent
    return None
