"""`krustlet push`: a module goes to a registry, from where nodes pull it."""

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import click
import msgspec

from krustlet.base import KrustletError, did_you_mean_file
from krustlet.base.logs import LEVELS, set_up_logs
from krustlet.cli.node_values import NAMES
from krustlet.cli.words import is_terminal, remark
from krustlet.images import (
    AccessDenied,
    Artifact,
    Credentials,
    InvalidImageName,
    Pusher,
    Registry,
    RegistryReference,
    RegistrySettings,
    docker_config,
    make_artifact,
    parse_reference,
    users_credentials,
)


class ModuleUnreadable(KrustletError):
    """There is no file to push, or none that can be read."""


class PushDenied(KrustletError):
    """The registry does not let this user push."""


class _TargetParam(click.ParamType[RegistryReference]):
    """Where in a registry; a tag or none, but no digest: that is what comes out."""

    name = "reference"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> RegistryReference:
        try:
            reference = parse_reference(str(value))
        except InvalidImageName as exc:
            self.fail(f"{exc.message}; {exc.hint}", param, ctx)
        if not isinstance(reference, RegistryReference):
            self.fail(f"{value} is a file of this machine, not a place in a registry", param, ctx)
        if reference.digest is not None:
            self.fail(f"{value} names a digest, which only the content decides", param, ctx)
        return reference


class _CredentialsParam(click.ParamType[Credentials]):
    name = "user:password"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> Credentials:
        if isinstance(value, Credentials):
            return value
        username, colon, password = str(value).partition(":")
        if not (username and colon):
            self.fail("there is no colon between user and password", param, ctx)
        return Credentials(username=username, password=password)


@click.command("push")
@click.argument("file", type=click.Path(path_type=Path))
@click.argument("reference", type=_TargetParam())
@click.option(
    "--creds", type=_CredentialsParam(), envvar="KRUSTLET_REGISTRY_CREDS",
    help="Whom to push as; the variable is for passwords, as others may see command lines.  "
    "[default: as 'docker login' has kept it]",
)  # fmt: skip
@click.option(
    "--insecure-registries", type=NAMES, envvar="KRUSTLET_INSECURE_REGISTRIES", default="",
    help="Registries that need no valid certificate, and may speak plain HTTP.",
)  # fmt: skip
@click.option(
    "--registry-certs-dir", type=click.Path(path_type=Path, file_okay=False),
    envvar="KRUSTLET_REGISTRY_CERTS_DIR", help="CAs of registries: DIR/HOST:PORT/*.crt.",
)  # fmt: skip
@click.option(
    "-o", "--output", type=click.Choice(["text", "json"]), default="text",
    help="text: the image by its digest.  [default: text]",
)  # fmt: skip
@click.option("-q", "--quiet", is_flag=True, help="Show only the result, and errors.")
@click.option(
    "--log-level", type=click.Choice(LEVELS), envvar="KRUSTLET_LOG_LEVEL", default="error",
    show_default=True, help="What Krustlet says of its own work, on stderr.",
)  # fmt: skip
def command(
    file: Path,
    reference: RegistryReference,
    creds: Credentials | None,
    insecure_registries: tuple[str, ...],
    registry_certs_dir: Path | None,
    output: str,
    quiet: bool,
    log_level: str,
) -> None:
    """Push the module or component in FILE to a registry, as REFERENCE.

    \b
    krustlet push hello.wasm registry.example.com/greetings/hello:v1
    krustlet push hello.wasm localhost:5000/hello:v1 -o json | jq -r .digest

    It becomes an OCI artifact as the CNCF lays out: any runtime that knows those can run it.
    """
    set_up_logs(log_level)
    artifact = make_artifact(file.name, _read(file), created=datetime.now(UTC))
    settings = RegistrySettings(insecure=insecure_registries, certs_dir=registry_certs_dir)
    with _shown(file.name, artifact, quiet=quiet) as on_sent:
        asyncio.run(_push(artifact, reference, creds, settings, on_sent))
    _tell(reference, artifact, output)


async def _push(
    artifact: Artifact,
    reference: RegistryReference,
    creds: Credentials | None,
    settings: RegistrySettings,
    on_sent: Callable[[int], None],
) -> None:
    credentials = creds or await users_credentials(docker_config(os.environ), reference)
    async with Registry(settings) as registry:
        try:
            await Pusher(registry, reference, credentials).push(artifact, on_sent=on_sent)
        except AccessDenied as exc:
            raise PushDenied(
                exc.message,
                hint=f"sign in with 'docker login {reference.registry}', or set "
                "KRUSTLET_REGISTRY_CREDS=user:password; the user must be allowed to push there",
            ) from exc


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as exc:
        hint = did_you_mean_file(file) if isinstance(exc, FileNotFoundError) else ""
        raise ModuleUnreadable(f"cannot read {file}: {exc.strerror}", hint=hint) from exc


@contextlib.contextmanager
def _shown(name: str, artifact: Artifact, *, quiet: bool) -> Iterator[Callable[[int], None]]:
    """How far it is: a bar on a terminal, a line elsewhere."""
    size = artifact.layer[0].size
    if quiet or not is_terminal(sys.stderr):
        if not quiet:
            remark(f"Pushing {name} ({size} bytes)")
        yield lambda _: None
        return
    from rich.console import Console  # 50 ms of import: only for those who watch
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

    columns = (TextColumn("Pushing {task.description}"), BarColumn(), DownloadColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(name, total=size)
        yield lambda sent: progress.advance(task, sent)


def _tell(reference: RegistryReference, artifact: Artifact, output: str) -> None:
    pinned = msgspec.structs.replace(reference, digest=artifact.digest)
    if output == "text":
        click.echo(str(pinned))
        return
    layer, _ = artifact.layer
    said = {
        "reference": str(reference),
        "digest": artifact.digest,
        "image": str(pinned),
        "module": {"digest": layer.digest, "sizeBytes": layer.size},
    }
    click.echo(json.dumps(said))
