"""What a kubelet is told about itself, whoever told it."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec

DATA_DIR_VARIABLE: Final = "KRUSTLET_DATA_DIR"
DEFAULT_LOG_MAX_BYTES: Final = 10 << 20  # as the kubelet's containerLogMaxSize
DEFAULT_LOG_MAX_FILES: Final = 5
# Above all that distributions, systemd and subuids use, and below what a signed number cannot hold.
DEFAULT_POD_USERS: Final = (1_879_048_192, 65_536)


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """One kubelet.

    Attributes:
        root: what this kubelet keeps: pods, their volumes and records, the supervisor's socket.
        cache: what outlives it and may be shared with others: native code.
        logs: pod logs, laid out as the CRI does.
        provider: the name of what runs the containers; `provider_options` are for it to read.
        images: modules of registries, which may be shared with others, too; None: only local files
            are run.
        insecure_registries: `host:port` of those that may be spoken to without TLS.
        registry_certs_dir: authorities of registries, as Docker lays them out.
        registry_config: credentials for registries, as Docker's `config.json`; need not exist.
        allow_local_modules: whether an image may be a file of this machine.
        ephemeral: nothing outlives this process: containers end with it, and `root` goes.
        log_max_bytes, log_max_files: a container's log is begun anew when it has grown to that, and
            so many files of it are kept.
        pod_pids_limit: processes and threads that a pod may have; None for any number.
        pod_users: the first, and how many, of the numbers that pods have as users of this node.
        root_containers: whether a container may be root if its pod says so.
    """

    root: Path
    cache: Path
    logs: Path
    images: Path | None
    provider: str = "wasi"
    provider_options: Mapping[str, str] = {}
    insecure_registries: tuple[str, ...] = ()
    registry_certs_dir: Path | None = None
    registry_config: Path | None = None
    allow_local_modules: bool = True
    ephemeral: bool = False
    log_max_bytes: int = DEFAULT_LOG_MAX_BYTES
    log_max_files: int = DEFAULT_LOG_MAX_FILES
    pod_pids_limit: int | None = None
    pod_users: tuple[int, int] = DEFAULT_POD_USERS
    root_containers: bool = False


def default_data_dir() -> Path:
    """`$KRUSTLET_DATA_DIR`, else `~/.krustlet`.

    Raises:
        RuntimeError: this user has no home directory.
    """
    if named := os.environ.get(DATA_DIR_VARIABLE):
        return Path(named)
    return Path.home() / ".krustlet"
