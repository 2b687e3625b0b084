"""The `krustlet` command itself: which commands there are, and what their errors look like."""

import sys
from collections.abc import Mapping
from typing import Any, Final

import click

from krustlet import __version__
from krustlet.base.errors import KrustletError
from krustlet.cli import streams
from krustlet.cli.interrupts import INTERRUPTED, leaving_at_once
from krustlet.cli.lazy_group import LazyGroup
from krustlet.cli.words import COMPLETE_VARIABLE, explained, show_error

_COMMANDS: Final[Mapping[str, str]] = {
    "attach": "attach",
    "bootstrap": "bootstrap",
    "completion": "completion",
    "config": "config",
    "exec": "execute",
    "join": "join",
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
_TARGETS: Final = (".wasm", ".wat", ".yaml", ".yml", ".json")


class _Commands(LazyGroup):
    """Knows what people mean who leave out `run`."""

    def advice(self, word: str) -> str:
        if word.endswith(_TARGETS):
            return f"Did you mean 'krustlet run {word}'?"
        return super().advice(word)


@click.group(
    cls=_Commands, modules=_COMMANDS, context_settings={"help_option_names": ["-h", "--help"]}
)
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
    sys.exit(_run(krustlet, _NAME, arguments, complete_var=COMPLETE_VARIABLE))


def wasi(arguments: list[str] | None = None) -> None:
    """Likewise, as the original's command of that name."""
    with leaving_at_once():
        streams.settle()
        from krustlet.cli.krustlet_wasi import command  # here: `krustlet` itself has no use for it
    sys.exit(_run(command, command.name, arguments))


def _run(
    command: click.Command, name: str | None, arguments: list[str] | None, **others: Any
) -> int:
    try:
        result: Any = command.main(
            arguments,
            prog_name=name,  # also as `python -m krustlet`
            standalone_mode=False,
            **others,
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
