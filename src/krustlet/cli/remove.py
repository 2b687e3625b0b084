"""`krustlet rm`: pods of the node on this machine go."""

from pathlib import Path

import click

from krustlet.cli.choice import chosen_pods
from krustlet.cli.local_api import LocalApi
from krustlet.cli.node_options import DATA_DIR, LIST_OUTPUT, NAMESPACE, SECONDS, complete_pods
from krustlet.cli.waiting import all_at_once


@click.command("rm")
@click.argument("names", metavar="POD…", nargs=-1, required=True, shell_complete=complete_pods)
@click.option("-f", "--force", is_flag=True, help="At once, without a grace period.")
@click.option(
    "-t", "--time", "grace_s", type=SECONDS, metavar="SECONDS",
    help="Until its containers are killed.  [default: the pod's grace period]",
)  # fmt: skip
@LIST_OUTPUT
@NAMESPACE
@DATA_DIR
def command(
    names: tuple[str, ...],
    force: bool,
    grace_s: float | None,
    output: str,
    namespace: str,
    data_dir: Path | None,
) -> int:
    """Delete each POD, and wait until nothing of it is left.

    A pod of a cluster is deleted there, as `kubectl delete pod` does; what owns it may make
    another one.

    \b
    krustlet rm web
    krustlet rm web --force
    """
    if force and grace_s:
        raise click.UsageError("--force is at once: it takes no --time")
    api = LocalApi(data_dir)
    found = chosen_pods(api.pods(), namespace=namespace, names=names)
    seconds = 0 if force else grace_s
    query = {} if seconds is None else {"grace": f"{seconds:g}"}
    return all_at_once(
        found,
        lambda pod: api.change("DELETE", "rm", pod.namespace, pod.name, query=query),
        doing="Removing",
        done="removed",
        output=output,
    )
