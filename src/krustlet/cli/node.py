"""`krustlet node`: this machine becomes a node of a cluster."""

import asyncio
import os
import signal
import socket
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, Final

import click
import structlog

from krustlet.base import KrustletError
from krustlet.base.logs import LEVELS, set_up_logs
from krustlet.cli.container_options import container_options, container_settings
from krustlet.cli.node_values import (
    ADDRESSES,
    LABELS,
    NODE_NAME,
    REGISTRIES,
    TAINTS,
    option,
    taints_text,
)
from krustlet.objects import Taint
from krustlet.settings import (
    DEFAULT_MAX_PODS,
    DEFAULT_PORT,
    DEFAULT_TAINTS,
    ClusterSettings,
    Settings,
    default_data_dir,
)

_POD_LOGS: Final = Path("/var/log/pods")
_FILE: Final = click.Path(path_type=Path, dir_okay=False)
_EXISTING: Final = click.Path(path_type=Path, dir_okay=False, exists=True)
_DIRECTORY: Final = click.Path(path_type=Path, file_okay=False)

log = structlog.get_logger(__name__)


class KubeconfigMissing(KrustletError):
    """Nobody has said how to reach the API server."""


@click.command("node")
@option(
    "--kubeconfig", type=_FILE, envvar="KUBECONFIG",
    help="How to reach the API server, as user system:node:<name>.  [default: ~/.kube/config]",
)  # fmt: skip
@option(
    "--node-name", type=NODE_NAME, envvar="KRUSTLET_NODE_NAME",
    help="Name of the Node.  [default: the hostname, in lower case]",
)  # fmt: skip
@option("--hostname", envvar="KRUSTLET_HOSTNAME", help="The machine's name.  [default: as it says]")
@option(
    "-n", "--node-ip", "node_ips", type=ADDRESSES, envvar="KRUSTLET_NODE_IP", default="",
    help="Address of node and pods; two for dual stack.  [default: the one that leads to the "
    "API server]",
)  # fmt: skip
@option(
    "-a", "--addr", "address", envvar="KRUSTLET_ADDRESS", default="0.0.0.0",  # noqa: S104 - as above
    show_default=True, help="Address that the node's API listens on.",
)  # fmt: skip
@option(
    "-p", "--port", type=click.IntRange(1, 65535), envvar="KRUSTLET_PORT", default=DEFAULT_PORT,
    show_default=True, help="Port of the node's API.",
)  # fmt: skip
@option(
    "--data-dir", type=_DIRECTORY, envvar="KRUSTLET_DATA_DIR",
    help="Where everything is kept.  [default: ~/.krustlet]",
)  # fmt: skip
@option(
    "--pod-logs-dir", type=_DIRECTORY, envvar="KRUSTLET_POD_LOGS_DIR",
    help="Where the containers' logs are kept.  [default: /var/log/pods as root, else "
    "<data-dir>/logs/pods]",
)  # fmt: skip
@option(
    "--max-pods", type=click.IntRange(1, 10_000), envvar=["KRUSTLET_MAX_PODS", "MAX_PODS"],
    default=DEFAULT_MAX_PODS, show_default=True, help="How many pods may run here at once.",
)  # fmt: skip
@option(
    "--node-labels", "labels", type=LABELS, envvar=["KRUSTLET_NODE_LABELS", "NODE_LABELS"],
    default="", help="More labels of the Node: key=value[,…].",
)  # fmt: skip
@option(
    "--register-with-taints", "taints", type=TAINTS, envvar="KRUSTLET_REGISTER_WITH_TAINTS",
    default=taints_text(DEFAULT_TAINTS), show_default=True,
    help="Taints of a new Node, key=value:Effect[,…]; '' for none.",
)  # fmt: skip
@option(
    "--provider-id", envvar="KRUSTLET_PROVIDER_ID", default="", help="spec.providerID of the Node."
)
@option(
    "--client-ca-file", type=_EXISTING, envvar="KRUSTLET_CLIENT_CA_FILE",
    help="Who signs for clients of the node's API.  [default: the CA of the kubeconfig]",
)  # fmt: skip
@option(
    "--cert-file", type=_EXISTING, envvar="KRUSTLET_CERT_FILE",
    help="Certificate of the node's API.  [default: a self-signed one]",
)  # fmt: skip
@option(
    "--private-key-file", type=_EXISTING, envvar="KRUSTLET_PRIVATE_KEY_FILE",
    help="The key of --cert-file.",
)  # fmt: skip
@option(
    "--insecure-registries", type=REGISTRIES, envvar="KRUSTLET_INSECURE_REGISTRIES", default="",
    help="Registries that may be spoken to without TLS: HOST:PORT[,…].",
)  # fmt: skip
@option(
    "--registry-certs-dir", type=_DIRECTORY, envvar="KRUSTLET_REGISTRY_CERTS_DIR",
    help="CAs of registries: DIR/HOST:PORT/*.crt.",
)  # fmt: skip
@option(
    "--allow-local-modules", is_flag=True, envvar="KRUSTLET_ALLOW_LOCAL_MODULES",
    help="Let pods run files of this machine, as file:/path/to/module.wasm.",
)  # fmt: skip
@option(
    "--kube-api-qps", "api_qps", type=click.FloatRange(min=0), default=500.0, show_default=True,
    help="How often a second the API server is asked at most; 0 for no limit.",
)  # fmt: skip
@option(
    "--kube-api-burst", "api_burst", type=click.IntRange(min=1), default=1000, show_default=True,
    help="How often at once.",
)  # fmt: skip
@option(
    "--event-qps", type=click.FloatRange(min=0), default=50.0, show_default=True,
    help="How many events a second are told at most; 0 for no limit.",
)  # fmt: skip
@option(
    "--event-burst", type=click.IntRange(min=1), default=100, show_default=True,
    help="How many events at once.",
)  # fmt: skip
@container_options
@option("--provider", default="wasi", show_default=True, help="What runs the containers.")
@option(
    "--log-level", type=click.Choice(LEVELS), envvar="KRUSTLET_LOG_LEVEL", default="info",
    show_default=True, help="What is logged, on stderr.",
)  # fmt: skip
def command(
    *,
    kubeconfig: Path | None,
    node_name: str | None,
    hostname: str | None,
    node_ips: tuple[str, ...],
    data_dir: Path | None,
    pod_logs_dir: Path | None,
    cert_file: Path | None,
    private_key_file: Path | None,
    taints: tuple[Taint, ...],
    provider: str,
    insecure_registries: tuple[str, ...],
    registry_certs_dir: Path | None,
    allow_local_modules: bool,
    log_level: str,
    **others: Any,
) -> int:
    """Be a node of a cluster, and run its pods until told to stop.

    \b
    krustlet node --kubeconfig node.conf --node-ip 192.168.11.5
    kubectl get nodes -o wide

    Containers go on when this command ends, however it does; the next one takes them over.
    SIGTERM and Ctrl-C end it at once, with exit code 0.
    """
    # Until there is a loop to hear of it, there is nothing to tidy up either.
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    from krustlet.kubelet.node import run_node  # heavy; no other command needs it

    set_up_logs(log_level)
    if (cert_file is None) != (private_key_file is None):
        raise click.UsageError("--cert-file and --private-key-file belong together")
    of_containers = container_settings(others)
    host = hostname or socket.gethostname()
    certificate = (cert_file, private_key_file) if cert_file and private_key_file else None
    cluster = ClusterSettings(
        kubeconfig=_kubeconfig(kubeconfig),
        node_name=node_name or _name_from(host),
        hostname=host,
        node_ips=node_ips,
        taints=taints,
        certificate=certificate,
        **others,
    )
    data = (data_dir or default_data_dir()).absolute()
    settings = Settings(
        root=data,
        cache=data / "cache",
        logs=(pod_logs_dir or _pod_logs(data)).absolute(),
        images=data / "images",
        provider=provider,
        insecure_registries=insecure_registries,
        registry_certs_dir=registry_certs_dir,
        registry_config=data / "config.json",
        allow_local_modules=allow_local_modules,
        **of_containers,
    )
    _warn_of_addresses(node_ips)
    if registry_certs_dir is not None and not registry_certs_dir.is_dir():
        # No error: it is looked into each time, and may come later.
        log.warning(
            "node.registry_certs_missing",
            directory=str(registry_certs_dir),
            hint="as long as it is not there, registries need a certificate that this machine "
            "believes",
        )
    asyncio.run(_until_told_to_stop(run_node(settings, cluster)))
    return 0


def _kubeconfig(named: Path | None) -> Path:
    if named is not None:
        return named
    default = Path.home() / ".kube" / "config"
    if not default.exists():
        raise KubeconfigMissing(
            "nobody has said how to reach the API server",
            hint="name a kubeconfig file with --kubeconfig or KUBECONFIG",
        )
    return default


def _name_from(hostname: str) -> str:
    try:
        return NODE_NAME.convert(hostname, None, None)
    except click.BadParameter as exc:
        raise click.UsageError(
            f"the hostname is no name for a Node: {exc.message}; or give --node-name"
        ) from exc


def _warn_of_addresses(node_ips: tuple[str, ...]) -> None:
    """Which of them are not this machine's: that is right behind NAT, and else a mistake."""
    for ip in node_ips:
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


def _pod_logs(data: Path) -> Path:
    return _POD_LOGS if os.geteuid() == 0 else data / "logs" / "pods"


async def _until_told_to_stop(work: Coroutine[Any, Any, None]) -> None:
    loop = asyncio.get_running_loop()
    task = asyncio.ensure_future(work)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, task.cancel)
    try:
        await task
    except asyncio.CancelledError:
        if not task.cancelled():
            raise
