"""What commands share that talk to the node on this machine: its directory, pods, containers."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import click
from click.shell_completion import CompletionItem

from krustlet.base import KrustletError
from krustlet.cli.local_api import LocalApi, one_of
from krustlet.objects import DEFAULT_NAMESPACE, Pod


class _Seconds(click.ParamType[float]):
    """`10`, `2.5`."""

    name = "seconds"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        try:
            seconds = float(str(value))
        except ValueError:
            seconds = math.nan
        if not 0 <= seconds < math.inf:
            self.fail(f"{value!r} is no number of seconds, such as 10 or 2.5", param, ctx)
        return seconds


SECONDS: Final = _Seconds()
DATA_DIR: Final = click.option(
    "--data-dir", type=click.Path(path_type=Path), envvar="KRUSTLET_DATA_DIR",
    help="Where the node keeps its data.  [default: ~/.krustlet]",
)  # fmt: skip
LIST_OUTPUT: Final = click.option(
    "-o", "--output", type=click.Choice(["text", "json"]), default="text", show_default=True,
    help="json: a List of the pods as they are then.",
)  # fmt: skip
NAMESPACE: Final = click.option(
    "-n", "--namespace", default=DEFAULT_NAMESPACE, show_default=True, help="The pod's."
)


def complete_pods(
    ctx: click.Context, _: click.Parameter, incomplete: str
) -> Sequence[CompletionItem]:
    """Names of pods for a shell; none where no node answers."""
    namespace = ctx.params.get("namespace", DEFAULT_NAMESPACE)
    taken = ctx.params.get("names") or ()
    names = [pod.name for pod in _pods(ctx) if pod.namespace == namespace]
    return [
        CompletionItem(name)
        for name in sorted(names)
        if name.startswith(incomplete) and name not in taken
    ]


def complete_containers(
    ctx: click.Context, _: click.Parameter, incomplete: str
) -> Sequence[CompletionItem]:
    """Names of the containers of the pod that was named; of all pods where none was yet."""
    namespace, name = ctx.params.get("namespace", DEFAULT_NAMESPACE), ctx.params.get("pod")
    pods = _pods(ctx)
    named = one_of(pods, namespace=namespace, name=name) if name else None
    containers = {
        container.name
        for pod in ([named] if named is not None else pods)
        for container in pod.spec.all_containers()
    }
    return [CompletionItem(found) for found in sorted(containers) if found.startswith(incomplete)]


def _pods(ctx: click.Context) -> list[Pod]:
    try:
        return LocalApi(ctx.params.get("data_dir")).pods()
    except (KrustletError, OSError):  # a shell that completes wants no errors
        return []
