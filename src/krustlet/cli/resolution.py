"""What the options of a node mean together: one value each for the kubelet and its cluster.

Owns what is found out about this machine where nobody has said it. Opens no connection, and writes
nothing.
"""

import socket
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeAlias

import click

from krustlet.base.logs import set_up_logs
from krustlet.cli.container_options import container_settings
from krustlet.cli.node_values import NODE_NAME
from krustlet.cli.settings_command import FileRefused, parsed_again
from krustlet.settings import (
    ClusterSettings,
    KubeconfigMissing,
    Settings,
    SettingsError,
    credentials,
    default_certificate,
    default_data_dir,
    default_pod_logs,
    own_kubeconfig,
    refuse_exposed_key,
)

Both: TypeAlias = tuple[Settings, ClusterSettings]

_OF_CLUSTER: Final = (
    "node_ips", "address", "port", "max_pods", "labels", "taints", "provider_id", "client_ca_file",
    "rotate_certificates", "server_tls_bootstrap", "system_reserved", "kube_reserved",
    "eviction_hard", "status_every_s", "report_every_s", "lease_duration_s", "status_max_images",
    "api_qps", "api_burst", "event_qps", "event_burst",
)  # fmt: skip
_OF_KUBELET: Final = (
    "provider", "insecure_registries", "registry_certs_dir", "allow_local_modules",
)  # fmt: skip


def resolve(ctx: click.Context, *, to_look_at: bool = False) -> Both:
    """The settings that the options of a `SettingsCommand` mean.

    Args:
        ctx: of the command.
        to_look_at: not to be a node with: what only a node needs may be missing.

    Raises:
        click.UsageError: they do not go together.
        KrustletError: something is missing, or not as safe as it must be.
    """
    given = ctx.params
    data = (given["data_dir"] or default_data_dir()).absolute()
    host = given["hostname"] or socket.gethostname()
    certificate = _certificate(ctx, data)
    kubeconfig, bootstrap_file = _credentials(ctx, data, to_look_at=to_look_at)
    if certificate is not None and not to_look_at:
        refuse_exposed_key(certificate[1])
    cluster = ClusterSettings(
        kubeconfig=kubeconfig,
        bootstrap_file=bootstrap_file,
        node_name=given["node_name"] or _name_from(host),
        hostname=host,
        certificate=certificate,
        **{name: given[name] for name in _OF_CLUSTER},
    )
    settings = Settings(
        root=data,
        cache=data / "cache",
        logs=(given["pod_logs_dir"] or default_pod_logs(data)).absolute(),
        images=data / "images",
        registry_config=data / "config.json",
        **{name: given[name] for name in _OF_KUBELET},
        **container_settings(dict(given)),
    )
    return settings, cluster


def loader(ctx: click.Context) -> Callable[[], Both]:
    """Reads the settings again: the same command line, with the file as it is then.

    May be called in any thread. It sets the level of the log, too, which nobody else knows of.

    Returns:
        What raises KrustletError if something in them is wrong by now.
    """

    def load() -> Both:
        try:
            again = parsed_again(ctx)
            both = resolve(again)
        except FileRefused as exc:
            raise SettingsError(exc.message, hint=exc.hint) from exc
        except click.ClickException as exc:
            raise SettingsError(exc.format_message()) from exc
        set_up_logs(again.params["log_level"])
        return both

    return load


def _credentials(ctx: click.Context, data: Path, *, to_look_at: bool) -> tuple[Path, Path | None]:
    named = {name: ctx.params[name] for name in ("kubeconfig", "bootstrap_file")}
    try:
        return credentials(data, **named)
    except KubeconfigMissing:
        if not to_look_at:
            raise
        return own_kubeconfig(data), None


def _certificate(ctx: click.Context, data: Path) -> tuple[Path, Path] | None:
    given = {name: ctx.params[name] for name in ("cert_file", "private_key_file")}
    if None not in given.values():
        return given["cert_file"], given["private_key_file"]
    for option in ctx.command.params:
        if given.get(option.name or "") is not None:
            [other] = (name for name in given if name != option.name)
            raise click.UsageError(
                f"{option.get_error_hint(ctx)} is given, but no {other.replace('_', ' ')}: "
                "certificate and key belong together",
                ctx,
            )
    return default_certificate(data)


def _name_from(hostname: str) -> str:
    try:
        return NODE_NAME.convert(hostname, None, None)
    except click.BadParameter as exc:
        raise click.UsageError(
            f"the hostname is no name for a Node: {exc.message}; or give --node-name"
        ) from exc
