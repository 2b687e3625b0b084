"""`krustlet join`: get credentials of a cluster, and be a node of it from then on."""

from typing import Any

import click

from krustlet.cli.node import be_a_node
from krustlet.cli.settings_command import SettingsCommand
from krustlet.cli.settings_options import settings_options


@click.command("join", cls=SettingsCommand)
@settings_options()
@click.pass_context
def command(ctx: click.Context, /, **_: Any) -> int:
    """Join a cluster as a node, with a bootstrap file, and run its pods until told to stop.

    \b
    krustlet bootstrap --output bootstrap.conf        where kubectl is an administrator's
    krustlet join --bootstrap-file bootstrap.conf     on the machine that is to be a node

    The options are those of `krustlet node`, which goes on with what this has got: later either
    will do.
    """
    if ctx.params["bootstrap_file"] is None:
        raise click.UsageError(
            "--bootstrap-file is needed: an administrator of the cluster makes one with "
            "`krustlet bootstrap`; with a kubeconfig for this node, use `krustlet node`"
        )
    return be_a_node(ctx)
