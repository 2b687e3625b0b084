"""`krustlet push`: a module goes to a registry, from where nodes pull it."""

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import click
import msgspec

from krustlet.base import KrustletError, did_you_mean_file
from krustlet.base.logs import LEVELS, set_up_logs
from krustlet.cli.node_values import REGISTRIES, option
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

_TEXT: Final = ".wat"
_BINARY: Final = ".wasm"
_MAGIC: Final = b"\0asm"
_EPOCH: Final = "SOURCE_DATE_EPOCH"
_HUB: Final = "docker.io"
_OFFICIAL: Final = "library/"


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
            hint = exc.registry_hint or "write registry/repository:tag"
            self.fail(f"{exc.message}; {hint}", param, ctx)
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
@option(
    "--creds", type=_CredentialsParam(), envvar="KRUSTLET_REGISTRY_CREDS",
    help="Whom to push as. Others may see command lines: scripts should set the variable "
    "KRUSTLET_REGISTRY_CREDS instead.  [default: as 'docker login' has kept it]",
)  # fmt: skip
@option(
    "--insecure-registries", type=REGISTRIES, envvar="KRUSTLET_INSECURE_REGISTRIES", default="",
    help="Registries that need no valid certificate, and may speak plain HTTP: HOST:PORT[,…].",
)  # fmt: skip
@option(
    "--registry-certs-dir", type=click.Path(path_type=Path, file_okay=False, exists=True),
    envvar="KRUSTLET_REGISTRY_CERTS_DIR", help="CAs of registries: DIR/HOST:PORT/*.crt.",
)  # fmt: skip
@click.option(
    "-o", "--output", type=click.Choice(["text", "json"]), default="text",
    help="text: the image by its digest.  [default: text]",
)  # fmt: skip
@click.option("-q", "--quiet", is_flag=True, help="Show only the result, and errors.")
@option(
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
    """Push the module in FILE to a registry, as REFERENCE.

    FILE is a module or component (.wasm), or text (.wat), which is made into one first.

    \b
    krustlet push hello.wasm registry.example.com/greetings/hello:v1
    krustlet push hello.wasm localhost:5000/hello:v1 -o json | jq -r .digest

    It becomes an OCI artifact as the CNCF lays out: any runtime that knows those can run it.
    """
    set_up_logs(log_level)
    name, wasm = _module(file)
    artifact = make_artifact(name, wasm, created=_created(os.environ))
    settings = RegistrySettings(insecure=insecure_registries, certs_dir=registry_certs_dir)
    if not quiet:
        _remark_on_short(reference)
    with _shown(name, artifact, quiet=quiet) as on_sent:
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


def _module(file: Path) -> tuple[str, bytes]:
    """What is in `file` in binary form, and the name that this goes by."""
    data = _read(file)
    if file.suffix.lower() != _TEXT or data.startswith(_MAGIC):
        return file.name, data
    return file.with_suffix(_BINARY).name, _from_text(file.name, data)


def _from_text(name: str, text: bytes) -> bytes:
    import wasmtime  # a tenth of a second, and 20 MB: only for text

    from krustlet.wasm import ModuleInvalid

    try:
        return bytes(wasmtime.wat2wasm(text))
    except wasmtime.WasmtimeError as exc:
        raise ModuleInvalid(name, str(exc).strip()) from exc


def _created(environment: Mapping[str, str]) -> datetime:
    """What the artifact says it was made at: always the same, so that one module has one digest.

    Some readers insist on a time. Source: reproducible-builds.org, "SOURCE_DATE_EPOCH".
    """
    text = environment.get(_EPOCH) or "0"
    try:
        return datetime.fromtimestamp(int(text), UTC)
    except (ValueError, OverflowError, OSError) as exc:
        raise click.UsageError(f"{_EPOCH} is {text!r}, and no number of seconds") from exc


def _remark_on_short(reference: RegistryReference) -> None:
    """Whoever names no registry has Docker Hub's official images, where hardly anybody pushes."""
    if reference.registry == _HUB and reference.repository.startswith(_OFFICIAL):
        name = reference.repository.removeprefix(_OFFICIAL)
        remark(
            f"{name} means {reference}; for another registry name it, "
            f"as registry.example.com/{name}"
        )


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
