"""The command line: `krustlet`. One module a command, imported when it is called."""

from krustlet.cli.main import main

__all__ = ["main"]
