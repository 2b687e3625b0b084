"""What stands between a guest and this machine, told to people."""

from typing import Final

STANDING_WALLS: Final = (
    "the WebAssembly sandbox",
    "a process of its own",
    "no new privileges",
    "closed descriptors",
)
MISSING_WALLS: Final = (
    "memory and CPU limits",
    "a user of its own",
    "a file system of its own",
    "a system call filter",
)
