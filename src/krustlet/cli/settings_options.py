"""The options of a node: one table for `krustlet node`, `join`, `config view` and `krustlet-wasi`.

Their keys in a configuration file are in `krustlet.settings.KEYS`.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from krustlet.cli.container_options import container_options
from krustlet.cli.node_values import (
    ADDRESSES,
    LABELS,
    NODE_NAME,
    REGISTRIES,
    TAINTS,
    option,
    taints_text,
)
from krustlet.cli.settings_values import (
    EVICTION,
    LEVEL,
    RATE,
    RESERVED,
    Duration,
    LogLevelOption,
    Whole,
    eviction_text,
)
from krustlet.settings import (
    DEFAULT_EVICTION_HARD,
    DEFAULT_MAX_PODS,
    DEFAULT_PORT,
    DEFAULT_TAINTS,
)

_Command = TypeVar("_Command", bound=Callable[..., Any])

_FILE: Final = click.Path(path_type=Path, dir_okay=False)
_EXISTING: Final = click.Path(path_type=Path, dir_okay=False, exists=True)
_DIRECTORY: Final = click.Path(path_type=Path, file_okay=False)


def settings_options(*, port: int = DEFAULT_PORT) -> Callable[[_Command], _Command]:
    """Give a command all these options, and what reads them from a file.

    Args:
        port: what `--port` is by default.
    """

    def give(command: _Command) -> _Command:
        for add in reversed((*_joining(), *_node(port), *_reporting(), *_images(), *_rates())):
            command = add(command)
        return command

    return give


def _joining() -> tuple[Callable[[Any], Any], ...]:
    return (
        option(
            "--config", type=click.Path(path_type=Path), envvar="KRUSTLET_CONFIG",
            help="A file of these settings: a KubeletConfiguration, or Krustlet's own.  "
            "[default: <data-dir>/config/config.yaml, .json, ~/.krustlet/config/config.json]",
        ),
        option(
            "--kubeconfig", type=_FILE, envvar="KUBECONFIG",
            help="How to reach the API server, as user system:node:<name>; a bootstrap writes it.  "
            "[default: <data-dir>/config/kubeconfig, ~/.kube/config]",
        ),
        option(
            "--bootstrap-file", "--bootstrap-kubeconfig", type=_FILE,
            envvar="KRUSTLET_BOOTSTRAP_FILE",
            help="A kubeconfig with a token, to get credentials with.  [default: without a "
            "kubeconfig, <data-dir>/config/bootstrap.conf, /etc/kubernetes/bootstrap-kubelet.conf]",
        ),
        option(
            "--rotate-certificates/--no-rotate-certificates", default=True, show_default=True,
            envvar="KRUSTLET_ROTATE_CERTIFICATES", help="Renew certificates in time.",
        ),
        option(
            "--server-tls-bootstrap/--no-server-tls-bootstrap", default=True, show_default=True,
            envvar="KRUSTLET_SERVER_TLS_BOOTSTRAP",
            help="Have the cluster sign the certificate of the node's API.",
        ),
    )  # fmt: skip


def _node(port: int) -> tuple[Callable[[Any], Any], ...]:
    return (
        option(
            "--node-name", type=NODE_NAME, envvar="KRUSTLET_NODE_NAME",
            help="Name of the Node.  [default: the hostname, in lower case]",
        ),
        option(
            "--hostname", envvar="KRUSTLET_HOSTNAME",
            help="The machine's name.  [default: as it says]",
        ),
        option(
            "-n", "--node-ip", "node_ips", type=ADDRESSES, envvar="KRUSTLET_NODE_IP", default="",
            help="Address of node and pods; two for dual stack.  [default: the one that leads to "
            "the API server]",
        ),
        option(
            "-a", "--addr", "address", envvar="KRUSTLET_ADDRESS",
            default="0.0.0.0",  # noqa: S104 - as in ClusterSettings
            show_default=True, help="Address that the node's API listens on.",
        ),
        option(
            "-p", "--port", type=Whole(1, 65535), envvar="KRUSTLET_PORT", default=port,
            show_default=True, help="Port of the node's API.",
        ),
        option(
            "--data-dir", type=_DIRECTORY, envvar="KRUSTLET_DATA_DIR",
            help="Where everything is kept.  [default: ~/.krustlet]",
        ),
        option(
            "--pod-logs-dir", type=_DIRECTORY, envvar="KRUSTLET_POD_LOGS_DIR",
            help="Where the containers' logs are kept.  [default: /var/log/pods as root, else "
            "<data-dir>/logs/pods]",
        ),
        option(
            "--max-pods", type=Whole(1, 10_000), envvar=["KRUSTLET_MAX_PODS", "MAX_PODS"],
            default=DEFAULT_MAX_PODS, show_default=True, help="How many pods may run here at once.",
        ),
        option(
            "--node-labels", "labels", type=LABELS, envvar=["KRUSTLET_NODE_LABELS", "NODE_LABELS"],
            default="", help="More labels of the Node: key=value[,…].",
        ),
        option(
            "--register-with-taints", "taints", type=TAINTS,
            envvar="KRUSTLET_REGISTER_WITH_TAINTS", default=taints_text(DEFAULT_TAINTS),
            show_default=True, help="Taints of a new Node, key=value:Effect[,…]; '' for none.",
        ),
        option(
            "--provider-id", envvar="KRUSTLET_PROVIDER_ID", default="",
            help="spec.providerID of the Node.",
        ),
        option(
            "--client-ca-file", type=_EXISTING, envvar="KRUSTLET_CLIENT_CA_FILE",
            help="Who signs for clients of the node's API.  [default: the CA of the kubeconfig]",
        ),
        option(
            "--cert-file", type=_EXISTING, envvar="KRUSTLET_CERT_FILE",
            help="Certificate of the node's API.  [default: <data-dir>/config/krustlet.crt, else "
            "one that the cluster signs]",
        ),
        option(
            "--private-key-file", type=_EXISTING, envvar="KRUSTLET_PRIVATE_KEY_FILE",
            help="The key of --cert-file.  [default: <data-dir>/config/krustlet.key]",
        ),
    )  # fmt: skip


def _reporting() -> tuple[Callable[[Any], Any], ...]:
    return (
        option(
            "--system-reserved", type=RESERVED, envvar="KRUSTLET_SYSTEM_RESERVED", default="",
            help="What is kept from pods for the system: cpu=500m,memory=1Gi.",
        ),
        option(
            "--kube-reserved", type=RESERVED, envvar="KRUSTLET_KUBE_RESERVED", default="",
            help="Likewise for Krustlet itself.",
        ),
        option(
            "--eviction-hard", type=EVICTION, envvar="KRUSTLET_EVICTION_HARD",
            default=eviction_text(DEFAULT_EVICTION_HARD), show_default=True,
            help="What is to stay free: signal<amount[,…], or a share as 10%; '' for nothing.",
        ),
        option(
            "--node-status-update-frequency", "status_every_s", type=Duration(at_least_s=0.1),
            envvar="KRUSTLET_NODE_STATUS_UPDATE_FREQUENCY", default="10s", show_default=True,
            help="How often the node's status is looked at, and told if it has changed.",
        ),
        option(
            "--node-status-report-frequency", "report_every_s", type=Duration(at_least_s=0.1),
            envvar="KRUSTLET_NODE_STATUS_REPORT_FREQUENCY", default="5m", show_default=True,
            help="How often it is told if it has not.",
        ),
        option(
            "--node-lease-duration-seconds", "lease_duration_s", type=Whole(min=1),
            envvar="KRUSTLET_NODE_LEASE_DURATION_SECONDS", default=40, show_default=True,
            help="After so much silence the node counts as lost.",
        ),
        option(
            "--node-status-max-images", "status_max_images", type=Whole(min=-1),
            envvar="KRUSTLET_NODE_STATUS_MAX_IMAGES", default=50, show_default=True,
            help="How many images the status lists; -1 for all.",
        ),
    )  # fmt: skip


def _images() -> tuple[Callable[[Any], Any], ...]:
    return (
        option(
            "--insecure-registries", type=REGISTRIES, envvar="KRUSTLET_INSECURE_REGISTRIES",
            default="", help="Registries that may be spoken to without TLS: HOST:PORT[,…].",
        ),
        option(
            "--registry-certs-dir", type=_DIRECTORY, envvar="KRUSTLET_REGISTRY_CERTS_DIR",
            help="CAs of registries: DIR/HOST:PORT/*.crt.",
        ),
        option(
            "--allow-local-modules", "--x-allow-local-modules", is_flag=False, flag_value="true",
            type=click.BOOL, default=False, envvar="KRUSTLET_ALLOW_LOCAL_MODULES",
            metavar="[BOOLEAN]",
            help="Let pods run files of this machine, as file:/path/to/module.wasm.",
        ),
        option(
            "--plugins-dir", type=_DIRECTORY, envvar="KRUSTLET_PLUGINS_DIR",
            help="The original's; has no effect yet.",
        ),
        option(
            "--device-plugins-dir", type=_DIRECTORY, envvar="KRUSTLET_DEVICE_PLUGINS_DIR",
            help="The original's; has no effect yet.",
        ),
    )  # fmt: skip


def _rates() -> tuple[Callable[[Any], Any], ...]:
    return (
        option(
            "--kube-api-qps", "api_qps", type=RATE, envvar="KRUSTLET_KUBE_API_QPS", default=500.0,
            show_default=True,
            help="How often a second the API server is asked at most; 0 for no limit.",
        ),
        option(
            "--kube-api-burst", "api_burst", type=Whole(min=1), envvar="KRUSTLET_KUBE_API_BURST",
            default=1000, show_default=True, help="How often at once.",
        ),
        option(
            "--event-qps", type=RATE, envvar="KRUSTLET_EVENT_QPS", default=50.0, show_default=True,
            help="How many events a second are told at most; 0 for no limit.",
        ),
        option(
            "--event-burst", type=Whole(min=1), envvar="KRUSTLET_EVENT_BURST", default=100,
            show_default=True, help="How many events at once.",
        ),
        container_options,
        option(
            "--provider", envvar="KRUSTLET_PROVIDER", default="wasi", show_default=True,
            help="What runs the containers.",
        ),
        option(
            "--log-level", cls=LogLevelOption, type=LEVEL, default="info", show_default=True,
            envvar=["KRUSTLET_LOG_LEVEL", "RUST_LOG"], help="What is logged, on stderr.",
        ),
    )  # fmt: skip
