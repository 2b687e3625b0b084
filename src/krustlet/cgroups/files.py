"""The few things that are done with the files of control groups."""

import os
from typing import Final, Protocol


class Files(Protocol):
    """All raise OSError. Paths are absolute."""

    def read(self, path: str) -> str: ...

    def write(self, path: str, text: str) -> None: ...

    def make_directory(self, path: str) -> None: ...

    def remove_directory(self, path: str) -> None: ...

    def directories(self, path: str) -> list[str]:
        """The names of the directories in it."""


class SystemFiles:
    """Those of this machine."""

    def read(self, path: str) -> str:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            return file.read()

    def write(self, path: str, text: str) -> None:
        """In one piece, as the kernel takes each write for a whole value."""
        descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.write(descriptor, text.encode())
        finally:
            os.close(descriptor)

    def make_directory(self, path: str) -> None:
        os.mkdir(path, 0o755)

    def remove_directory(self, path: str) -> None:
        os.rmdir(path)

    def directories(self, path: str) -> list[str]:
        with os.scandir(path) as entries:
            return [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]


SYSTEM_FILES: Final = SystemFiles()
