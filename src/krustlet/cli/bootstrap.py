"""`krustlet bootstrap`: a machine may ask to be a node, and is helped until it is one."""

import asyncio
import os
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import click
import msgspec

from krustlet.admin import (
    Approver,
    Bootstrapped,
    BootstrapWanted,
    Endpoint,
    Joined,
    bootstrap,
    grant,
)
from krustlet.base import SystemClock
from krustlet.base.logs import set_up_logs
from krustlet.cli.admin_options import (
    ADMIN_CONTEXT,
    ADMIN_KUBECONFIG,
    FORMS,
    OUTPUT_FILE,
    SERVER,
    Teller,
    admin_config,
)
from krustlet.cli.node_values import NODE_NAME
from krustlet.cli.settings_values import Duration
from krustlet.kube import KubeClient, KubeConfig
from krustlet.settings import default_data_dir

# As the original's script had them.
_DIRECTORY_VARIABLE: Final = "CONFIG_DIR"
_NAME_VARIABLE: Final = "FILE_NAME"
_NAME: Final = "bootstrap.conf"

_STDOUT: Final = "-"
_TIMEOUT_S: Final = 600.0
_LONGEST_TTL_S: Final = 366 * 86_400.0


class _Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What the command line says."""

    config: KubeConfig
    endpoint: Endpoint
    file: Path | None
    makes_directory: bool
    ttl_s: float
    auto_approve: bool
    force: bool
    no_token: bool
    node: str
    timeout_s: float


@click.command("bootstrap")
@ADMIN_KUBECONFIG
@ADMIN_CONTEXT
@click.option(
    "--output", "output", type=OUTPUT_FILE, metavar="FILE",
    help="Where the bootstrap file is kept; - is stdout.  [default: $CONFIG_DIR/$FILE_NAME, "
    "or else ~/.krustlet/config/bootstrap.conf]",
)  # fmt: skip
@click.option("--force", is_flag=True, help="Overwrite FILE, and make a new token in any case.")
@click.option(
    "--ttl", "ttl_s", type=Duration(at_least_s=1), default="1h", show_default=True,
    help="How long the token is good.",
)  # fmt: skip
@click.option(
    "--server", type=SERVER, default=None, metavar="URL",
    help="Where nodes reach the API server.  [default: as the kubeconfig says]",
)  # fmt: skip
@click.option(
    "--auto-approve", is_flag=True,
    help="Have the cluster approve the nodes' client certificates by itself, and their renewal.",
)  # fmt: skip
@click.option(
    "--wait", "node", type=NODE_NAME, default=None, metavar="NODE",
    help="Approve what this node asks for, until it has joined, and label it "
    "node-role.kubernetes.io/agent.",
)  # fmt: skip
@click.option(
    "--timeout", "timeout_s", type=Duration(at_least_s=1), default=None,
    help="How long --wait waits.  [default: 10m]",
)  # fmt: skip
@click.option("--no-token", is_flag=True, help="Make no token and no file, but do the rest.")
@click.option(
    "-o", "form", type=click.Choice(FORMS), default="text", show_default=True,
    help="json: what there is in the end, on stdout.",
)  # fmt: skip
def command(
    kubeconfig: Path | None,
    context: str,
    output: Path | None,
    force: bool,
    ttl_s: float,
    server: str | None,
    auto_approve: bool,
    node: str | None,
    timeout_s: float | None,
    no_token: bool,
    form: str,
) -> None:
    """Make a bootstrap file, with which a machine can ask to be a node of the cluster.

    \b
    krustlet bootstrap --wait wasm-1       then, on the machine:
    krustlet join --bootstrap-file bootstrap.conf --node-name wasm-1

    It holds a token that is good for an hour. A file that is there, with a token that is still
    good, is used as it is. What nodes need to be allowed is granted if nobody has yet.
    """
    set_up_logs("warning")
    to_stdout = output is not None and str(output) == _STDOUT
    _check_usage(
        no_token=no_token, has_file=output is not None or force, to_stdout=to_stdout,
        json=form == "json", works=auto_approve or node is not None, ttl_s=ttl_s,
        waits_in_vain=timeout_s is not None and node is None,
    )  # fmt: skip
    config = admin_config(kubeconfig, context)
    file = None if to_stdout else (output or _default_file()).absolute()
    asked = _Asked(
        config=config,
        endpoint=Endpoint.of(config, server=server or ""),
        file=file,
        makes_directory=file is not None and (output is None or _is_below_data(file)),
        ttl_s=ttl_s,
        auto_approve=auto_approve,
        force=force,
        no_token=no_token,
        node=node or "",
        timeout_s=timeout_s or _TIMEOUT_S,
    )
    teller = Teller(aside=to_stdout or form == "json")
    made, joined = asyncio.run(_work(asked, teller))
    if form == "json":
        click.echo(msgspec.json.format(msgspec.json.encode(_summary(asked, made, joined))))


def _check_usage(
    *,
    no_token: bool,
    has_file: bool,
    to_stdout: bool,
    json: bool,
    works: bool,
    ttl_s: float,
    waits_in_vain: bool,
) -> None:
    if no_token and has_file:
        raise click.UsageError("--no-token makes no file: it takes neither --output nor --force")
    if no_token and not works:
        raise click.UsageError(
            "--no-token needs --wait or --auto-approve, or there is nothing to do"
        )
    if to_stdout and json:
        raise click.UsageError("--output - and -o json both want stdout: name a file")
    if ttl_s > _LONGEST_TTL_S:
        raise click.UsageError("--ttl is at most a year: a token is to be used soon")
    if waits_in_vain:
        raise click.UsageError(
            "--timeout is for --wait, which is not given; --ttl is how long the token is good"
        )


def _default_file() -> Path:
    directory = os.environ.get(_DIRECTORY_VARIABLE) or default_data_dir() / "config"
    return Path(directory) / (os.environ.get(_NAME_VARIABLE) or _NAME)


def _is_below_data(file: Path) -> bool:
    """Whether it is in our own directory, of which nobody has misspelled the path."""
    with suppress(RuntimeError):  # a user without a home
        return file.resolve().is_relative_to(default_data_dir().resolve())
    return False


async def _work(asked: _Asked, teller: Teller) -> tuple[Bootstrapped | None, Joined | None]:
    made = joined = None
    async with KubeClient(asked.config) as api:
        if asked.no_token:
            await grant(api, teller, auto_approve=asked.auto_approve)
        else:
            wanted = BootstrapWanted(
                endpoint=asked.endpoint,
                file=asked.file,
                makes_directory=asked.makes_directory,
                ttl_s=asked.ttl_s,
                auto_approve=asked.auto_approve,
                force=asked.force,
            )
            made = await bootstrap(api, wanted, SystemClock(), teller, show=_to_stdout)
            _tell(asked, made, teller)
        if asked.node:
            teller.say(f"waiting for node {asked.node}; Ctrl-C ends the wait, and changes nothing")
            joined = await Approver(
                api,
                teller,
                SystemClock(),
                node=asked.node,
                server=asked.endpoint.server,
                token_id=made.file.token.id if made is not None else "",
                token_ends=made.expires if made is not None else "",
            ).run(within_s=asked.timeout_s)
    return made, joined


def _to_stdout(file: bytes) -> None:
    click.echo(file, nl=False)


def _tell(asked: _Asked, made: Bootstrapped, teller: Teller) -> None:
    """What there is now, and what to do with it."""
    token = f"token {made.file.token.id}"
    until = f"good until {made.expires}" if made.expires else "good for ever"
    if asked.file is None:
        name = _NAME
        teller.say(f"{token} made, {until}")
    else:
        name = asked.file.name
        how = "made" if made.is_new else "was there, and is used again (--force makes another)"
        teller.say(f"{token} {how}: {until}")
        teller.say(f"bootstrap file: {asked.file}")
    if asked.endpoint.is_loopback:
        teller.warn(
            f"{asked.endpoint.server} leads each machine to itself: no other reaches the API "
            "server there",
            "say with --server where nodes reach it, and use --force",
        )
    called = f" --node-name {asked.node}" if asked.node else ""
    teller.say("copy it to the machine that is to be a node (it holds the token), and there:")
    teller.say(f"  krustlet join --bootstrap-file {name}{called}")
    if not asked.node:
        teller.say("then approve what it asks for, here:")
        teller.say("  krustlet bootstrap --wait NODE")
    if asked.auto_approve:
        teller.say(
            "client certificates are approved by the cluster; serving ones never are: "
            "by --wait, or kubectl certificate approve"
        )


def _summary(asked: _Asked, made: Bootstrapped | None, joined: Joined | None) -> dict[str, Any]:
    """What scripts read; its keys stay as they are."""
    return {
        "server": asked.endpoint.server,
        "autoApprove": asked.auto_approve,
        "token": {
            "id": made.file.token.id,
            "expires": made.expires or None,
            "isNew": made.is_new,
            "file": str(asked.file),
        }
        if made is not None
        else None,
        "node": {
            "name": joined.node,
            "approved": list(joined.approved),
            "hasServingCertificate": joined.serving,
        }
        if joined is not None
        else None,
    }
