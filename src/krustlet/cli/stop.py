"""`krustlet stop`: containers of the node on this machine end."""

from pathlib import Path

import click

from krustlet.cli.choice import chosen_container, chosen_pods
from krustlet.cli.local_api import LocalApi
from krustlet.cli.node_options import (
    DATA_DIR,
    LIST_OUTPUT,
    NAMESPACE,
    SECONDS,
    complete_containers,
    complete_pods,
)
from krustlet.cli.waiting import all_at_once


@click.command("stop")
@click.argument("names", metavar="POD…", nargs=-1, required=True, shell_complete=complete_pods)
@click.option(
    "-c", "--container", default="", shell_complete=complete_containers,
    help="Only this one of each pod's containers.",
)  # fmt: skip
@click.option(
    "-t", "--time", "grace_s", type=SECONDS, metavar="SECONDS",
    help="Until they are killed.  [default: the pod's grace period]",
)  # fmt: skip
@LIST_OUTPUT
@NAMESPACE
@DATA_DIR
def command(
    names: tuple[str, ...],
    container: str,
    grace_s: float | None,
    output: str,
    namespace: str,
    data_dir: Path | None,
) -> int:
    """Have the containers of each POD end, and wait until they have.

    The pods stay: what becomes of them then is for their restart policy to say.

    \b
    krustlet stop web
    krustlet stop web -c main -t 5
    krustlet stop a b -o json | jq -r .items[].status.phase
    """
    api = LocalApi(data_dir)
    found = chosen_pods(api.pods(), namespace=namespace, names=names)
    query = {} if grace_s is None else {"grace": f"{grace_s:g}"}
    if container:
        query["container"] = container
        for pod in found:
            chosen_container(pod, container)
    return all_at_once(
        found,
        lambda pod: api.change("POST", "stop", pod.namespace, pod.name, query=query),
        doing="Stopping",
        done="stopped",
        output=output,
    )
