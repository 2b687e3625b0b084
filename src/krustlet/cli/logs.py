"""`krustlet logs`: what a container of the node on this machine printed."""

import math
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import click

from krustlet.base import KrustletError, did_you_mean
from krustlet.cli.local_api import LocalApi, one_of
from krustlet.cli.words import remark
from krustlet.objects import DEFAULT_NAMESPACE, Pod

_DEFAULT_CONTAINER: Final = "kubectl.kubernetes.io/default-container"
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


class PodUnknown(KrustletError):
    """The node has no such pod."""


class ContainerUnknown(KrustletError):
    """The pod has no such container."""


def _seconds(_: click.Context, __: click.Parameter, text: str | None) -> int | None:
    """Whole seconds, one at least, of a duration as Go writes it."""
    if text is None:
        return None
    parts = _PART.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise click.BadParameter(f"{text!r} is no duration, such as 5m or 1h30m")
    return max(math.ceil(sum(float(n) * _UNITS_S[unit] for n, unit in parts)), 1)


@click.command("logs")
@click.argument("pod")
@click.option("-n", "--namespace", default=DEFAULT_NAMESPACE, show_default=True)
@click.option("-c", "--container", default="", help="One of the pod's containers.")
@click.option("-f", "--follow", is_flag=True, help="Go on until the container ends.")
@click.option("-p", "--previous", is_flag=True, help="Of the run before the last restart.")
@click.option("--tail", type=click.IntRange(min=-1), default=-1, help="Only the last lines.")
@click.option("--since", callback=_seconds, help="Only what is newer, such as 5m or 1h30m.")
@click.option("--timestamps", is_flag=True, help="Begin each line with its time.")
@click.option("--limit-bytes", type=click.IntRange(min=1), help="Stop after so many.")
@click.option(
    "--data-dir", type=click.Path(path_type=Path), envvar="KRUSTLET_DATA_DIR",
    help="Where the node keeps its data.  [default: ~/.krustlet]",
)  # fmt: skip
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
    found = _find(api.pods(), namespace, pod)
    name = _container(found, container)
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


def _find(pods: Sequence[Pod], namespace: str, name: str) -> Pod:
    if (pod := one_of(pods, namespace=namespace, name=name)) is not None:
        return pod
    elsewhere = sorted(p.namespace for p in pods if p.name == name)
    if elsewhere:
        hint = f"did you mean the one in -n {elsewhere[0]}?"
    else:
        here = [p.name for p in pods if p.namespace == namespace]
        hint = did_you_mean(name, here) or "`krustlet ps` lists what there is"
    raise PodUnknown(f"no pod {name} in namespace {namespace} on this node", hint=hint)


def _container(pod: Pod, name: str) -> str:
    """The container to show: the one of that name, else the one that is meant by default."""
    names = [c.name for c in pod.spec.all_containers()]
    if name:
        if name not in names:
            hint = did_you_mean(name, names) or f"it has {', '.join(names)}"
            raise ContainerUnknown(f"pod {pod.name} has no container {name}", hint=hint)
        return name
    default = pod.metadata.annotations.get(_DEFAULT_CONTAINER, "")
    if default in names:
        return default
    chosen = pod.spec.containers[0].name
    if len(names) > 1:
        remark(f"showing {chosen}, of: {', '.join(names)}")
    return chosen
