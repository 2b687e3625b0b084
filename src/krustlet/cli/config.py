"""`krustlet config`: what is known about the settings of a node."""

from typing import Final

import click

from krustlet.cli.lazy_group import LazyGroup

_COMMANDS: Final = {"view": "config_view"}


@click.group("config", cls=LazyGroup, modules=_COMMANDS)
def command() -> None:
    """Show the settings of a node.

    \b
    krustlet config view
    """
