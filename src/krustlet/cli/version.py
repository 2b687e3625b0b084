"""`krustlet version`."""

import json

import click

from krustlet import KUBERNETES_VERSION, __version__


@click.command("version")
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text")
def command(output: str) -> None:
    """Print the version of Krustlet and of the Kubernetes it follows.

    \b
    krustlet version -o json
    """
    if output == "json":
        click.echo(json.dumps({"krustlet": __version__, "kubernetes": KUBERNETES_VERSION}))
    else:
        click.echo(f"krustlet {__version__} (Kubernetes {KUBERNETES_VERSION})")
