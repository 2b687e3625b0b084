"""`krustlet node`: this machine becomes a node of a cluster."""

import asyncio
import faulthandler
import os
import signal
import socket
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, Final

import click
import structlog

from krustlet.base.logs import set_up_logs
from krustlet.cli.node_group import NodeGroup
from krustlet.cli.resolution import loader, resolve
from krustlet.cli.settings_command import config_of, source_of
from krustlet.cli.settings_options import settings_options
from krustlet.settings import ClusterSettings, Settings

_ENDING: Final = (signal.SIGTERM, signal.SIGINT)

log = structlog.get_logger(__name__)


@click.group("node", cls=NodeGroup, modules={"reset": "node_reset"}, invoke_without_command=True)
@settings_options()
@click.pass_context
def command(ctx: click.Context, /, **_: Any) -> int:
    """Be a node of a cluster, and run its pods until told to stop.

    \b
    krustlet node --kubeconfig node.conf --node-ip 192.168.11.5
    krustlet node --config /etc/krustlet/config.yaml
    kubectl get nodes -o wide

    Containers go on when this command ends, however it does; the next one takes them over.
    SIGTERM and Ctrl-C end it at once, with exit code 0. Flags win over variables, these over the
    file.
    """
    return be_a_node(ctx) if ctx.invoked_subcommand is None else 0


def be_a_node(ctx: click.Context) -> int:
    """What `ctx.params` say, until told to stop; the exit code.

    Raises:
        KrustletError: it cannot be a node.
    """
    # Until there is a loop to hear of it, there is nothing to tidy up either.
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    signal.signal(signal.SIGHUP, lambda *_: None)  # nor are there settings to read again yet
    faulthandler.enable()  # a watchdog ends what hangs by SIGABRT; then the log says where it hung
    from krustlet.kubelet.node import run_node  # heavy; no other command needs it
    from krustlet.kubelet.service_manager import ServiceManager

    set_up_logs(ctx.params["log_level"])
    settings, cluster = resolve(ctx)
    _warn_of_the_file(ctx)
    _warn_of_what_waits(ctx)
    _warn_of_addresses(cluster)
    _warn_of_certs(settings)
    manager = ServiceManager.from_environment()
    work = run_node(settings, cluster, load=loader(ctx), say=_say, manager=manager)
    asyncio.run(_until_told_to_stop(work))
    for number in (*_ENDING, signal.SIGHUP):  # Python itself takes a moment to end, and ends well
        signal.signal(number, signal.SIG_IGN)
    return 0


def _say(line: str) -> None:
    """On stdout, where scripts look for it; whether anybody reads it is nothing to the node."""
    with suppress(OSError):
        click.echo(line)


def _warn_of_the_file(ctx: click.Context) -> None:
    """What it says in vain; nobody should believe that it has an effect."""
    config = config_of(ctx)
    if config is None:
        return
    vain = [f"{remark.key} (line {remark.line})" for remark in config.no_effect if not remark.why]
    if vain:
        log.warning("config.no_effect", file=str(config.path), fields=vain)
    for remark in config.no_effect:
        if remark.why:
            log.warning(
                "config.refused",
                file=str(config.path),
                field=remark.key,
                line=remark.line,
                why=remark.why,
            )


def _warn_of_what_waits(ctx: click.Context) -> None:
    """What is understood, but changes nothing here."""
    from krustlet.node import idle_words

    reserves = ("system_reserved", "kube_reserved", "eviction_hard")
    if idle := idle_words(word for name in reserves for word in ctx.params[name]):
        log.warning("config.no_effect", fields=idle)
    for name in ("plugins_dir", "device_plugins_dir"):
        if ctx.params[name] is not None:
            source, where = source_of(ctx, name)
            log.warning("config.no_effect", fields=[name], source=source, where=where)


def _warn_of_addresses(cluster: ClusterSettings) -> None:
    """Which of them are not this machine's: that is right behind NAT, and else a mistake."""
    for ip in cluster.node_ips:
        family = socket.AF_INET6 if ":" in ip else socket.AF_INET
        try:
            with socket.socket(family, socket.SOCK_DGRAM) as probe:
                probe.bind((ip, 0))
        except OSError as exc:
            log.warning(
                "node.address_not_here",
                ip=ip,
                error=exc.strerror,
                hint="if it does not lead here by NAT, give --node-ip one of this machine's",
            )


def _warn_of_certs(settings: Settings) -> None:
    directory = settings.registry_certs_dir
    if directory is not None and not directory.is_dir():
        # No error: it is looked into each time, and may come later.
        log.warning(
            "node.registry_certs_missing",
            directory=str(directory),
            hint="as long as it is not there, registries need a certificate that this machine "
            "believes",
        )


async def _until_told_to_stop(work: Coroutine[Any, Any, None]) -> None:
    loop = asyncio.get_running_loop()
    task = asyncio.ensure_future(work)
    asked = asyncio.Event()

    def stop() -> None:
        if not asked.is_set():  # told again, it is to finish what it is at
            asked.set()
            task.cancel()

    def hear(*_: object) -> None:
        with suppress(RuntimeError):  # the loop is closed: that was it
            loop.call_soon_threadsafe(stop)

    # Not by `loop.add_signal_handler`: the loop takes these along when it is closed, and the
    # process has yet to end.
    for number in _ENDING:
        signal.signal(number, hear)
    try:
        await task
    except asyncio.CancelledError:
        if not task.cancelled():
            raise
