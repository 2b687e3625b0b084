"""The `krustlet` command itself: which commands there are, and what their errors look like."""

import sys
from collections.abc import Mapping
from importlib import import_module
from typing import Any, Final

import click

from krustlet import __version__
from krustlet.base.errors import KrustletError
from krustlet.cli import streams
from krustlet.cli.interrupts import INTERRUPTED, leaving_at_once
from krustlet.cli.words import COMPLETE_VARIABLE, explained, show_error

_COMMANDS: Final[Mapping[str, str]] = {
    "attach": "attach",
    "completion": "completion",
    "exec": "execute",
    "logs": "logs",
    "node": "node",
    "ps": "ps",
    "push": "push",
    "rm": "remove",
    "run": "run",
    "stop": "stop",
    "version": "version",
}
_NAME: Final = "krustlet"
_SENTENCE_LENGTH: Final = 200
_TARGETS: Final = (".wasm", ".wat", ".yaml", ".yml", ".json")


class _Commands(click.Group):
    """Commands imported when they are asked for: `krustlet version` loads no engine room."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        with leaving_at_once():
            module = import_module(f"krustlet.cli.{_COMMANDS[cmd_name]}")
        command = module.command
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Each command with a whole sentence, where click would cut it off at the line's end."""
        commands = {name: self.get_command(ctx, name) for name in self.list_commands(ctx)}
        rows = [
            (name, command.get_short_help_str(_SENTENCE_LENGTH))
            for name, command in commands.items()
            if command is not None
        ]
        with formatter.section("Commands"):
            formatter.write_dl(rows)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as exc:
            if args[0].endswith(_TARGETS):
                raise click.UsageError(
                    f"{exc.format_message()} Did you mean 'krustlet run {args[0]}'?", ctx
                ) from exc
            raise


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="%(prog)s %(version)s")
def krustlet() -> None:
    """Run WebAssembly as Kubernetes pods.

    \b
    krustlet run hello.wasm          a module, here and now
    krustlet run pod.yaml            a pod, without a cluster
    krustlet node                    be a node of a cluster
    krustlet exec -it web -- sh.wasm beside what runs there
    krustlet push hello.wasm registry.example.com/hello:v1
    """


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and end the process with its exit code."""
    with leaving_at_once():
        streams.settle()
    sys.exit(_run(arguments))


def _run(arguments: list[str] | None) -> int:
    try:
        result: Any = krustlet.main(
            arguments,
            prog_name=_NAME,  # also as `python -m krustlet`
            complete_var=COMPLETE_VARIABLE,
            standalone_mode=False,
        )
        return result if isinstance(result, int) else 0
    except click.ClickException as exc:
        exc.show()
        return exc.exit_code
    except KrustletError as exc:
        show_error(exc.message, exc.hint)
        return 1
    except OSError as exc:  # a full disk, a directory that is not ours: nobody could foresee where
        show_error(*explained(exc))
        return 1
    except streams.ReaderGone:
        return streams.SIGPIPE_CODE
    except (KeyboardInterrupt, click.Abort):
        return INTERRUPTED
