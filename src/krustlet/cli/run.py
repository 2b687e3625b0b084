"""`krustlet run`: pods in the foreground, without a cluster and without root."""

import asyncio
import contextlib
import fcntl
import os
import secrets
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import click
import msgspec

from krustlet.base import KrustletError, make_private_directory
from krustlet.base.logs import LEVELS, set_up_logs
from krustlet.cli.output import Output
from krustlet.cli.session import Outcome, Session
from krustlet.cli.target import ArgumentsUnexpected, Target, is_manifest, read_target
from krustlet.cli.words import remark
from krustlet.objects import Pod
from krustlet.settings import Settings, default_data_dir

_RUNS: Final = "runs"
_CACHE: Final = "cache"


class DataDirUnusable(KrustletError):
    """Nothing can be kept where the data directory is to be."""


class _RunCommand(click.Command):
    """Options may follow a manifest, as it takes no arguments; after a module all is its own."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the options; once more, wherever they stand, if the target is a manifest."""
        rest = super().parse_args(ctx, list(args))
        if ctx.params.get("arguments") and is_manifest(ctx.params["target"]):
            ctx.params.clear()
            ctx.allow_interspersed_args = True
            rest = super().parse_args(ctx, list(args))
        return rest


@click.command(
    "run",
    cls=_RunCommand,
    # All that follows a module is the guest's, flags included, as with `docker run`.
    context_settings={"allow_interspersed_args": False},
)
@click.argument("target")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@click.option(
    "-o", "--output", type=click.Choice(["text", "json"]), default="text",
    help="json: the pods with their last status go to stdout, what they print to stderr.",
)  # fmt: skip
@click.option(
    "-q", "--quiet", is_flag=True, help="Show only what the containers print, and errors."
)
@click.option(
    "--data-dir", type=click.Path(path_type=Path), envvar="KRUSTLET_DATA_DIR",
    help="Where to keep compiled modules.  [default: ~/.krustlet]",
)  # fmt: skip
@click.option("--provider", default="wasi", show_default=True, help="What runs the containers.")
@click.option(
    "--log-level", type=click.Choice(LEVELS), envvar="KRUSTLET_LOG_LEVEL", default="error",
    show_default=True, help="What Krustlet says of its own work, on stderr.",
)  # fmt: skip
def command(
    target: str,
    arguments: tuple[str, ...],
    output: str,
    quiet: bool,
    data_dir: Path | None,
    provider: str,
    log_level: str,
) -> int:
    """Run TARGET here, show what it prints, and end as it ends.

    TARGET is a pod manifest (.yaml, .yml, .json, or - for stdin), a module (.wasm, .wat) with its
    ARGUMENTS, or an image.

    \b
    krustlet run hello.wasm --greet world
    krustlet run pod.yaml -o json | jq .status.phase

    The exit code is that of the only container; with several, 1 if any of them failed. Ctrl-C
    ends the pod within its grace period, a second one at once.
    """
    set_up_logs(log_level)
    try:
        wanted = read_target(target, arguments)
    except ArgumentsUnexpected as exc:
        raise click.UsageError(f"{exc.message}; {exc.hint}") from exc
    with _run_directory(data_dir) as settings:
        settings = msgspec.structs.replace(settings, provider=provider)
        outcome = asyncio.run(_run(settings, wanted, output, quiet=quiet))
    _tell(outcome, output, quiet=quiet)
    return outcome.exit_code


async def _run(settings: Settings, target: Target, output: str, *, quiet: bool) -> Outcome:
    names = [c.name for pod in target.pods for c in pod.spec.all_containers()]
    if len(target.pods) > 1:
        names = [f"{p.name}/{c.name}" for p in target.pods for c in p.spec.all_containers()]
    stdout = sys.stdout if output == "text" else sys.stderr
    shown = Output(names, stdout=stdout, stderr=sys.stderr)
    return await Session(settings, target, shown, quiet=quiet).run()


@contextlib.contextmanager
def _run_directory(data_dir: Path | None) -> Iterator[Settings]:
    """Settings with a root of its own, which is gone afterwards; also if this process is killed:
    then the supervisor removes it, and the next run what even that left."""
    try:
        data = (data_dir or default_data_dir()).absolute()
        runs = make_private_directory(data / _RUNS)
        with _locked(runs):  # nobody sweeps between the making of a directory and its lock
            _sweep(runs)
            root = make_private_directory(runs / secrets.token_hex(8))
            lock = _lock(root)
    except (OSError, RuntimeError) as exc:
        raise DataDirUnusable(
            f"cannot keep anything in the data directory: {exc}",
            hint="name another one with --data-dir or KRUSTLET_DATA_DIR",
        ) from exc
    try:
        yield Settings(
            root=root,
            cache=data / _CACHE,
            logs=root / "logs",
            images=data / "images",
            ephemeral=True,
        )
    finally:
        os.close(lock)
        shutil.rmtree(root, ignore_errors=True)


def _sweep(runs: Path) -> None:
    """Remove what runs left that were killed together with their supervisor."""
    for run in runs.iterdir():
        with contextlib.suppress(BlockingIOError):  # it runs
            os.close(_lock(run, fcntl.LOCK_NB))
            shutil.rmtree(run, ignore_errors=True)


@contextlib.contextmanager
def _locked(directory: Path) -> Iterator[None]:
    lock = _lock(directory)
    try:
        yield
    finally:
        os.close(lock)


def _lock(directory: Path, flags: int = 0) -> int:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | flags)
    except BlockingIOError:
        os.close(descriptor)
        raise
    return descriptor


def _tell(outcome: Outcome, output: str, *, quiet: bool) -> None:
    if output == "json":
        click.echo(msgspec.json.format(_as_json(outcome.pods)).decode())
    elif not quiet:
        for pod in outcome.pods:
            remark(_ending(pod))


def _as_json(pods: tuple[Pod, ...]) -> bytes:
    if len(pods) == 1:
        return msgspec.json.encode(pods[0])
    return msgspec.json.encode({"apiVersion": "v1", "kind": "List", "items": pods})


def _ending(pod: Pod) -> str:
    """`pod hello: Succeeded`, and how each container ended that did not end well."""
    ends = []
    for container in pod.status.container_statuses:
        end = container.state.terminated
        if end is not None and (end.exit_code != 0 or end.reason != "Completed"):
            ends.append(f"{container.name}: {end.reason}, exit code {end.exit_code}")
        if container.restart_count:
            ends.append(f"{container.name}: {container.restart_count} restarts")
    phase = pod.status.phase or "not started"
    return f"pod {pod.name}: {phase}" + (f" ({'; '.join(ends)})" if ends else "")
