"""Values of `krustlet node`'s options, from the words of a command line."""

import ipaddress
import re
from collections.abc import Iterable
from typing import Final

import click

from krustlet.objects import Taint

_EFFECTS: Final = ("NoSchedule", "PreferNoSchedule", "NoExecute")
_TAINT: Final = re.compile(r"(?P<key>[^=:\s]+)(?:=(?P<value>[^=:\s]*))?:(?P<effect>\w+)")


class _Names(click.ParamType[tuple[str, ...]]):
    """`a,b`: blanks around a name and empty names are of no account."""

    name = "list"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, ...]:
        if isinstance(value, tuple):
            return value
        return tuple(word for word in map(str.strip, str(value).split(",")) if word)


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
            if address.is_loopback or address.is_unspecified or address.is_multicast:
                self.fail(f"{word} is no address that others can reach", param, ctx)
            families.append(address.version)
        if len(set(families)) != len(families):
            self.fail("at most one address of each family can be given", param, ctx)
        return words


class _Labels(click.ParamType[dict[str, str]]):
    """`key=value,key`: a key alone has the empty value."""

    name = "key=value[,…]"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> dict[str, str]:
        if isinstance(value, dict):
            return value
        pairs = (word.partition("=") for word in NAMES.convert(value, param, ctx))
        return {key.strip(): text.strip() for key, _, text in pairs if key.strip()}


class _Taints(click.ParamType[tuple[Taint, ...]]):
    """`key=value:Effect,key:Effect`, as the kubelet takes them."""

    name = "taints"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[Taint, ...]:
        if isinstance(value, tuple):
            return value
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


NAMES: Final = _Names()
ADDRESSES: Final = _Addresses()
LABELS: Final = _Labels()
TAINTS: Final = _Taints()


def taints_text(taints: Iterable[Taint]) -> str:
    """As the command line takes them."""
    return ",".join(f"{taint.key}={taint.value}:{taint.effect}" for taint in taints)
