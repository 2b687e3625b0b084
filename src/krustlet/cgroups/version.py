"""What the two versions of the kernel's interface have in common, as `groups` sees them."""

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple, Protocol

from krustlet.cgroups.files import Files
from krustlet.cgroups.limits import Limits, Usage

LIMITING: Final = ("memory", "cpu", "pids")  # the controllers that hold somebody to something
_RACES: Final = 10  # another node's kubelet may remove a parent that we share, as empty


class Setting(NamedTuple):
    """A value for one file of a group; an `optional` one is left out where there is no file."""

    controller: str
    file: str
    text: str
    optional: bool = False


class Version(Protocol):
    """A tree of groups in one version of the interface. Paths are relative to its top.

    Attributes:
        number: 1 or 2.
        tops: controller → the directory of the top group, as far as the controller can be had.
        missing: the controllers that cannot.
        procs_file: where a process that has one thread writes `0` to enter a group.
        threads_file: one line a thread that is in a group.
        oom_file: has a line `oom_kill <number>`.
        memory_limit_file: `max` or a number, as `memory_usage_file`.
    """

    number: int
    tops: Mapping[str, str]
    missing: tuple[str, ...]
    procs_file: str
    threads_file: str
    oom_file: str
    memory_limit_file: str
    memory_usage_file: str

    def make(self, path: str) -> bool:
        """The group is there, and its parents are; whether it is new.

        Raises:
            OSError: the kernel refused.
        """

    def settings(
        self, limits: Limits, *, ends_whole: bool, is_new: bool, raises_memory: bool
    ) -> Iterable[Setting]:
        """What holds a group to `limits` and to no others, in the order to be written.

        Args:
            ends_whole: where the kernel would end one of its processes, it ends all.
            is_new: what has no limit need not be told so.
            raises_memory: the group has a lower limit of memory now.
        """

    def usage(self, path: str, *, at: float) -> Usage:
        """What the group uses.

        Raises:
            OSError: there is no such group.
        """


def directories(version: Version, path: str) -> tuple[str, ...]:
    """Those that the group `path` is: one a hierarchy."""
    return tuple(dict.fromkeys(below(top, path) for top in version.tops.values()))


def below(top: str, path: str) -> str:
    return f"{top}/{path}" if path else top


def read_numbers(files: Files, file: str) -> Mapping[str, int]:
    """The lines `<key> <number>` of a file such as `memory.stat`."""
    pairs = (line.split() for line in files.read(file).splitlines())
    return {pair[0]: int(pair[1]) for pair in pairs if len(pair) == 2}


def make_directories(files: Files, top: str, path: str) -> bool:
    """`path` is there below `top`, which exists; whether its last directory is new."""
    for _ in range(_RACES):
        try:
            files.make_directory(below(top, path))
        except FileExistsError:
            return False
        except FileNotFoundError:
            parent, _, _ = path.rpartition("/")
            if not parent:
                raise
            make_directories(files, top, parent)
        else:
            return True
    raise FileNotFoundError(f"{path} is removed as often as it is made")
