"""`krustlet run`: pods in the foreground, without a cluster and without root."""

import asyncio
import contextlib
import os
import secrets
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import click
import msgspec
from click.shell_completion import CompletionItem

from krustlet.base import KrustletError, lock_directory, make_private_directory
from krustlet.base.logs import LEVELS, set_up_logs
from krustlet.cli.effects import settled
from krustlet.cli.endings import ending
from krustlet.cli.foreground import Foreground
from krustlet.cli.node_values import REGISTRIES, option
from krustlet.cli.output import Output
from krustlet.cli.plain_logs import set_up_plain_logs
from krustlet.cli.raw_terminal import has_terminal
from krustlet.cli.run_options import container_options, read_options, refuse_with_manifest
from krustlet.cli.session import Outcome, Session
from krustlet.cli.target import (
    ArgumentsUnexpected,
    Target,
    is_manifest,
    is_stdin,
    may_be_a_file,
    read_target,
)
from krustlet.cli.text import TEXT
from krustlet.cli.words import explained, is_terminal, remark
from krustlet.images import (
    ImageError,
    InvalidImageName,
    RegistryReference,
    docker_config,
    parse_reference,
)
from krustlet.kubelet import missing_walls, remove_run
from krustlet.objects import Pod
from krustlet.settings import DEFAULT_POD_USERS, Settings, default_data_dir

_USERS: Final = 1024  # of this machine, for the pods of one run
_RUNS: Final = "runs"
_CACHE: Final = "cache"


class DataDirUnusable(KrustletError):
    """Nothing can be kept where the data directory is to be."""


class RunBroken(KrustletError):
    """The system refuses what every run needs."""


class _DirectoryName(click.Path):
    """A directory that may have to be made; no name is none."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> str | bytes | os.PathLike[str]:
        if value == "":
            self.fail("is empty; '.' is the current directory", param, ctx)
        return super().convert(value, param, ctx)


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

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """All of them; for a shell that completes what follows a module, only the arguments."""
        params = super().get_params(ctx)
        target = ctx.params.get("target")
        if ctx.resilient_parsing and target and not is_manifest(target):
            return [param for param in params if param.name == "arguments"]
        return params


def _files(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Has the shell propose files."""
    return [CompletionItem(incomplete, type="file")]


@click.command(
    "run",
    cls=_RunCommand,
    # All that follows a module is the guest's, flags included, as with `docker run`.
    context_settings={"allow_interspersed_args": False},
)
@click.argument("target", shell_complete=_files)
@click.argument("arguments", nargs=-1, type=TEXT, shell_complete=_files)
@option(
    "-o", "--output", type=click.Choice(["text", "json"]), default="text",
    help="json: the pods with their last status go to stdout, what they print to stderr.",
)  # fmt: skip
@option("-q", "--quiet", is_flag=True, help="Show only what the containers print, and errors.")
@option("--verbose", is_flag=True, help="Also say which walls around a guest are missing.")
@option(
    "--data-dir", type=_DirectoryName(path_type=Path), envvar="KRUSTLET_DATA_DIR",
    help="Where to keep compiled modules.  [default: ~/.krustlet]",
)  # fmt: skip
@option(
    "--insecure-registries", type=REGISTRIES, envvar="KRUSTLET_INSECURE_REGISTRIES", default="",
    help="Registries that may be spoken to without TLS: HOST:PORT[,…].",
)  # fmt: skip
@option(
    "--registry-certs-dir", type=click.Path(path_type=Path, file_okay=False),
    envvar="KRUSTLET_REGISTRY_CERTS_DIR", help="CAs of registries: DIR/HOST:PORT/*.crt.",
)  # fmt: skip
@container_options
@option("--provider", default="wasi", show_default=True, help="What runs the containers.")
@option(
    "--log-level", type=click.Choice(LEVELS), envvar="KRUSTLET_LOG_LEVEL",
    help="Log Krustlet's own work on stderr, from this level up.",
)  # fmt: skip
def command(
    target: str,
    arguments: tuple[str, ...],
    output: str,
    quiet: bool,
    verbose: bool,
    data_dir: Path | None,
    insecure_registries: tuple[str, ...],
    registry_certs_dir: Path | None,
    provider: str,
    log_level: str | None,
    pids_limit: int | None,
    **of_container: Any,
) -> int:
    """Run TARGET here, show what it prints, and end as it ends.

    TARGET is a pod manifest (.yaml, .yml, .json, or - for stdin), a module (.wasm, .wat) with its
    ARGUMENTS, or an image. The options of `docker run` are for modules and images: a manifest says
    these things itself.

    \b
    krustlet run hello.wasm --greet world
    krustlet run -it --memory 64m -v .:/data shell.wasm
    krustlet run pod.yaml -o json | jq .status.phase

    The exit code is that of the only container; with several, 1 if any of them failed. Ctrl-C
    ends the pod within its grace period, a second one at once.
    """
    if log_level is None:
        set_up_plain_logs()
    else:
        set_up_logs(log_level)
    if is_stdin(target) and is_terminal(sys.stdin) and not quiet:
        remark("type or paste a manifest, then press Ctrl-D")
    try:
        wanted, foreground = _wanted(
            target, arguments, of_container, output, pids_limit=pids_limit, quiet=quiet
        )
    except ArgumentsUnexpected as exc:
        raise click.UsageError(f"{exc.message}; {exc.hint}") from exc
    if verbose:
        missing = [found.wall for found in missing_walls()]
        remark(f"walls missing here: {', '.join(missing) or 'none'}")
    with _run_directory(data_dir) as settings:
        settings = msgspec.structs.replace(
            settings,
            provider=provider,
            images=settings.images if _has_registry_images(wanted) else None,
            insecure_registries=insecure_registries,
            registry_certs_dir=registry_certs_dir,
            registry_config=docker_config(os.environ),
            pod_pids_limit=pids_limit if pids_limit and pids_limit > 0 else None,
            root_containers=True,  # whoever may be root here may have it so
        )
        try:
            outcome = asyncio.run(_run(settings, wanted, output, foreground, quiet=quiet))
        except ImageError as exc:
            if may_be_a_file(target):
                taken = f"no file {target} here, so it was taken for an image"
                exc.hint = f"{taken}; {exc.hint}" if exc.hint else taken
            raise
        except OSError as exc:  # whatever it is about, it lies below the run directory
            why, hint = explained(exc, where=settings.root)
            raise RunBroken(f"cannot run anything: {why}", hint=hint) from exc
    _tell(outcome, output, quiet=quiet)
    return outcome.exit_code


def _wanted(
    target: str,
    arguments: tuple[str, ...],
    given: dict[str, Any],
    output: str,
    *,
    pids_limit: int | None,
    quiet: bool,
) -> tuple[Target, Foreground | None]:
    """The pods to run; of a module or image as `given` says, and whether it has our streams."""
    if is_manifest(target):
        refuse_with_manifest(click.get_current_context(), target)
        return read_target(target, arguments), None
    options = read_options(given)
    if options.tty and output != "text":
        raise click.UsageError(
            "-t shows what it prints as it is, which goes with no other --output"
        )
    if options.tty and options.stdin and not has_terminal():
        remark("stdin is no terminal: going on without -t")
        options = msgspec.structs.replace(options, tty=False)
    read = read_target(target, arguments)
    options = settled(options, pids_limit=pids_limit, quiet=quiet)
    wanted = msgspec.structs.replace(read, pods=tuple(map(options.applied, read.pods)))
    has_streams = options.stdin or options.tty
    return wanted, Foreground(stdin=options.stdin, tty=options.tty) if has_streams else None


def _has_registry_images(target: Target) -> bool:
    """Whether anything has to be pulled; what is no image name at all is told of later."""
    for pod in target.pods:
        for container in pod.spec.all_containers():
            with contextlib.suppress(InvalidImageName):
                if isinstance(parse_reference(container.image), RegistryReference):
                    return True
    return False


async def _run(
    settings: Settings, target: Target, output: str, foreground: Foreground | None, *, quiet: bool
) -> Outcome:
    names = [c.name for pod in target.pods for c in pod.spec.all_containers()]
    if len(target.pods) > 1:
        names = [f"{p.name}/{c.name}" for p in target.pods for c in p.spec.all_containers()]
    stdout = sys.stdout if output == "text" else sys.stderr
    shown = Output(names, stdout=stdout, stderr=sys.stderr, needed=sys.stdout)
    return await Session(settings, target, shown, quiet=quiet, foreground=foreground).run()


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
            lock = lock_directory(root, wait=True)
    except (OSError, RuntimeError) as exc:
        why, hint = explained(exc) if isinstance(exc, OSError) else (str(exc), "")
        raise DataDirUnusable(
            f"cannot keep anything in the data directory: {why}",
            hint=hint or "name another one with --data-dir or KRUSTLET_DATA_DIR",
        ) from exc
    try:
        yield Settings(
            root=root,
            cache=data / _CACHE,
            logs=root / "logs",
            pod_users=_users_of(root),
            log_max_bytes=0,  # whoever reads slowly still gets all of it
            images=data / "images",
            ephemeral=True,
        )
    finally:
        os.close(lock)
        remove_run(root)


def _users_of(run: Path) -> tuple[int, int]:
    """Beside those of a node, and most likely of no other run's."""
    first, count = DEFAULT_POD_USERS
    share = 1 + int(run.name, 16) % (count - 1)
    return first + share * _USERS + count, _USERS


def _sweep(runs: Path) -> None:
    """Remove what runs left that were killed together with their supervisor."""
    for run in runs.iterdir():
        with contextlib.suppress(BlockingIOError):  # it runs
            os.close(lock_directory(run, wait=False))
            remove_run(run)


@contextlib.contextmanager
def _locked(directory: Path) -> Iterator[None]:
    lock = lock_directory(directory, wait=True)
    try:
        yield
    finally:
        os.close(lock)


def _tell(outcome: Outcome, output: str, *, quiet: bool) -> None:
    if output == "json":
        click.echo(msgspec.json.format(_as_json(outcome.pods)).decode())
    elif not quiet:
        for pod in outcome.pods:
            remark(ending(pod, stopped=pod.uid in outcome.stopped))


def _as_json(pods: tuple[Pod, ...]) -> bytes:
    if len(pods) == 1:
        return msgspec.json.encode(pods[0])
    return msgspec.json.encode({"apiVersion": "v1", "kind": "List", "items": pods})
