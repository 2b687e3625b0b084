"""Groups of commands that are imported when they are asked for."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any, Final

import click

from krustlet.base import did_you_mean
from krustlet.cli.interrupts import leaving_at_once

_SENTENCE_LENGTH: Final = 200


class LazyGroup(click.Group):
    """Commands imported when they are asked for: `krustlet version` loads no engine room."""

    def __init__(self, *arguments: Any, modules: Mapping[str, str], **others: Any) -> None:
        """Keep what it is given.

        Args:
            arguments: click's own.
            modules: of `krustlet.cli`, by the command that each has.
            others: click's own.
        """
        super().__init__(*arguments, **others)
        self._modules = modules

    def list_commands(self, ctx: click.Context) -> list[str]:
        """By name, in alphabetical order."""
        return sorted(self._modules)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name, if there is one."""
        if cmd_name not in self._modules:
            return None
        with leaving_at_once():
            module = import_module(f"krustlet.cli.{self._modules[cmd_name]}")
        command = module.command
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click, but who is told that there is no such command hears which one is near.

        Raises:
            click.UsageError: there is no such command.
        """
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as exc:
            if args[0].startswith("-") or not (advice := self.advice(args[0])):
                raise
            raise click.UsageError(f"{exc.format_message()} {advice}", ctx) from exc

    def advice(self, word: str) -> str:
        """A sentence for who has said `word`, which is no command; empty where there is none."""
        question = did_you_mean(word, self._modules)
        return question[:1].upper() + question[1:]

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
