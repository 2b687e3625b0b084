"""Which options of `krustlet run` can be kept on this machine, told in the words of the options.

What a manifest asks for in vain is told by `pods`, in the words of its fields.
"""

import os
from typing import Final

import msgspec

from krustlet.base import KrustletError
from krustlet.cli.run_options import RunOptions
from krustlet.cli.words import remark
from krustlet.kubelet import can_change_users, unlimited

_DELEGATED: Final = "systemd-run --user --scope -p Delegate=yes krustlet run …"


class UserRefused(KrustletError):
    """The module cannot run as somebody else."""


def settled(options: RunOptions, *, pids_limit: int | None, quiet: bool) -> RunOptions:
    """What of `options` can be kept; unless `quiet`, of all others it is said what would help.

    Raises:
        UserRefused: the module would run as another user than it is to.
    """
    if options.user is not None or options.hostname:
        options = _as_whom(options, quiet=quiet)
    limits = {"memory": options.memory, "cpu": options.cpus, "pids": pids_limit}
    wanted = {name for name, limit in limits.items() if limit}
    if not quiet and wanted and (in_vain := wanted & unlimited()):
        remark(_told(in_vain))
    return options


def _as_whom(options: RunOptions, *, quiet: bool) -> RunOptions:
    if can_change_users():
        return options
    user = options.user
    if user is not None and (user.uid, user.gid) not in (
        (os.getuid(), None),
        (os.getuid(), os.getgid()),
    ):
        raise UserRefused(
            "--user needs root: the module cannot run as another user than you",
            hint="leave it out, or run as root: sudo krustlet run …",
        )
    if options.hostname and not quiet:
        remark("--hostname has no effect here: the name is this machine's, unless you are root")
    return msgspec.structs.replace(options, user=None, hostname="")


def _told(in_vain: set[str]) -> str:
    without = [
        flag for name, flag in (("cpu", "--cpus"), ("pids", "--pids-limit")) if name in in_vain
    ]
    words = []
    if "memory" in in_vain:
        words.append("--memory limits the module's own memory only, not what is kept for it")
    if without:
        words.append(f"{' and '.join(without)} {'have' if len(without) > 1 else 'has'} no effect")
    return f"{'; '.join(words)}: that takes root, or {_DELEGATED}"
