"""`krustlet config view`: each setting of a node, and who has said it."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import click
import msgspec
import yaml

from krustlet.cli.node_values import taints_text
from krustlet.cli.resolution import Both, resolve
from krustlet.cli.settings_command import SettingsCommand, config_of, source_of
from krustlet.cli.settings_options import settings_options
from krustlet.cli.settings_values import eviction_text
from krustlet.cli.words import remark
from krustlet.settings import KEYS, go_duration, kubelet_configuration, size_text

_GAP: Final = "   "
_EVICTION: Final = "evictionHard"
_FROM: Final = {"default": "default", "file": "", "flag": "flag ", "environment": "environment "}


class Row(msgspec.Struct, frozen=True):
    """A setting.

    Attributes:
        key: in Krustlet's own configuration file, which `value` could stand in, too.
        source: `default`, `flag`, `environment` or `file`.
        where: the flag, the variable, or path and line.
    """

    key: str
    value: Any
    source: str
    where: str = msgspec.field(name="from")


@click.command("view", cls=SettingsCommand)
@settings_options()
@click.option(
    "-o", "--output", type=click.Choice(["table", "json", "yaml", "kubelet"]), default="table",
    help="kubelet: as a KubeletConfiguration, which /configz shows, too.",
)  # fmt: skip
@click.pass_context
def command(ctx: click.Context, /, output: str, **_: Any) -> None:
    """Show each setting that `krustlet node` would have, and where it comes from.

    \b
    krustlet config view --config /etc/krustlet/config.yaml
    krustlet config view -o json | jq '.settings[] | select(.source != "default")'

    Takes the options of `krustlet node`, and starts nothing.
    """
    both = resolve(ctx, to_look_at=True)
    if output == "kubelet":
        click.echo(_yaml(kubelet_configuration(*both)), nl=False)
        return
    rows = _rows(ctx, both)
    if output == "table":
        click.echo(_table(rows))
        _tell_of_no_effect(ctx)
    else:
        answer = _answer(ctx, rows)
        text = json.dumps(answer, indent=2, ensure_ascii=False) + "\n"
        click.echo(text if output == "json" else _yaml(answer), nl=False)


def _rows(ctx: click.Context, both: Both) -> list[Row]:
    in_force = _in_force(ctx, both)
    rows = []
    for key in KEYS:
        source, where = source_of(ctx, key.option)
        rows.append(Row(key.own, _shown(key.option, in_force[key.option]), source, where))
    return sorted(rows, key=lambda row: row.key.lower())


def _in_force(ctx: click.Context, both: Both) -> Mapping[str, Any]:
    settings, cluster = both
    found = {
        **ctx.params,
        **msgspec.structs.asdict(settings),
        **msgspec.structs.asdict(cluster),
        "data_dir": settings.root,
        "pod_logs_dir": settings.logs,
        "pod_pids_limit": settings.pod_pids_limit or -1,
    }
    certificate, key = cluster.certificate or (None, None)
    return {**found, "cert_file": certificate, "private_key_file": key}


def _shown(option: str, value: Any) -> Any:
    """As it could stand in a file."""
    match option, value:
        case (("status_every_s" | "report_every_s"), _):
            return go_duration(value)
        case "log_max_bytes", _:
            return size_text(value)
        case "taints", _:
            return [taints_text([taint]) for taint in value]
        case "pod_users", (first, count):
            return f"{first}:{count}"
    match value:
        case Path():
            return str(value)
        case float():
            return int(value) if value.is_integer() else value
        case tuple():
            return list(value)
        case Mapping():
            return dict(value)
    return value


def _answer(ctx: click.Context, rows: list[Row]) -> dict[str, Any]:
    config = config_of(ctx)
    return {
        "file": str(config.path) if config is not None else None,
        "settings": [msgspec.to_builtins(row) for row in rows],
        "noEffect": [msgspec.to_builtins(it) for it in config.no_effect] if config else [],
    }


def _table(rows: list[Row]) -> str:
    cells = [
        ("KEY", "FROM", "VALUE"),
        *((row.key, _FROM[row.source] + row.where, _cell(row)) for row in rows),
    ]
    keys, places = (max(len(row[column]) for row in cells) for column in (0, 1))
    return "\n".join(
        f"{key:<{keys}}{_GAP}{where:<{places}}{_GAP}{value}" for key, where, value in cells
    )


def _cell(row: Row) -> str:
    """As the option takes it."""
    match row.value:
        case None:
            return "-"
        case bool() as is_so:
            return str(is_so).lower()
        case list() as words:
            return ",".join(map(str, words)) or "-"
        case dict() as signals if row.key == _EVICTION:
            return eviction_text(signals) or "-"
        case dict() as pairs:
            return ",".join(f"{key}={text}" for key, text in pairs.items()) or "-"
    return str(row.value) or "-"


def _tell_of_no_effect(ctx: click.Context) -> None:
    config = config_of(ctx)
    for vain in config.no_effect if config is not None else ():
        assert config is not None  # there are none without
        remark(f"{config.path}:{vain.line}: {vain.key} has no effect{_why(vain.why)}")


def _why(words: str) -> str:
    return f": {words}" if words else " here"


def _yaml(value: Any) -> str:
    text: str = yaml.safe_dump(value, sort_keys=False, allow_unicode=True)
    return text
