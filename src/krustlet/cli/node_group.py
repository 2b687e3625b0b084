"""`krustlet node` as a group: it is a node by itself, and has commands below it."""

from collections.abc import Iterator

import click
from click.core import ParameterSource

from krustlet.cli.lazy_group import LazyGroup
from krustlet.cli.settings_command import SettingsCommand


class NodeGroup(LazyGroup, SettingsCommand):
    """Options before a command below are that command's, if it has them."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click, but nothing that stands before the command's name is lost.

        Raises:
            click.UsageError: there is no such command, or it has no such option.
        """
        name, found, rest = super().resolve_command(ctx, args)
        if found is None or ctx.resilient_parsing:
            return name, found, rest
        return name, found, [*self._handed_on(ctx, found), *rest]

    def _handed_on(self, ctx: click.Context, found: click.Command) -> Iterator[str]:
        known = {option.name: option for option in found.params}
        for option in self.params:
            if ctx.get_parameter_source(option.name or "") is not ParameterSource.COMMANDLINE:
                continue
            theirs = known.get(option.name)
            if not isinstance(theirs, click.Option) or theirs.is_flag or theirs.multiple:
                raise click.UsageError(
                    f"{max(option.opts, key=len)} does not go with '{ctx.command_path} "
                    f"{found.name}'",
                    ctx,
                )
            yield f"{max(theirs.opts, key=len)}={ctx.params[option.name]}"
