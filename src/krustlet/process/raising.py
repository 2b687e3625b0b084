"""Put up the walls between this process and the machine, in the one order that works.

1. namespaces and the root file system: it takes root's powers
2. user and groups, then the capabilities that are left
3. dying with the parent: a change of user clears that
4. no new privileges: without root the filters below take it
5. Landlock: nothing can be mounted behind it
6. seccomp: hardly any of the calls above can be made behind it
"""

import os

from krustlet.process import landlock, linux, seccomp
from krustlet.process.identity import become_user, drop_bounding_set, give_up_capabilities
from krustlet.process.mounts import enter_root, raise_root
from krustlet.process.runner import START_ERROR_CODE
from krustlet.process.walls import Walls

_OWN_ROOT = (("/", True),)


def prepare() -> None:
    """Do once, in the zygote, what each of its children would have to do again."""
    if os.geteuid() == 0:
        drop_bounding_set()


def join_cgroups(walls: Walls) -> None:
    """Be counted, and limited, from now on.

    Raises:
        OSError: a group is gone, or takes no more processes.
    """
    for path in walls.cgroups:
        descriptor = os.open(path, os.O_WRONLY)
        os.write(descriptor, b"0")
        os.close(descriptor)


def raise_walls(walls: Walls, *, parent: int, within: int) -> None:
    """Stand behind `walls` from now on.

    Args:
        parent: ends with it.
        within: the process whose namespaces to go into, in place of new ones; 0 for none.

    Raises:
        WallError: one of them cannot be put up.
    """
    if walls.root and within:
        enter_root(within, walls.root)
    elif walls.root:
        raise_root(walls)
    if walls.user is not None:
        become_user(walls.user)
    if walls.filters or walls.user is not None:
        give_up_capabilities(network=walls.network)
    linux.die_with_parent()
    if os.getppid() != parent:  # it died before we asked to be told
        os._exit(START_ERROR_CODE)
    linux.give_up_new_privileges()
    if walls.filters:
        _filter(walls)


def _filter(walls: Walls) -> None:
    """What the kernel cannot do is left out: `abilities` tells of it."""
    if landlock.ABI:
        visible = _OWN_ROOT if walls.root else walls.visible
        if walls.network and not walls.root:
            visible = (*visible, *landlock.files_for_names())
        landlock.restrict(visible, network=walls.network)
    if seccomp.IS_AVAILABLE:
        seccomp.filter_calls(network=walls.network)
