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
from krustlet.cgroups import CPU_PERIOD_US, MOST_MEMORY_BYTES, MOST_QUOTA_US
from krustlet.cli.text import TEXT, is_text
from krustlet.objects import Quantity

# Docker's own, go-units `RAMInBytes`: all of them count by 1024.
_MEMORY: Final = re.compile(
    r"(\d+(?:\.\d+)?) ?(?:([kmgtp])(?:b|ib?)?|b)?", re.IGNORECASE | re.ASCII
)
_UNITS: Final = " kmgtp"
# With less, the kernel ends the smallest of modules before it has begun, or not even makes the
# group; found by trial: 512k is too little for it, 1m is not.
_LEAST_MEMORY: Final = "4m"
_LEAST_MEMORY_BYTES: Final = 4 << 20
_MOST_MEMORY: Final = "8191p"
_MOST_CPUS: Final = MOST_QUOTA_US // CPU_PERIOD_US
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
        power = _UNITS.index((match[2] or " ").lower())
        size = Decimal(match[1]) * 1024**power
        if size < _LEAST_MEMORY_BYTES:
            text = f"{value!r} is less memory than a container needs, which is {_LEAST_MEMORY}"
            self.fail(text, param, ctx)
        if size > MOST_MEMORY_BYTES:
            text = f"{value!r} is more memory than can be counted, which is {_MOST_MEMORY}"
            self.fail(text, param, ctx)
        return Quantity(str(int(size)))


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
        if cpus > _MOST_CPUS:
            text = f"{value!r} are more processors than can be counted, which are {_MOST_CPUS}"
            self.fail(text, param, ctx)
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

    name = "HOST:GUEST[:ro]"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> Share:
        if isinstance(value, Share):
            return value
        host, found, rest = TEXT.convert(value, param, ctx).partition(":")
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
        return Share(TEXT.convert(path, param, ctx), guest, _MODES[mode])


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
    if not found and name not in ours:
        return {}
    if not (is_text(name) and is_text(value := value if found else ours[name])):
        raise click.UsageError(f"{where}: {name!r} or its value is not UTF-8 text")
    return {name: value}
