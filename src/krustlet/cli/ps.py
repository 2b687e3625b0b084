"""`krustlet ps`: the pods of the node on this machine."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import click
import msgspec

from krustlet.base import SystemClock
from krustlet.cli.local_api import LocalApi
from krustlet.cli.node_options import DATA_DIR
from krustlet.cli.pod_summary import Summary, summary
from krustlet.cli.words import remark
from krustlet.objects import Pod

_GAP: Final = "   "


@click.command("ps")
@click.option("-o", "--output", type=click.Choice(["table", "json"]), default="table")
@click.option("-n", "--namespace", default="", help="Only pods of this namespace.")
@click.option("-A", "--all-namespaces", is_flag=True, help="Pods of all namespaces, as without -n.")
@DATA_DIR
def command(output: str, namespace: str, all_namespaces: bool, data_dir: Path | None) -> None:
    """List the pods of the node that runs on this machine.

    \b
    krustlet ps
    krustlet ps -n kube-system -o json | jq -r .items[].metadata.name
    """
    wanted = "" if all_namespaces else namespace
    pods = [pod for pod in LocalApi(data_dir).pods() if wanted in ("", pod.namespace)]
    pods.sort(key=lambda pod: (pod.namespace, pod.name))
    if output == "json":
        answer = {"apiVersion": "v1", "kind": "List", "items": pods}
        click.echo(msgspec.json.format(msgspec.json.encode(answer)))
    elif pods:
        click.echo(_table(pods))
    else:
        remark(f"no pods in namespace {wanted}" if wanted else "no pods")


def _table(pods: Sequence[Pod]) -> str:
    now = SystemClock().now()
    rows = [tuple(field.upper() for field in Summary._fields), *(summary(p, now) for p in pods)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = (
        _GAP.join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        for row in rows
    )
    return "\n".join(line.rstrip() for line in lines)
