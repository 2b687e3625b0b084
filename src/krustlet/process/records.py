"""What is on disk of a container's life, readable after the supervisor that wrote it is gone.

Owns the file `record` in a container's directory. One line is written before the process exists,
and one more when it has ended; neither ever holds anything the container was given.
"""

import os
from pathlib import Path
from typing import Final

import msgspec

from krustlet.process.messages import End

_NAME: Final = "record"


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


def write_start(directory: str, record: Record) -> None:
    """Begin a record in `directory`, which is made if absent.

    Plain calls instead of `base.files`: this runs in the supervisor, whose every import is paid
    for by each container. The line is whole when a process is there to be recorded.

    Raises:
        OSError: it cannot be written; nothing of it is left.
    """
    path = f"{directory}/{_NAME}"
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    try:
        descriptor = os.open(path, flags, 0o600)
    except FileNotFoundError:
        os.makedirs(directory, 0o700, exist_ok=True)
        descriptor = os.open(path, flags, 0o600)
    try:
        _write_all(descriptor, record)
    except OSError:
        os.unlink(path)
        raise
    finally:
        os.close(descriptor)


def write_end(directory: str, end: End) -> None:
    """Complete the record in `directory`.

    Raises:
        OSError: the disk is full, or the record is gone.
    """
    descriptor = os.open(f"{directory}/{_NAME}", os.O_WRONLY | os.O_APPEND)
    try:
        _write_all(descriptor, end)
    finally:
        os.close(descriptor)


def remove_record(directory: str) -> None:
    """Take back what was written of a container that there will not be."""
    os.unlink(f"{directory}/{_NAME}")


def read_record(directory: Path) -> Record | None:
    """What was written down in `directory`; None if nothing readable was."""
    try:
        start, *end = (directory / _NAME).read_bytes().splitlines()
        record = msgspec.json.decode(start, type=Record)
    except (FileNotFoundError, ValueError, msgspec.MsgspecError):  # none, empty, or cut short
        return None
    try:
        return msgspec.structs.replace(record, end=msgspec.json.decode(end[0], type=End))
    except (IndexError, msgspec.MsgspecError):
        return record


def boot_id() -> str:
    """Names this boot of the machine; empty where the kernel does not tell."""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return ""


def _write_all(descriptor: int, line: Record | End) -> None:
    data = _encode(line) + b"\n"
    while data:  # a disk that fills up takes a part first, and refuses the rest
        data = data[os.write(descriptor, data) :]
