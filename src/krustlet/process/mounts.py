"""Give this process a file system of its own, or that of a container that runs.

Owns the mount, UTS and IPC namespaces of a container. Leaves it to the kubelet to make the
directory that becomes the root, and to say what is to be found in it.

A guest may write to its volumes, and so plant links in them for the next to come. What is mounted
is therefore taken hold of by descriptors first; where it is put is looked up only when the new root
is this process' own, and no path leads out of it, whatever a link says.
"""

import errno
import os
import stat
import time
from typing import TYPE_CHECKING, Final

from krustlet.process.syscalls import WallError, checked, function, last_errno, syscall

if TYPE_CHECKING:
    from krustlet.process.walls import Bind, Walls

# The same on every architecture.
_SYS_OPEN_TREE: Final = 428
_SYS_MOVE_MOUNT: Final = 429
_SYS_OPENAT2: Final = 437
_SYS_MOUNT_SETATTR: Final = 442

_CLONE_NEWNS: Final = 0x0002_0000
_CLONE_NEWUTS: Final = 0x0400_0000
_CLONE_NEWIPC: Final = 0x0800_0000
_NAMESPACES: Final = _CLONE_NEWNS | _CLONE_NEWUTS | _CLONE_NEWIPC

_AT_FDCWD: Final = -100
_AT_EMPTY_PATH: Final = 0x1000
_AT_RECURSIVE: Final = 0x8000
_OPEN_TREE: Final = 0x1 | os.O_CLOEXEC  # OPEN_TREE_CLONE
_FROM_DESCRIPTOR: Final = 0x4  # MOVE_MOUNT_F_EMPTY_PATH
_FOLLOW_LINKS: Final = 0x10  # MOVE_MOUNT_T_SYMLINKS
_MNT_DETACH: Final = 2
_MS_PRIVATE_ALL: Final = (1 << 18) | (1 << 14)  # MS_PRIVATE | MS_REC

_READ_ONLY: Final = 0x1  # MOUNT_ATTR_RDONLY
_HARMLESS: Final = 0x2 | 0x4 | 0x8  # MOUNT_ATTR_NOSUID, _NODEV, _NOEXEC
_U64: Final = 8


def _words(*values: int) -> bytes:
    """A structure of 64-bit words, as the kernel reads it."""
    return b"".join(value.to_bytes(_U64, "little") for value in values)


# `struct mount_attr`: what to set, to clear, the propagation, a user namespace.
_ATTRIBUTES: Final = _words(_HARMLESS, 0, 0, 0)
_ATTRIBUTES_READ_ONLY: Final = _words(_HARMLESS | _READ_ONLY, 0, 0, 0)
# `struct open_how`: flags, mode, and RESOLVE_NO_SYMLINKS.
_HOW: Final = _words(os.O_PATH | os.O_CLOEXEC, 0, 0x04)

_unshare: Final = function("unshare", 1)
_setns: Final = function("setns", 2)
_mount: Final = function("mount", 5)
_umount2: Final = function("umount2", 2)
_pivot_root: Final = function("pivot_root", 2)
_sethostname: Final = function("sethostname", 2)

_ENTER_LIMIT_S: Final = 5.0  # a container on a slow disk may take that long to have its walls
_ENTER_POLL_S: Final = 0.005


def can_mount() -> bool:
    """Whether a process like this one may make mounts, in the way that is needed here.

    A mount is made, restricted, and gone again without having been anywhere.
    """
    tree = syscall(_SYS_OPEN_TREE, _AT_FDCWD, b"/", _OPEN_TREE, 0, 0)
    if tree < 0:
        return False
    size = len(_ATTRIBUTES)
    result = syscall(_SYS_MOUNT_SETATTR, tree, b"", _AT_EMPTY_PATH, _ATTRIBUTES, size)
    os.close(tree)
    return result == 0


def raise_root(walls: "Walls") -> None:
    """Have `walls.root` as `/`, with the binds in it, and nothing of the node in sight.

    Raises:
        WallError: something is missing, or this kernel cannot.
    """
    checked(_unshare(_NAMESPACES), "no namespaces can be had")
    checked(_mount(None, b"/", None, _MS_PRIVATE_ALL, None), "the mounts cannot be parted")
    root = _taken(walls.root.encode(), 0, "the root file system")
    _restrict(root, _ATTRIBUTES, "the root file system")
    trees = [_bind_taken(bind) for bind in walls.binds]
    _attach(root, walls.root.encode())
    node = os.open("/", os.O_PATH | os.O_CLOEXEC)
    _change_root(root)  # for the time being: it is easily left again
    for bind, tree in zip(walls.binds, trees, strict=True):
        _put(tree, bind.target)
        os.close(tree)
    if walls.read_only_root:
        _restrict(root, _ATTRIBUTES_READ_ONLY, "the root file system")
    if walls.hostname:
        name = walls.hostname.encode()
        checked(_sethostname(name, len(name)), "the host name cannot be set")
    _change_root(node)
    _become_root(root)
    os.close(node)
    os.close(root)


def enter_root(process: int, root: str) -> None:
    """Go into the namespaces of `process`, as soon as `root` is its `/`.

    Before that it has the node's own root, and we would not want to be there behind no wall.

    Raises:
        WallError: it has ended, or does not come to have that root.
    """
    wanted = _identity(root)
    try:
        descriptor = os.pidfd_open(process)
    except ProcessLookupError:
        raise WallError("the container has ended", errno.ESRCH) from None
    deadline = time.monotonic() + _ENTER_LIMIT_S
    while True:
        checked(_setns(descriptor, _NAMESPACES), "the container cannot be entered")
        if _identity("/") == wanted:
            break
        if time.monotonic() > deadline:
            raise WallError("the container has no root file system of its own yet", errno.EAGAIN)
        time.sleep(_ENTER_POLL_S)
    os.close(descriptor)


def _identity(path: str) -> tuple[int, int]:
    try:
        found = os.stat(path)
    except OSError as exc:
        raise WallError(f"the root file system: {exc.strerror}", exc.errno or 0) from None
    return found.st_dev, found.st_ino


def _attach(root: int, path: bytes) -> None:
    checked(
        syscall(_SYS_MOVE_MOUNT, root, b"", _AT_FDCWD, path, _FROM_DESCRIPTOR),
        "the root file system cannot be mounted",
    )


def _change_root(directory: int) -> None:
    os.fchdir(directory)
    os.chroot(".")


def _become_root(root: int) -> None:
    """The old root ends up on top of the new one, from where it is taken off.

    Whoever enters these namespaces finds the node's root before, and all in its place afterwards.

    Source: pivot_root(2), 'pivot_root(".", ".")'.
    """
    what = "the root file system cannot be changed"
    os.fchdir(root)
    checked(_pivot_root(b".", b"."), what)
    checked(_umount2(b".", _MNT_DETACH), what)
    os.chdir("/")


# binds --------------------------------------------------------------------------------------------


def _bind_taken(bind: "Bind") -> int:
    """A copy of the mounts at a bind's source, mounted nowhere yet."""
    tree = _source_of(bind)
    attributes = _ATTRIBUTES_READ_ONLY if bind.read_only else _ATTRIBUTES
    _restrict(tree, attributes, bind.target, recursive=True)
    return tree


def _source_of(bind: "Bind") -> int:
    """Found by its name once, without following a link: whoever named it has followed those there
    were, and a guest may have planted one since."""
    found = checked(
        syscall(_SYS_OPENAT2, _AT_FDCWD, bind.source.encode(), _HOW, len(_HOW), 0),
        f"{bind.target}: {bind.source} cannot be mounted",
    )
    tree = _taken(b"", _AT_RECURSIVE | _AT_EMPTY_PATH, bind.target, within=found)
    os.close(found)
    return tree


def _taken(path: bytes, flags: int, what: str, *, within: int = _AT_FDCWD) -> int:
    tree = syscall(_SYS_OPEN_TREE, within, path, _OPEN_TREE | flags, 0, 0)
    if tree < 0 and last_errno() == errno.ENOSYS:
        raise WallError("this kernel has no open_tree(2): it takes Linux 5.12", errno.ENOSYS)
    return checked(tree, f"{what}: {os.fsdecode(path)} cannot be mounted")


def _restrict(tree: int, attributes: bytes, what: str, *, recursive: bool = False) -> None:
    flags = _AT_EMPTY_PATH | (_AT_RECURSIVE if recursive else 0)
    result = syscall(_SYS_MOUNT_SETATTR, tree, b"", flags, attributes, len(attributes))
    if result < 0 and last_errno() == errno.ENOSYS:
        raise WallError("this kernel has no mount_setattr(2): it takes Linux 5.12", errno.ENOSYS)
    checked(result, f"{what}: the mount cannot be restricted")


def _put(tree: int, target: str) -> None:
    """Mount `tree` at `target`, which is made where it is missing.

    Links on the way lead nowhere but within the root: there is nothing else any more.
    """
    path = target.encode()
    if not path.strip(b"/."):
        raise WallError(f"{target or '(nothing)'}: nothing can be mounted there", errno.EINVAL)
    is_directory = stat.S_ISDIR(os.fstat(tree).st_mode)
    result = _moved(tree, path)
    if result < 0 and last_errno() == errno.ENOENT:
        try:
            _make(path, is_directory=is_directory)
        except OSError as exc:
            raise WallError(f"{target} cannot be made: {exc.strerror}", exc.errno or 0) from None
        result = _moved(tree, path)
    if result < 0 and last_errno() == errno.EINVAL and os.path.isdir(path) != is_directory:
        here, there = ("file", "directory") if is_directory else ("directory", "file")
        message = f"{target} is a {here}, and a {there} is to be mounted there"
        raise WallError(message, errno.EINVAL)
    checked(result, f"{target}: nothing can be mounted there")


def _moved(tree: int, path: bytes) -> int:
    flags = _FROM_DESCRIPTOR | _FOLLOW_LINKS
    return syscall(_SYS_MOVE_MOUNT, tree, b"", _AT_FDCWD, path, flags)


def _make(path: bytes, *, is_directory: bool) -> None:
    parent, _, _ = path.rstrip(b"/").rpartition(b"/")
    os.makedirs(parent or b"/", 0o755, exist_ok=True)
    if is_directory:
        os.mkdir(path, 0o755)
    else:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644))
