"""The configuration file: where it is, and what it says to which option.

Owns its two forms: Krustlet's own, which began as the original's, and the KubeletConfiguration of
upstream's kubelet. Leaves what a value means to the option, which reads it as it reads a flag.
"""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import msgspec

from krustlet.base import did_you_mean, did_you_mean_file
from krustlet.settings.cluster import DEFAULT_EVICTION_HARD
from krustlet.settings.document import Field, read_document
from krustlet.settings.errors import ConfigFileError
from krustlet.settings.file_values import value_for
from krustlet.settings.keys import KEYS, Key
from krustlet.settings.kubelet_fields import (
    API_VERSION,
    AS_HERE,
    FIELDS,
    KIND,
    REFUSED,
    ZEROS_COUNT,
)

_BESIDE_DATA: Final = ("config/config.yaml", "config/config.json")
_ORIGINAL: Final = ".krustlet/config/config.json"  # in the home directory, wherever the data is
_HEAD: Final = ("apiVersion", "kind")
_MERGE: Final = "mergeDefaultEvictionSettings"
_ZEROS: Final = ("", "0", "0s")
_FORMS: Final = f"a file is a {KIND}, or Krustlet's own, without kind and apiVersion"


class Place(msgspec.Struct, frozen=True):
    """Where a value stands in the file."""

    key: str
    line: int


class NoEffect(msgspec.Struct, frozen=True):
    """Something that the file says in vain.

    Attributes:
        why: empty where it is just not known here; else it was asked for something unsafe, and
            this is done instead.
    """

    key: str
    line: int
    why: str = ""


class ConfigFile(msgspec.Struct, frozen=True):
    """What a file says.

    Attributes:
        values: by option, in the shape that it takes beside text.
        places: of these values.
    """

    path: Path
    values: Mapping[str, Any]
    places: Mapping[str, Place]
    no_effect: tuple[NoEffect, ...] = ()


def find_config(data_dir: Path) -> Path | None:
    """The file that is read if none is named; None: there is none.

    Raises:
        ConfigFileError: nobody can say whether it is there.
    """
    candidates = [data_dir / name for name in _BESIDE_DATA]
    with suppress(RuntimeError):  # a user without a home
        candidates.append(Path.home() / _ORIGINAL)
    for path in candidates:
        try:
            path.stat()
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as exc:
            raise ConfigFileError(path, f"it cannot be read: {exc.strerror}") from exc
        return path
    return None


def read_config(path: Path) -> ConfigFile:
    """What the file says; its form is told by `kind`.

    Raises:
        ConfigFileError: it cannot be read, or says something that nobody understands.
    """
    if not path.exists():
        hint = did_you_mean_file(path)
        raise ConfigFileError(path, "there is no such file", hint=hint)
    fields = read_document(path)
    if _is_of_kubelet(path, fields):
        return _of_kubelet(path, fields)
    return _own(path, fields)


def _is_of_kubelet(path: Path, fields: Mapping[str, Field]) -> bool:
    wanted = {"kind": KIND, "apiVersion": API_VERSION}
    given = {name: fields[name] for name in _HEAD if name in fields}
    for name, field in given.items():
        if field.content != wanted[name]:
            message = f"{name}: {field.content!r} is not known; write {wanted[name]}"
            raise ConfigFileError(path, message, line=field.line, hint=_FORMS)
    for name in wanted.keys() - given.keys() if given else ():
        [field] = given.values()
        message = f"{name} is missing; write {name}: {wanted[name]}"
        raise ConfigFileError(path, message, line=field.line, hint=_FORMS)
    return bool(given)


# Krustlet's own -----------------------------------------------------------------------------------


def _own(path: Path, fields: Mapping[str, Field]) -> ConfigFile:
    known = {key.own: key for key in KEYS}
    said: dict[Key, Field] = {}
    for name, field in fields.items():
        if name not in known:
            hint = did_you_mean(name, known)
            if name in FIELDS:
                hint = (
                    f"{name} is a field of a {KIND}: such a file begins with "
                    f"`apiVersion: {API_VERSION}` and `kind: {KIND}`"
                )
            raise ConfigFileError(path, f"{name}: there is no such key", line=field.line, hint=hint)
        said[known[name]] = field
    return _config(path, said)


def _config(
    path: Path, said: Mapping[Key, Field], no_effect: tuple[NoEffect, ...] = ()
) -> ConfigFile:
    told = {key: field for key, field in said.items() if field.content is not None}
    return ConfigFile(
        path,
        values={key.option: value_for(path, field, key.shape) for key, field in told.items()},
        places={key.option: Place(field.key, field.line) for key, field in told.items()},
        no_effect=no_effect,
    )


# upstream's ---------------------------------------------------------------------------------------


def _of_kubelet(path: Path, fields: Mapping[str, Field]) -> ConfigFile:
    known = {key.kubelet: key for key in KEYS if key.kubelet}
    said: dict[Key, Field] = {}
    no_effect: list[NoEffect] = []
    for field in _leaves(path, fields, FIELDS):
        key = known.get(field.key)
        if key is None:
            no_effect += _remarks(field)
        elif field.key in ZEROS_COUNT or field.content not in _ZEROS:
            said[key] = field
    config = _config(path, said, tuple(no_effect))
    return _merged(_as_often(config), fields.get(_MERGE))


def _leaves(path: Path, fields: Mapping[str, Field], known: Mapping[str, Any]) -> Iterator[Field]:
    for name, field in fields.items():
        if name not in known:
            raise ConfigFileError(
                path,
                f"{field.key}: there is no such field in a {KIND}",
                line=field.line,
                hint=did_you_mean(name, known),
            )
        if known[name] is None:
            yield field
        elif isinstance(field.content, Mapping):
            yield from _leaves(path, field.content, known[name])
        elif field.content is not None:
            message = f"{field.key}: keys are wanted: {', '.join(known[name])}"
            raise ConfigFileError(path, message, line=field.line)


def _remarks(field: Field) -> Iterator[NoEffect]:
    if field.key in (*_HEAD, _MERGE):
        return
    word = field.content.lower() if field.content in ("True", "False") else field.content
    refused = REFUSED.get(field.key)
    if refused is not None and isinstance(word, str) and refused.asks(word):
        yield NoEffect(field.key, field.line, refused.words)
    elif word and word not in (*_ZEROS, AS_HERE.get(field.key, "false")):
        yield NoEffect(field.key, field.line)


def _as_often(config: ConfigFile) -> ConfigFile:
    """Who says how often the status is looked at, and no more, has it told as often.

    Source: kubernetes pkg/kubelet/apis/config/v1beta1/defaults.go.
    """
    looked, told = "status_every_s", "report_every_s"
    if told in config.values or looked not in config.values:
        return config
    return msgspec.structs.replace(
        config,
        values={**config.values, told: config.values[looked]},
        places={**config.places, told: config.places[looked]},
    )


def _merged(config: ConfigFile, merge: Field | None) -> ConfigFile:
    """Without it, one threshold that is given does away with all that are not."""
    given = config.values.get("eviction_hard")
    if merge is None or merge.content not in ("true", "True") or not isinstance(given, Mapping):
        return config
    merged = {**DEFAULT_EVICTION_HARD, **given}
    return msgspec.structs.replace(config, values={**config.values, "eviction_hard": merged})
