"""`krustlet-wasi`: the original's command, with its options, variables, files and defaults."""

from typing import Any, Final

import click

from krustlet import __version__
from krustlet.cli.node import be_a_node
from krustlet.cli.settings_command import SettingsCommand
from krustlet.cli.settings_options import settings_options

_PORT: Final = 3000


@click.command(
    "krustlet-wasi",
    cls=SettingsCommand,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@settings_options(port=_PORT)
@click.version_option(__version__, "-V", "--version", message="%(prog)s %(version)s")
@click.pass_context
def command(ctx: click.Context, /, **_: Any) -> int:
    """Be a node of a cluster, as `krustlet node` is, under the original's name.

    \b
    krustlet-wasi --node-ip 192.168.11.5 --bootstrap-file ~/.krustlet/config/bootstrap.conf
    """
    return be_a_node(ctx)
