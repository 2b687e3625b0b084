"""Where the kernel shows control groups, and in which of them this process is.

Source: proc(5), "/proc/pid/mountinfo"; cgroups(7), "/proc/pid/cgroup".
"""

import re
from collections.abc import Mapping
from typing import Final

import msgspec

from krustlet.cgroups.files import Files

_MOUNT_INFO: Final = "/proc/self/mountinfo"
_OWN_GROUPS: Final = "/proc/self/cgroup"
_ESCAPED: Final = re.compile(r"\\([0-7]{3})")
_UNIFIED: Final = ""  # how /proc/self/cgroup names version 2


class Mount(msgspec.Struct, frozen=True, kw_only=True):
    """One hierarchy of groups.

    Attributes:
        version: 1 or 2.
        directory: where its top, or the part of it that is ours to see, is found.
        controllers: of version 1; those of version 2 are read from its files.
        own: the directory of the group that this process is in; empty if it is out of sight.
    """

    version: int
    directory: str
    controllers: frozenset[str] = frozenset()
    own: str = ""


def find_mounts(files: Files) -> tuple[Mount, ...]:
    """All hierarchies in sight, in the order they were mounted.

    Raises:
        OSError: this system tells nothing of its mounts.
    """
    own = _own_groups(files.read(_OWN_GROUPS))
    found = (_parse(line, own) for line in files.read(_MOUNT_INFO).splitlines())
    return tuple(mount for mount in found if mount is not None)


def _own_groups(text: str) -> Mapping[str, str]:
    """Controller → the path of this process's group."""
    groups: dict[str, str] = {}
    for line in text.splitlines():
        _, controllers, path = line.split(":", 2)
        groups.update(dict.fromkeys(controllers.split(","), path))
    return groups


def _parse(line: str, own: Mapping[str, str]) -> Mount | None:
    before, _, after = line.partition(" - ")
    kind, _, options = after.split(" ", 2)
    root, directory = (_unescaped(field) for field in before.split(" ")[3:5])
    if kind == "cgroup2":
        return Mount(version=2, directory=directory, own=_shown(own.get(_UNIFIED), root, directory))
    if kind != "cgroup":
        return None
    controllers = frozenset(options.split(",")) & own.keys()
    path = next((own[controller] for controller in controllers), None)
    return Mount(
        version=1,
        directory=directory,
        controllers=controllers,
        own=_shown(path, root, directory),
    )


def _shown(path: str | None, root: str, directory: str) -> str:
    """Where the group `path` is found, if `root` of the hierarchy is mounted at `directory`."""
    if path is None or not f"{path}/".startswith(f"{root.rstrip('/')}/"):
        return ""
    return directory + path[len(root.rstrip("/")) :].rstrip("/")


def _unescaped(field: str) -> str:
    return _ESCAPED.sub(lambda match: chr(int(match[1], 8)), field)
