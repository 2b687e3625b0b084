"""`krustlet node reset`: a node leaves its cluster, and nothing of it stays on its machine."""

import asyncio
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Final

import click
import msgspec

from krustlet.admin import Drain, Drainer, LocalNode, is_ready
from krustlet.base import KrustletError
from krustlet.base.logs import set_up_logs
from krustlet.cli.admin_options import ADMIN_CONTEXT, ADMIN_KUBECONFIG, Teller, admin_config
from krustlet.cli.node_options import DATA_DIR
from krustlet.cli.node_values import NODE_NAME, option
from krustlet.cli.settings_values import Duration
from krustlet.kube import KubeClient, KubeConfig
from krustlet.objects import DEFAULT_GRACE_S, Node
from krustlet.settings import default_data_dir, default_pod_logs

_ONCE_MORE: Final = "a krustlet node that still runs there makes its Node again: stop it"


class _Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What is to go.

    Attributes:
        config: of the cluster; None: it is left alone.
        local: what is on this machine; None: that is left alone.
        everything: whether what people wrote for the node goes, too.
    """

    node: str
    config: KubeConfig | None
    local: LocalNode | None
    everything: bool
    drain: Drain


@click.command("reset")
@click.argument("node", type=NODE_NAME, required=False)
@ADMIN_KUBECONFIG
@ADMIN_CONTEXT
@DATA_DIR
@option(
    "--pod-logs-dir", type=click.Path(path_type=Path, file_okay=False),
    envvar="KRUSTLET_POD_LOGS_DIR",
    help="Where the node keeps its pods' logs.  [default: as for krustlet node]",
)  # fmt: skip
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@click.option(
    "--timeout", "timeout_s", type=Duration(at_least_s=1), default="5m", show_default=True,
    help="How long pods have to go, and then the node to be stopped.",
)  # fmt: skip
@click.option(
    "--grace-period", "grace_s", type=click.IntRange(min=0), metavar="SECONDS",
    help="Until containers are killed.  [default: as each pod says]",
)  # fmt: skip
@click.option("--force", is_flag=True, help="Also pods that nothing makes anew elsewhere go.")
@click.option("--all", "everything", is_flag=True, help="Also what people wrote for it goes.")
@click.option("--local-only", is_flag=True, help="Ask no cluster: only clean this machine.")
@click.option("--cluster-only", is_flag=True, help="Leave this machine alone.")
def command(
    node: str | None,
    kubeconfig: Path | None,
    context: str,
    data_dir: Path | None,
    pod_logs_dir: Path | None,
    yes: bool,
    timeout_s: float,
    grace_s: int | None,
    force: bool,
    everything: bool,
    local_only: bool,
    cluster_only: bool,
) -> int:
    """Take NODE out of its cluster, and what it has left off this machine.

    \b
    krustlet node reset                      on the machine, with an administrator's kubeconfig
    krustlet node reset wasm-1 --cluster-only                          from anywhere
    krustlet node reset --local-only         on the machine, when the cluster is gone

    Its pods are evicted, as by kubectl drain, while the node runs; then it is to be stopped, and
    its Node and its data go. Without NODE it is the one whose certificate is in the data directory.
    What is done stays done: after an error, it can be called again.
    """
    set_up_logs("warning")
    if local_only and cluster_only:
        raise click.UsageError("--local-only and --cluster-only leave nothing to do")
    if cluster_only and everything:
        raise click.UsageError("--all is about this machine, which --cluster-only leaves alone")
    if not yes and not sys.stdin.isatty():
        raise click.UsageError("there is nobody to ask on this stdin: say --yes")
    teller = Teller(aside=False)
    local = None if cluster_only else _local(data_dir, pod_logs_dir, teller)
    plan = _Plan(
        node=node or _name_of(local, is_needed=not local_only),
        config=None if local_only else admin_config(kubeconfig, context),
        local=local,
        everything=everything,
        drain=Drain(within_s=timeout_s, grace_s=grace_s, force=force),
    )
    known = asyncio.run(_look(plan, teller))
    # Not within a loop: that would keep Ctrl-C to itself while one is asked.
    if not yes and not click.confirm(_question(plan, known)):
        teller.say("nothing was done")
        return 1
    asyncio.run(_reset(plan, known, teller))
    return 0


def _local(data_dir: Path | None, pod_logs_dir: Path | None, teller: Teller) -> LocalNode:
    from krustlet.kubelet import remove_groups  # heavy; most calls of `krustlet` need none of it

    directory = (data_dir or default_data_dir()).absolute()
    return LocalNode(
        directory,
        teller,
        pod_logs=(pod_logs_dir or default_pod_logs(directory)).absolute(),
        remove_groups=remove_groups,
    )


def _name_of(local: LocalNode | None, *, is_needed: bool) -> str:
    """The node's whose directory it is; never a guess, as another may be called so."""
    name = local.node() if local is not None else ""
    if is_needed and not name:
        why = f"nothing in {local.directory} says whose it is; " if local is not None else ""
        raise click.UsageError(
            f"{why}name the NODE that is to go: kubectl get nodes shows what there is"
        )
    return name


@asynccontextmanager
async def _drainer(plan: _Plan, teller: Teller) -> AsyncIterator[Drainer | None]:
    """For the cluster, if that is to be touched."""
    if plan.config is None:
        yield None
        return
    async with KubeClient(plan.config) as api:
        yield Drainer(api, teller, node=plan.node)


async def _look(plan: _Plan, teller: Teller) -> Node | None:
    """Nothing is in the way; the Node, if there is one."""
    async with _drainer(plan, teller) as drainer:
        known = await drainer.find() if drainer is not None else None
        if plan.local is not None:
            plan.local.check(plan.node, known)
        if drainer is not None and known is not None:
            await drainer.check(plan.drain)
        return known


async def _reset(plan: _Plan, known: Node | None, teller: Teller) -> None:
    async with _drainer(plan, teller) as drainer:
        with _telling_if_cordoned(drainer, plan.node, teller):
            await _take_away(drainer, plan, known, teller)


@contextmanager
def _telling_if_cordoned(drainer: Drainer | None, node: str, teller: Teller) -> Iterator[None]:
    """Whoever ends the block too soon, as by Ctrl-C, hears what the node is left as."""
    try:
        yield
    except (asyncio.CancelledError, KrustletError):
        if drainer is not None and drainer.leaves_cordoned:
            teller.warn(
                f"node {node} is still there, and cordoned: it gets no new pods",
                f"call this again, or let it have some: kubectl uncordon {node}",
            )
        raise


async def _take_away(
    drainer: Drainer | None, plan: _Plan, known: Node | None, teller: Teller
) -> None:
    if drainer is not None and known is not None:
        await drainer.drain(plan.drain, attended=_is_attended(plan.local, known))
    if plan.local is not None:
        await plan.local.until_stopped(within_s=plan.drain.within_s)
    if drainer is not None:
        await _delete(drainer, plan, teller)
    if plan.local is not None:
        grace_s = plan.drain.grace_s if plan.drain.grace_s is not None else DEFAULT_GRACE_S
        await plan.local.clean(everything=plan.everything, grace_s=grace_s)


def _question(plan: _Plan, known: Node | None) -> str:
    parts = []
    if plan.config is not None:
        there = "" if known is not None else ", where there is no such node now"
        parts.append(f"take node {plan.node} out of the cluster at {plan.config.server}{there}")
    if plan.local is not None:
        what = "everything" if plan.everything else "what a node keeps"
        parts.append(f"remove {what} in {plan.local.directory} of this machine")
    sentence = ", and ".join(parts)
    return f"{sentence[0].upper()}{sentence[1:]}?"


def _is_attended(local: LocalNode | None, known: Node) -> bool:
    """Whether a kubelet is there to end the pods; of this machine's that is known at once."""
    return local.is_running() if local is not None else is_ready(known)


async def _delete(drainer: Drainer, plan: _Plan, teller: Teller) -> None:
    if (now := await drainer.find()) is None:
        teller.say(f"there is no node {plan.node} in the cluster")
        return
    await drainer.delete(now)
    if plan.local is None:
        teller.say(_ONCE_MORE)
