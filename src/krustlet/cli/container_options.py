"""The options of `krustlet node` that are about what containers may do and keep."""

from collections.abc import Callable
from typing import Any, Final, TypeVar

import click

from krustlet.cli.node_values import PIDS, option
from krustlet.cli.settings_values import Whole
from krustlet.objects import QuantityError, as_int
from krustlet.settings import (
    DEFAULT_LOG_MAX_BYTES,
    DEFAULT_LOG_MAX_FILES,
    DEFAULT_POD_USERS,
)

_Command = TypeVar("_Command", bound=Callable[..., Any])

_LEAST_LOG_BYTES: Final = 4096  # more than any line of a log takes that is not a piece of one
_LARGEST_ID: Final = 2**32 - 2  # the very last is no user's


class _Size(click.ParamType[int]):
    """A quantity, as `10Mi`."""

    name = "quantity"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        if isinstance(value, int):
            return value
        try:
            size = as_int(str(value))
        except QuantityError as exc:
            self.fail(f"{exc.message}; write a number of bytes, such as 10Mi", param, ctx)
        if size < _LEAST_LOG_BYTES:
            self.fail(f"{value} is less than {_LEAST_LOG_BYTES} bytes", param, ctx)
        return size


class _Users(click.ParamType[tuple[int, int]]):
    """`first:count`."""

    name = "first:count"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, int]:
        if isinstance(value, tuple):
            return value
        first, _, count = str(value).partition(":")
        if not (first.isdecimal() and count.isdecimal()):
            self.fail(f"{value!r} is no range; write the first number and how many", param, ctx)
        numbers = int(first), int(count)
        if numbers[0] < 1 or numbers[1] < 1 or sum(numbers) - 1 > _LARGEST_ID:
            self.fail(f"users are numbered from 1 to {_LARGEST_ID}", param, ctx)
        return numbers


class _Pair(click.ParamType[tuple[str, str]]):
    """`key=value`."""

    name = "key=value"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, str]:
        if isinstance(value, tuple):
            return value
        key, equals, text = str(value).partition("=")
        if not (key and equals):
            self.fail(f"{value!r} sets nothing; write key=value", param, ctx)
        return key, text


_OPTIONS: Final = (
    option(
        "--container-log-max-size", "log_max_bytes", type=_Size(), default=DEFAULT_LOG_MAX_BYTES,
        envvar="KRUSTLET_CONTAINER_LOG_MAX_SIZE",
        help="A container's log is begun anew when it has grown to this.  [default: 10Mi]",
    ),
    option(
        "--container-log-max-files", "log_max_files", type=Whole(min=2),
        default=DEFAULT_LOG_MAX_FILES, show_default=True,
        envvar="KRUSTLET_CONTAINER_LOG_MAX_FILES", help="How many files of a log are kept.",
    ),
    option(
        "--pod-max-pids", "pod_pids_limit", type=PIDS, default=-1,
        show_default=True, envvar="KRUSTLET_POD_MAX_PIDS",
        help="Processes and threads that a pod may have; -1 for any number.",
    ),
    option(
        "--pod-users", type=_Users(), default=DEFAULT_POD_USERS, envvar="KRUSTLET_POD_USERS",
        help="Users of this machine that pods run as, one each: the first, and how many.  "
        f"[default: {':'.join(map(str, DEFAULT_POD_USERS))}]",
    ),
    option(
        "--allow-root-containers", "root_containers", is_flag=True,
        envvar="KRUSTLET_ALLOW_ROOT_CONTAINERS",
        help="Let pods run as root if they say runAsUser: 0.",
    ),
    option(
        "--provider-option", "provider_options", type=_Pair(), multiple=True,
        help="Something that only the provider knows of; may be repeated.",
    ),
)  # fmt: skip


def container_options(command: _Command) -> _Command:
    """Give `command` these options."""
    for add in reversed(_OPTIONS):
        command = add(command)
    return command


def container_settings(given: dict[str, Any]) -> dict[str, Any]:
    """What `Settings` are told of them; takes them out of `given`."""
    pids = given.pop("pod_pids_limit")
    return {
        "pod_pids_limit": pids if pids > 0 else None,
        "provider_options": dict(given.pop("provider_options")),
        **{
            name: given.pop(name)
            for name in ("log_max_bytes", "log_max_files", "pod_users", "root_containers")
        },
    }
