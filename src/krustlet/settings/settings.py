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
        ephemeral: nothing outlives this process: containers end with it, and `root` goes.
    """

    root: Path
    cache: Path
    logs: Path
    provider: str = "wasi"
    ephemeral: bool = False


def default_data_dir() -> Path:
    """`$KRUSTLET_DATA_DIR`, else `~/.krustlet`.

    Raises:
        RuntimeError: this user has no home directory.
    """
    if named := os.environ.get(DATA_DIR_VARIABLE):
        return Path(named)
    return Path.home() / ".krustlet"
