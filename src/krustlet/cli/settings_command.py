"""Commands whose options may also come from a configuration file.

Owns when the file is read, and telling who it was that said something. Leaves what it says to
`krustlet.settings`, and what the options mean together to `resolution.py`.
"""

from pathlib import Path
from typing import Any, Final

import click
from click.core import ParameterSource

from krustlet.cli.node_values import CONFIG, Option
from krustlet.cli.words import show_error
from krustlet.settings import (
    ConfigFile,
    ConfigFileError,
    default_data_dir,
    find_config,
    read_config,
)

_ARGUMENTS: Final = f"{__name__}.arguments"
_FIRST: Final = ("config", "data_dir")  # which say where the file is


class FileRefused(click.ClickException):
    """The configuration file is wrong, which is as good as a wrong option."""

    exit_code = 2

    def __init__(self, error: ConfigFileError) -> None:
        """Say what `error` says."""
        super().__init__(error.message)
        self.hint = error.hint

    def show(self, file: Any = None) -> None:
        """On stderr, as all errors that are no matter of how the command is called."""
        show_error(self.message, self.hint)


class SettingsCommand(click.Command):
    """A command with `settings_options`: a flag wins over a variable, that over the file."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """As click, but with the file's values where it looks for other defaults.

        Raises:
            FileRefused: the file cannot be read.
        """
        if not ctx.resilient_parsing:  # a shell that completes wants no errors
            ctx.meta[_ARGUMENTS] = tuple(args)
            ctx.meta[CONFIG] = config = self._config(ctx, args)
            ctx.default_map = dict(config.values) if config is not None else {}
        return super().parse_args(ctx, args)

    def _config(self, ctx: click.Context, args: list[str]) -> ConfigFile | None:
        """The file, once it is known where it is."""
        said, rest, order = self.make_parser(ctx).parse_args(args=list(args))
        if rest or any(option.is_eager and not option.expose_value for option in order):
            return None  # another command follows, or a mistake; or help or version are asked for
        early = click.Context(self, info_name=ctx.info_name, parent=ctx.parent)
        for option in self.params:
            if option.name in _FIRST:
                option.handle_parse_result(early, said, [])
        named, data = (early.params[name] for name in _FIRST)
        try:
            if isinstance(named, Path):  # click has a value of its own for what nobody has said
                return read_config(named)
            path = find_config(data if isinstance(data, Path) else default_data_dir())
            return read_config(path) if path is not None else None
        except ConfigFileError as exc:
            raise FileRefused(exc) from exc


def config_of(ctx: click.Context) -> ConfigFile | None:
    """The file that was read for this command."""
    config: ConfigFile | None = ctx.meta.get(CONFIG)
    return config


def source_of(ctx: click.Context, name: str) -> tuple[str, str]:
    """Who has said the value of an option: `default`, `flag`, `environment` or `file`; and where:
    the flag, the variable, or path and line."""
    option = next(option for option in ctx.command.params if option.name == name)
    source = ctx.get_parameter_source(name)
    if source is ParameterSource.COMMANDLINE:
        is_no = ctx.params[name] is False and option.secondary_opts
        return "flag", (option.secondary_opts if is_no else _long(option.opts))[0]
    if source is ParameterSource.ENVIRONMENT and isinstance(option, Option):
        return "environment", option.variable() or ""
    config = config_of(ctx)
    if source is ParameterSource.DEFAULT_MAP and config is not None:
        return "file", f"{config.path}:{config.places[name].line}"
    return "default", ""


def parsed_again(ctx: click.Context) -> click.Context:
    """The same command line, with environment and file as they are now.

    Raises:
        click.ClickException: something in them is wrong by now.
    """
    return ctx.command.make_context(ctx.info_name, list(ctx.meta[_ARGUMENTS]), parent=ctx.parent)


def _long(names: list[str]) -> list[str]:
    return [name for name in names if name.startswith("--")] or names
