"""What stands between a guest and this machine."""

from typing import Final

import msgspec


class Bind(msgspec.Struct, frozen=True, array_like=True):
    """A file or directory of the node that a container finds at `target`.

    Attributes:
        source: absolute, with no link in it: one is not followed, as a guest may have planted it.
    """

    source: str
    target: str
    read_only: bool = False


class Walls(msgspec.Struct, frozen=True, kw_only=True):
    """What the child puts between itself and this machine before it runs anything.

    Travels with the payload, sealed: the supervisor never reads it. What is left out does not
    stand.

    Attributes:
        cgroups: files `cgroup.procs` that it writes itself into.
        root: a directory that becomes its `/`, in mount, UTS and IPC namespaces of its own; empty
            for the node's own.
        read_only_root: nothing but `binds` can be written to.
        binds: mounted below the root, in this order; what is missing of a target is made.
        hostname: in its UTS namespace; empty for the node's.
        user: uid, gid and further groups; None for those of the supervisor.
        visible: without a root of its own, the directories it may touch, and whether it may write.
        network: whether it may open sockets.
        filters: whether system calls (seccomp) and access (Landlock) are filtered, where the kernel
            can.
    """

    cgroups: tuple[str, ...] = ()
    root: str = ""
    read_only_root: bool = False
    binds: tuple[Bind, ...] = ()
    hostname: str = ""
    user: "User | None" = None
    visible: tuple[tuple[str, bool], ...] = ()
    network: bool = True
    filters: bool = True


class User(msgspec.Struct, frozen=True, array_like=True):
    """Numbers of a user of this node; it need not have a name."""

    uid: int
    gid: int
    groups: tuple[int, ...] = ()


NO_WALLS: Final = Walls(filters=False)
