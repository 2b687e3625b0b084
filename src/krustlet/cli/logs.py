"""`krustlet logs`: what a container of the node on this machine printed."""

import math
import re
import sys
from pathlib import Path
from typing import Final

import click

from krustlet.cli.choice import chosen_container, chosen_pod
from krustlet.cli.local_api import LocalApi
from krustlet.cli.node_options import (
    DATA_DIR,
    NAMESPACE,
    complete_containers,
    complete_pods,
)

_UNITS_S: Final = {
    "h": 3600.0,
    "m": 60.0,
    "s": 1.0,
    "ms": 0.001,
    "us": 1e-6,
    "µs": 1e-6,
    "ns": 1e-9,
}
_PART: Final = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(h|ms|m|s|us|µs|ns)")
_SIGPIPE_CODE: Final = 141


def _seconds(_: click.Context, __: click.Parameter, text: str | None) -> int | None:
    """Whole seconds, one at least, of a duration as Go writes it."""
    if text is None:
        return None
    parts = _PART.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise click.BadParameter(f"{text!r} is no duration, such as 5m or 1h30m")
    return max(math.ceil(sum(float(n) * _UNITS_S[unit] for n, unit in parts)), 1)


@click.command("logs")
@click.argument("pod", shell_complete=complete_pods)
@NAMESPACE
@click.option(
    "-c", "--container", default="", shell_complete=complete_containers,
    help="One of the pod's containers.",
)  # fmt: skip
@click.option("-f", "--follow", is_flag=True, help="Go on until the container ends.")
@click.option("-p", "--previous", is_flag=True, help="Of the run before the last restart.")
@click.option("--tail", type=click.IntRange(min=-1), default=-1, help="Only the last lines.")
@click.option("--since", callback=_seconds, help="Only what is newer, such as 5m or 1h30m.")
@click.option("--timestamps", is_flag=True, help="Begin each line with its time.")
@click.option("--limit-bytes", type=click.IntRange(min=1), help="Stop after so many.")
@DATA_DIR
def command(
    pod: str,
    namespace: str,
    container: str,
    follow: bool,
    previous: bool,
    tail: int,
    since: int | None,
    timestamps: bool,
    limit_bytes: int | None,
    data_dir: Path | None,
) -> int:
    """Print what a container of POD printed, on the node that runs on this machine.

    \b
    krustlet logs web -f
    krustlet logs -n kube-system agent -c main --tail 20 --timestamps
    """
    api = LocalApi(data_dir)
    found = chosen_pod(api.pods(), namespace=namespace, name=pod)
    name = chosen_container(found, container)
    flags = {"follow": follow, "previous": previous, "timestamps": timestamps}
    counts = {
        "tailLines": tail if tail >= 0 else None,
        "sinceSeconds": since,
        "limitBytes": limit_bytes,
    }
    query = {key: "true" for key, is_set in flags.items() if is_set}
    query |= {key: str(count) for key, count in counts.items() if count is not None}
    out = sys.stdout.buffer
    try:
        for chunk in api.stream("containerLogs", namespace, pod, name, query=query, follow=follow):
            out.write(chunk)
            out.flush()
    except BrokenPipeError:
        # What is still buffered cannot go anywhere; nor shall the interpreter try it at exit.
        sys.stdout = open("/dev/null", "w")  # noqa: SIM115
        return _SIGPIPE_CODE
    return 0
