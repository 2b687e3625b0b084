"""Options that may also come from the environment, and the values of `krustlet node`'s."""

import ipaddress
import os
import re
from collections.abc import Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Final

import click
from click.core import ParameterSource

from krustlet.base import KrustletError
from krustlet.objects import ObjectMeta, Pod, PodSpec, Taint, validate

if TYPE_CHECKING:
    from krustlet.settings import ConfigFile

CONFIG: Final = f"{__name__}.config"
"""Where a context's `meta` keeps the configuration file that was read, if one was."""

_EFFECTS: Final = ("NoSchedule", "PreferNoSchedule", "NoExecute")
_TAINT: Final = re.compile(r"(?P<key>[^=:\s]+)(?:=(?P<value>[^=:\s]*))?:(?P<effect>\w+)")

_HOST_AND_PORT: Final = re.compile(r"(?:[A-Za-z0-9][A-Za-z0-9.-]*|\[[0-9A-Fa-f:.]+\])(?::[0-9]+)?")
_SCHEME: Final = re.compile(r"\A[A-Za-z][A-Za-z0-9+.-]*://")
_METADATA: Final = "metadata"
_LEAST_PIDS: Final = 2
_MOST_PIDS: Final = 1 << 22  # the kernel's PID_MAX_LIMIT


class Option(click.Option):
    """Where the environment or a file is to blame for a value, it says so."""

    def get_error_hint(self, ctx: click.Context | None) -> str:
        """What to call it in an error."""
        if ctx is not None and self.name is not None:
            source = ctx.get_parameter_source(self.name)
            if source is ParameterSource.ENVIRONMENT and (variable := self.variable()):
                return f"the environment's '{variable}'"
            config: ConfigFile | None = ctx.meta.get(CONFIG)
            if source is ParameterSource.DEFAULT_MAP and config is not None:
                place = config.places[self.name]
                return f"{config.path} line {place.line}: {place.key}"
        return click.Parameter.get_error_hint(self, ctx)  # that of an Option differs by version

    def variable(self) -> str | None:
        """The variable that is set, of those that it may come from."""
        names = [self.envvar] if isinstance(self.envvar, str) else self.envvar or ()
        return next((name for name in names if os.environ.get(name)), None)


option = partial(click.option, cls=Option, show_envvar=True)
"""An option whose help and errors name its variable, if it has one."""


class _Names(click.ParamType[tuple[str, ...]]):
    """`a,b`: blanks around a name and empty names are of no account."""

    name = "list"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, ...]:
        if isinstance(value, tuple):
            return value
        words = value if isinstance(value, list) else str(value).split(",")
        return tuple(word for word in map(str.strip, words) if word)


class _Addresses(_Names):
    """One address, or one of each family."""

    name = "ip[,ip]"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, ...]:
        words = super().convert(value, param, ctx)
        families = []
        for word in words:
            try:
                address = ipaddress.ip_address(word)
            except ValueError:
                self.fail(f"{word!r} is no IP address", param, ctx)
            # 0.0.0.0 and :: are taken: the address that the default route of their family has.
            if address.is_loopback or address.is_link_local or address.is_multicast:
                self.fail(f"{word} is no address that others can reach", param, ctx)
            families.append(address.version)
        if len(set(families)) != len(families):
            self.fail("at most one address of each family can be given", param, ctx)
        return words


class _Registries(_Names):
    """Hosts, as they stand before the first slash of an image."""

    name = "host:port[,…]"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, ...]:
        words = super().convert(value, param, ctx)
        for word in words:
            bare = _SCHEME.sub("", word).partition("/")[0]
            if _HOST_AND_PORT.fullmatch(word):
                continue
            if bare != word and _HOST_AND_PORT.fullmatch(bare):
                self.fail(f"{word!r} is more than a registry; write {bare}", param, ctx)
            self.fail(f"{word!r} is no registry; write host or host:port", param, ctx)
        return words


class _NodeName(click.ParamType[str]):
    """In lower case, as every kubelet has it."""

    name = "name"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> str:
        said = str(value).strip()
        name = said.lower()
        if _problem(name=name):
            self.fail(_problem(name=said), param, ctx)  # in the words that were typed
        return name


class _Labels(click.ParamType[dict[str, str]]):
    """`key=value,key`: a key alone has the empty value. Only what a node may give itself."""

    name = "key=value[,…]"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> dict[str, str]:
        labels = pairs_of(value, param, ctx)
        if problem := _problem(labels=labels):
            self.fail(problem, param, ctx)
        if labels:
            from krustlet.node import check_labels  # here, as `--help` needs none of that room

            try:
                check_labels(labels)
            except KrustletError as exc:
                self.fail(in_full(exc), param, ctx)
        return labels


def pairs_of(
    value: object, param: click.Parameter | None, ctx: click.Context | None
) -> dict[str, str]:
    """Of `key=value,key`, or as they are; what has no key is of no account."""
    if isinstance(value, dict):
        return value
    pairs = (word.partition("=") for word in NAMES.convert(value, param, ctx))
    return {key.strip(): text.strip() for key, _, text in pairs if key.strip()}


def in_full(exc: KrustletError) -> str:
    """What went wrong and what to do about it, where there is one line for both."""
    return f"{exc.message}; {exc.hint}" if exc.hint else exc.message


def _problem(*, name: str = "a", labels: Mapping[str, str] | None = None) -> str:
    """What is wrong with a Node's name or labels, first of all; a pod's follow the same rules."""
    pod = Pod(metadata=ObjectMeta(name=name, labels=labels or {}), spec=PodSpec())
    for problem in validate(pod):
        if str(problem.path).startswith(_METADATA):
            return f"{problem.message}; write {problem.hint}"
    return ""


class _Taints(click.ParamType[tuple[Taint, ...]]):
    """`key=value:Effect,key:Effect`, as the kubelet takes them."""

    name = "taints"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[Taint, ...]:
        if isinstance(value, tuple):
            return value  # they are taints already
        return tuple(self._taint(word, param, ctx) for word in NAMES.convert(value, param, ctx))

    def _taint(self, word: str, param: click.Parameter | None, ctx: click.Context | None) -> Taint:
        match = _TAINT.fullmatch(word)
        if match is None or match["effect"] not in _EFFECTS:
            self.fail(
                f"{word!r} is no taint; write key=value:Effect with one of {', '.join(_EFFECTS)}",
                param,
                ctx,
            )
        return Taint(key=match["key"], value=match["value"] or "", effect=match["effect"])


class _Pids(click.ParamType[int]):
    """A number; none or -1 for any."""

    name = "number"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        try:
            pids = int(str(value))
        except ValueError:
            self.fail(f"{value!r} is no whole number", param, ctx)
        if pids not in (-1, 0) and not _LEAST_PIDS <= pids <= _MOST_PIDS:
            text = (
                f"{value!r} is not in the range from {_LEAST_PIDS} to {_MOST_PIDS}: a container is "
                "one thread that runs the module, and one that waits for its files and sockets; or "
                "-1, for any"
            )
            self.fail(text, param, ctx)
        return pids


NAMES: Final = _Names()
ADDRESSES: Final = _Addresses()
REGISTRIES: Final = _Registries()
NODE_NAME: Final = _NodeName()
LABELS: Final = _Labels()
TAINTS: Final = _Taints()
PIDS: Final = _Pids()


def taints_text(taints: Iterable[Taint]) -> str:
    """As the command line takes them."""
    return ",".join(
        f"{taint.key}{'=' if taint.value else ''}{taint.value}:{taint.effect}" for taint in taints
    )
