"""Modules of before preview 1 had that name: give them the functions that are the same today.

`wasi_unstable` is the snapshot that came first, and compilers made modules for it until 2020. Of
its functions a few mean something else now, and stay as they are for the linker to answer:
`fd_seek` numbers its origins in another order, a file's status is 8 bytes shorter, a subscription
to a clock 8 bytes longer. The rest is that of preview 1, letter by letter.

Source: WASI, `phases/old/snapshot_0/witx/` against `phases/snapshot/witx/`.
"""

from typing import Final

from krustlet.wasm.engine import UNSTABLE_ALONE, WASI_PREVIEW_1, WASI_UNSTABLE
from krustlet.wasm.sections import Import, Malformed, import_section, read_imports

_SAME: Final = frozenset(
    name.encode()
    for name in (
        *("args_get", "args_sizes_get", "environ_get", "environ_sizes_get"),
        *("clock_res_get", "clock_time_get", "random_get", "sched_yield"),
        *("proc_exit", "proc_raise", "sock_recv", "sock_send", "sock_shutdown"),
        *("fd_advise", "fd_allocate", "fd_close", "fd_datasync", "fd_fdstat_get"),
        *("fd_fdstat_set_flags", "fd_fdstat_set_rights", "fd_filestat_set_size"),
        *("fd_filestat_set_times", "fd_pread", "fd_prestat_get", "fd_prestat_dir_name"),
        *("fd_pwrite", "fd_read", "fd_readdir", "fd_renumber", "fd_sync", "fd_tell", "fd_write"),
        *("path_create_directory", "path_filestat_set_times", "path_link", "path_open"),
        *("path_readlink", "path_remove_directory", "path_rename", "path_symlink"),
        "path_unlink_file",
    )
)
_OLD: Final = WASI_UNSTABLE.encode()
_NEW: Final = WASI_PREVIEW_1.encode()
assert not _SAME.intersection(name.encode() for name in UNSTABLE_ALONE)


def modernise(module: bytes) -> bytes:
    """`module` with every import of `wasi_unstable` that preview 1 answers just as well from there.

    What is not of the format is returned as it is: the engine says better what is wrong with it.
    """
    if _OLD not in module:
        return module
    try:
        start, end, imports = read_imports(module)
    except Malformed:
        return module
    changed = [_modernised(wanted) for wanted in imports]
    if changed == imports:
        return module
    return module[:start] + import_section(changed) + module[end:]


def _modernised(wanted: Import) -> Import:
    if wanted.module == _OLD and wanted.name in _SAME:
        return wanted._replace(module=_NEW)
    return wanted
