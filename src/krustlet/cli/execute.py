"""`krustlet exec`: a command beside a container of the node on this machine."""

import contextlib
from pathlib import Path

import click

from krustlet.cli.choice import chosen_container, chosen_pod, must_not_have_ended
from krustlet.cli.conversation import SUBPROTOCOL, Conversation
from krustlet.cli.local_api import LocalApi
from krustlet.cli.node_options import DATA_DIR, NAMESPACE, complete_containers, complete_pods
from krustlet.cli.raw_terminal import has_terminal, raw_terminal
from krustlet.cli.sessions import exit_code_of
from krustlet.cli.text import TEXT
from krustlet.cli.words import remark


class _ExecCommand(click.Command):
    """Our options may follow the pod if `--` says where the command begins; else all that follows
    it is the command's."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        ctx.allow_interspersed_args = "--" in args
        return super().parse_args(ctx, args)


@click.command("exec", cls=_ExecCommand)
@click.argument("pod", shell_complete=complete_pods)
@click.argument("words", metavar="-- COMMAND…", nargs=-1, type=TEXT)
@click.option("-i", "--stdin", is_flag=True, help="Let the command read what comes to stdin.")
@click.option("-t", "--tty", is_flag=True, help="Give the command a terminal.")
@click.option(
    "-c", "--container", default="", shell_complete=complete_containers,
    help="One of the pod's containers.",
)  # fmt: skip
@NAMESPACE
@DATA_DIR
def command(
    pod: str,
    words: tuple[str, ...],
    stdin: bool,
    tty: bool,
    container: str,
    namespace: str,
    data_dir: Path | None,
) -> int:
    """Run COMMAND in the sandbox of a running container, and end as it ends.

    It is one more instance of the container's module, or of another one of its image that the
    first word names, with the container's environment and files.

    \b
    krustlet exec web -- web.wasm --version
    krustlet exec -it web -c shell -- sh.wasm

    The exit code is the command's; 126 if it could not be run.
    """
    if not words:
        raise click.UsageError("no command; write it after --: krustlet exec POD -- COMMAND…")
    if words[0].startswith("-"):
        raise click.UsageError(
            f"{words[0]} comes after the pod; our options go before it, or write -- where the "
            "command begins"
        )
    api = LocalApi(data_dir)
    found = chosen_pod(api.pods(), namespace=namespace, name=pod)
    name = chosen_container(found, container)
    must_not_have_ended(found, name)
    if tty and stdin and not has_terminal():
        remark("stdin is no terminal: going on without -t")
        tty = False
    wanted = [("command", word) for word in words]
    wanted += [("input", "1")] if stdin else []
    wanted += [("output", "1"), ("tty" if tty else "error", "1")]
    parts = ("exec", namespace, pod, found.uid, name)
    with (
        contextlib.closing(
            api.converse(*parts, query=wanted, subprotocol=SUBPROTOCOL)
        ) as connection,
        raw_terminal() if tty and stdin else contextlib.nullcontext(),
    ):
        conversation = Conversation(connection, stdin=stdin, tty=tty)
        ended = conversation.run()
    return exit_code_of(
        ended,
        api.path,
        who="command",
        otherwise="the command with it",
        is_mid_line=conversation.is_mid_line,
    )
