"""What a kubelet is told about itself, whoever told it."""

import os
from pathlib import Path
from typing import Final

import msgspec

DATA_DIR_VARIABLE: Final = "KRUSTLET_DATA_DIR"


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """One kubelet.

    Attributes:
        root: what this kubelet keeps: pods, their volumes and records, the supervisor's socket.
        cache: what outlives it and may be shared with others: native code.
        logs: pod logs, laid out as the CRI does.
        provider: the name of what runs the containers.
        images: modules of registries, which may be shared with others, too; None: only local files
            are run.
        insecure_registries: `host:port` of those that may be spoken to without TLS.
        registry_certs_dir: authorities of registries, as Docker lays them out.
        registry_config: credentials for registries, as Docker's `config.json`; need not exist.
        allow_local_modules: whether an image may be a file of this machine.
        ephemeral: nothing outlives this process: containers end with it, and `root` goes.
    """

    root: Path
    cache: Path
    logs: Path
    images: Path | None
    provider: str = "wasi"
    insecure_registries: tuple[str, ...] = ()
    registry_certs_dir: Path | None = None
    registry_config: Path | None = None
    allow_local_modules: bool = True
    ephemeral: bool = False


def default_data_dir() -> Path:
    """`$KRUSTLET_DATA_DIR`, else `~/.krustlet`.

    Raises:
        RuntimeError: this user has no home directory.
    """
    if named := os.environ.get(DATA_DIR_VARIABLE):
        return Path(named)
    return Path.home() / ".krustlet"
