"""What is on disk of a container's life, readable after the supervisor that wrote it is gone.

Owns the file `record` in a container's directory. Written before the process exists, and once
more when it has ended; never holds anything the container was given.
"""

import os
from pathlib import Path

import msgspec

from krustlet.process.messages import End

_NAME = "record"


class Record(msgspec.Struct, frozen=True):
    """One container's life as far as it was written down.

    Attributes:
        id: the container.
        boot_id: the boot it belongs to; nothing survives another boot.
        started_at: Unix seconds.
        end: how it ended; None while it runs, and for ever if the supervisor died first.
    """

    id: str
    boot_id: str
    started_at: float
    end: End | None = None


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Record).decode


def write_record(directory: str, record: Record) -> None:
    """Keep `record` in `directory`, which is made if absent.

    Plain calls instead of `base.files`: this runs in the supervisor, whose every import is paid
    for by each container, and whose every file is written by one thread.
    """
    part = f"{directory}/.{_NAME}"
    try:
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    except FileNotFoundError:
        os.makedirs(directory, 0o700, exist_ok=True)
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        os.write(descriptor, _encode(record))
    finally:
        os.close(descriptor)
    os.rename(part, f"{directory}/{_NAME}")


def read_record(directory: Path) -> Record | None:
    """What was written down in `directory`; None if nothing readable was."""
    try:
        return _decode((directory / _NAME).read_bytes())
    except (FileNotFoundError, msgspec.MsgspecError):
        return None


def boot_id() -> str:
    """Names this boot of the machine; empty where the kernel does not tell."""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return ""
