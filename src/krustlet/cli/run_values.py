"""Values of the options that `krustlet run` has in common with `docker run`. Pure, but for files
that they name."""

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Final, NamedTuple

import click

from krustlet.base import did_you_mean_file
from krustlet.objects import Quantity

# Docker's own, go-units `RAMInBytes`: all of them count by 1024.
_MEMORY: Final = re.compile(r"(\d+(?:\.\d+)?) ?([kmgtp]?)(?:i?b)?", re.IGNORECASE | re.ASCII)
_UNITS: Final = " kmgtp"
_USER: Final = re.compile(r"([0-9]{1,10})(?::([0-9]{1,10}))?", re.ASCII)
_LARGEST_ID: Final = 2**31 - 1
_MODES: Final = {"": False, "rw": False, "ro": True}
_ENV_NAME: Final = re.compile(r"[^=\s][^=]*")


class User(NamedTuple):
    """Numbers, as a container has no list of users."""

    uid: int
    gid: int | None


class Share(NamedTuple):
    """A directory or file of this machine, and where the guest finds it."""

    host: str
    guest: str
    read_only: bool


class _Memory(click.ParamType[Quantity]):
    """`512m`, `1.5g`, `64MiB`, `1000`: bytes, by powers of 1024."""

    name = "bytes"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> Quantity:
        match = _MEMORY.fullmatch(str(value))
        if match is None:
            self.fail(f"{value!r} is no amount of memory, such as 64m or 1.5g", param, ctx)
        power = _UNITS.index(match[2].lower() or " ")
        size_bytes = int(Decimal(match[1]) * 1024**power)
        if size_bytes < 1:
            self.fail(f"{value!r} is no memory at all", param, ctx)
        return Quantity(str(size_bytes))


class _Cpus(click.ParamType[Quantity]):
    """`0.5`, `2`: processors."""

    name = "number"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> Quantity:
        try:
            cpus = Decimal(str(value))
        except InvalidOperation:
            cpus = Decimal(0)
        if not cpus.is_finite() or cpus <= 0:
            self.fail(f"{value!r} is no number of processors, such as 0.5 or 2", param, ctx)
        return Quantity(f"{math.ceil(cpus * 1000)}m")


class _User(click.ParamType[User]):
    """`1000`, `1000:1000`."""

    name = "uid[:gid]"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> User:
        match = _USER.fullmatch(str(value))
        if match is None:
            self.fail(f"{value!r} is no number of a user, such as 1000 or 1000:1000", param, ctx)
        user = User(int(match[1]), int(match[2]) if match[2] else None)
        if max(user.uid, user.gid or 0) > _LARGEST_ID:
            self.fail(f"{value!r} is larger than any user's number", param, ctx)
        return user


class _Share(click.ParamType[Share]):
    """`HOST:GUEST`, `HOST:GUEST:ro`."""

    name = "host:guest[:ro]"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> Share:
        if isinstance(value, Share):
            return value
        host, found, rest = str(value).partition(":")
        guest, _, mode = rest.partition(":")
        if not (host and found and guest.startswith("/")):
            text = f"{value!r} names no two places; write HOST:GUEST, GUEST with a / before it"
            self.fail(text, param, ctx)
        if mode not in _MODES:
            self.fail(f"{value!r} ends in {mode!r}; it can be ro, or rw", param, ctx)
        path = Path(host).expanduser().absolute()
        if not path.exists():
            hint = did_you_mean_file(Path(host)) or "it has to be there: named volumes are not kept"
            self.fail(f"{host}: no such file or directory; {hint}", param, ctx)
        return Share(str(path), guest, _MODES[mode])


MEMORY: Final = _Memory()
CPUS: Final = _Cpus()
USER: Final = _User()
SHARE: Final = _Share()


def environment(
    files: Iterable[Path], words: Iterable[str], ours: Mapping[str, str]
) -> Mapping[str, str]:
    """What the guest finds in its environment: of the files, then of `words`, the last counts.

    Args:
        words: `NAME=value`, or `NAME` for the value that it has in `ours`, if it has one.

    Raises:
        UsageError: a file cannot be read, or something is none of these.
    """
    found: dict[str, str] = {}
    for file in files:
        for where, line in _lines(file):
            found.update(_variable(line, ours, where=where))
    for word in words:
        found.update(_variable(word, ours, where="--env"))
    return found


def _lines(file: Path) -> Iterator[tuple[str, str]]:
    """The lines that say something, each with its place; as `docker run --env-file` reads them."""
    try:
        text = file.read_text(encoding="utf-8-sig")
    except OSError as exc:
        hint = did_you_mean_file(file) if isinstance(exc, FileNotFoundError) else ""
        why = f"{exc.strerror}; {hint}" if hint else exc.strerror
        raise click.UsageError(f"--env-file {file}: {why}") from exc
    except UnicodeDecodeError as exc:
        raise click.UsageError(f"--env-file {file} is not UTF-8 text") from exc
    for number, line in enumerate(text.splitlines(), start=1):
        if (begun := line.lstrip()) and not begun.startswith("#"):
            yield f"{file}:{number}", begun


def _variable(word: str, ours: Mapping[str, str], *, where: str) -> Mapping[str, str]:
    name, found, value = word.partition("=")
    if _ENV_NAME.fullmatch(name) is None:
        raise click.UsageError(f"{where}: {word!r} names no variable; write NAME=value")
    if "\0" in value:
        raise click.UsageError(f"{where}: the value of {name} has a zero byte in it")
    if found:
        return {name: value}
    return {name: ours[name]} if name in ours else {}
