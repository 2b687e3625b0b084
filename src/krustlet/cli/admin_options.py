"""What commands share that an administrator calls: who he is to which cluster, and telling him."""

import os
import sys
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import click

from krustlet.base import KrustletError
from krustlet.cli.node_values import option
from krustlet.cli.words import coloured, on_one_line, remark
from krustlet.kube import KubeConfig, load_kubeconfig

_BOLD_YELLOW: Final = "1;33"
_CYAN: Final = "36"

FORMS: Final = ("text", "json")


class _Server(click.ParamType[str]):
    """`https://host:port`."""

    name = "url"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> str:
        text = str(value)
        if not _is_server(text):
            self.fail(
                f"{text!r} is no address of an API server, as https://10.0.0.1:6443", param, ctx
            )
        return text


def _is_server(text: str) -> bool:
    try:
        url = urlsplit(text)
        is_whole = bool(url.hostname) and url.port != 0
    except ValueError:
        return False
    return is_whole and url.scheme == "https" and not (url.username or url.password)


class _Output(click.ParamType[Path]):
    """A file, or `-`; no form, as other commands take by that option."""

    name = "file"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> Path:
        if str(value) in (*FORMS, "yaml", "table"):
            self.fail(
                f"{value} would be a file's name here; the form is chosen with -o", param, ctx
            )
        return Path(str(value))


SERVER: Final = _Server()
OUTPUT_FILE: Final = _Output()
ADMIN_KUBECONFIG: Final = option(
    "--kubeconfig", type=click.Path(path_type=Path, dir_okay=False), envvar="KUBECONFIG",
    help="Of an administrator of the cluster.  [default: ~/.kube/config]",
)  # fmt: skip
ADMIN_CONTEXT: Final = click.option(
    "--context", default="", help="One of its contexts.  [default: the current one]"
)


class KubeconfigUnclear(KrustletError):
    """It is not clear which cluster is meant."""


class Teller:
    """Tells an administrator, as he reads along, what is done for him."""

    def __init__(self, *, aside: bool) -> None:
        """Keep what it is given.

        Args:
            aside: whether stdout is for something else.
        """
        self._aside = aside

    def say(self, text: str) -> None:
        """A line of what was done."""
        if self._aside:
            remark(on_one_line(text))
        else:
            click.echo(on_one_line(text))

    def warn(self, text: str, hint: str = "") -> None:
        """A line of what is not as one would think, on stderr in any case."""
        click.echo(
            f"{coloured('warning:', _BOLD_YELLOW, sys.stderr)} {on_one_line(text)}", err=True
        )
        if hint:
            click.echo(f"{coloured('hint:', _CYAN, sys.stderr)} {on_one_line(hint)}", err=True)


def admin_config(named: Path | None, context: str) -> KubeConfig:
    """The cluster, and who we are to it.

    Raises:
        KubeConfigError: the kubeconfig cannot be used.
        KubeconfigUnclear: several are named.
    """
    path = named or Path.home() / ".kube" / "config"
    if not path.exists() and os.pathsep in str(path):
        path = _one_of(str(path).split(os.pathsep))
    return load_kubeconfig(path, context=context)


def _one_of(names: list[str]) -> Path:
    """KUBECONFIG may list several, which kubectl puts together."""
    there = [name for name in names if name and Path(name).exists()]
    if len(there) != 1:
        raise KubeconfigUnclear(
            f"KUBECONFIG names several files: {', '.join(there or names)}",
            hint="name one with --kubeconfig; kubectl config view --flatten makes one of them",
        )
    return Path(there[0])
