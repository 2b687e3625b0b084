"""`krustlet attach`: this terminal becomes that of a container of the node on this machine."""

import contextlib
import sys
from pathlib import Path
from typing import Final

import click

from krustlet.cli.choice import chosen_container, chosen_pod, must_not_have_ended
from krustlet.cli.conversation import SUBPROTOCOL, Conversation, Detached, Ended, Keys
from krustlet.cli.interrupts import INTERRUPTED
from krustlet.cli.local_api import LocalApi
from krustlet.cli.node_options import DATA_DIR, NAMESPACE, complete_containers, complete_pods
from krustlet.cli.raw_terminal import has_terminal, raw_terminal
from krustlet.cli.sessions import exit_code_of
from krustlet.cli.words import begin_line, is_terminal, remark

_KEYS: Final = "Ctrl-P Ctrl-Q"
_SIGNAL: Final = "Ctrl-C"


@click.command("attach")
@click.argument("pod", shell_complete=complete_pods)
@click.option(
    "-c", "--container", default="", shell_complete=complete_containers,
    help="One of the pod's containers.",
)  # fmt: skip
@click.option("--no-stdin", is_flag=True, help="Only show what it prints.")
@NAMESPACE
@DATA_DIR
def command(pod: str, container: str, no_stdin: bool, namespace: str, data_dir: Path | None) -> int:
    """Show what a running container prints from now on, and let it read what is typed.

    It reads if its manifest says `stdin: true`, and has this terminal for its own if it says
    `tty: true`; there Ctrl-P Ctrl-Q leaves the container to itself, and without one Ctrl-C does.

    \b
    krustlet attach shell
    krustlet attach web -c main --no-stdin

    The exit code is the container's, or 0 if it was left.
    """
    api = LocalApi(data_dir)
    found = chosen_pod(api.pods(), namespace=namespace, name=pod)
    name = chosen_container(found, container)
    must_not_have_ended(found, name)
    spec = next(c for c in found.spec.all_containers() if c.name == name)
    stdin = spec.stdin and not no_stdin
    query = [("output", "1"), ("tty" if spec.tty else "error", "1"), ("exitCode", "1")]
    query += [("input", "1")] if stdin else []
    parts = ("attach", namespace, pod, found.uid, name)
    with contextlib.closing(
        api.converse(*parts, query=query, subprotocol=SUBPROTOCOL)
    ) as connection:
        conversation = Conversation(
            connection, stdin=stdin, tty=spec.tty, keys=Keys() if spec.tty and stdin else None
        )
        try:
            ended = _attached(conversation, f"{pod}/{name}", at_keys=spec.tty and stdin)
        except Detached:
            _say_left(conversation, f"{pod}/{name}")
            return 0
    return exit_code_of(
        ended,
        api.path,
        who=f"{pod}/{name}",
        otherwise=f"{name} goes on without it",
        is_mid_line=conversation.is_mid_line,
    )


def _attached(conversation: Conversation, who: str, *, at_keys: bool) -> Ended | None:
    """The whole of it; a person is told to what, and how to leave.

    Args:
        at_keys: whether it has this terminal for its own, if there is one.
    """
    is_raw = at_keys and has_terminal()
    if is_raw or is_terminal(sys.stderr):
        remark(f"attached to {who}; {_KEYS if is_raw else _SIGNAL} leaves it to itself")
    if is_raw:
        with raw_terminal():
            return conversation.run()
    try:
        return conversation.run()
    except KeyboardInterrupt as exc:
        if is_terminal(sys.stderr):
            begin_line()  # behind the ^C
            remark(f"left {who}")
        raise SystemExit(INTERRUPTED) from exc


def _say_left(conversation: Conversation, who: str) -> None:
    if conversation.is_mid_line:
        begin_line()
    remark(f"left {who}")
