"""The ground: errors, time, back-off, files, logs and sockets. Knows no Kubernetes words."""

from krustlet.base.backoff import Backoff
from krustlet.base.clock import Clock, Instant, SystemClock
from krustlet.base.errors import KrustletError
from krustlet.base.files import (
    Unnamed,
    make_private_directory,
    sweep_parts,
    write_atomically,
)
from krustlet.base.locks import DirectoryInUse, lock_directory, only_user_of
from krustlet.base.spelling import did_you_mean, did_you_mean_file

__all__ = [
    "Backoff",
    "Clock",
    "DirectoryInUse",
    "Instant",
    "KrustletError",
    "SystemClock",
    "Unnamed",
    "did_you_mean",
    "did_you_mean_file",
    "lock_directory",
    "make_private_directory",
    "only_user_of",
    "sweep_parts",
    "write_atomically",
]
