"""`krustlet completion`: what a shell needs to complete our commands."""

import click
from click.shell_completion import get_completion_class

from krustlet.cli.words import COMPLETE_VARIABLE


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def command(ctx: click.Context, shell: str) -> None:
    """Print a completion script for SHELL.

    \b
    source <(krustlet completion bash)                                # this shell
    krustlet completion zsh > "${fpath[1]}/_krustlet"                 # zsh, for good
    krustlet completion fish > ~/.config/fish/completions/krustlet.fish
    """
    complete = get_completion_class(shell)
    assert complete is not None  # click.Choice lets through only shells that click knows
    root = ctx.find_root()
    click.echo(complete(root.command, {}, "krustlet", COMPLETE_VARIABLE).source())
