"""What `krustlet run TARGET` names: a manifest, a module, or an image."""

import os
import re
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from krustlet.base import KrustletError, did_you_mean_file
from krustlet.cli.text import is_text
from krustlet.cli.words import explained
from krustlet.objects import Container, ObjectMeta, Pod, PodSpec, with_defaults
from krustlet.sources import load_pods

_MANIFESTS: Final = (".yaml", ".yml", ".json")
_MODULES: Final = (".wasm", ".wat")
_STDIN: Final = "-"
_STDIN_DESCRIPTOR: Final = 0
_NAME_LENGTH: Final = 63
_MOST_CHARACTERS: Final = 16 << 20  # what an API server takes is a tenth of that
_FILE: Final = "file:"
_URL: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")


class TargetUnreadable(KrustletError):
    """There is nothing to read where the target says."""


class TargetMisspelt(KrustletError):
    """What it is meant to name is clear, and is named in another way."""


class ArgumentsUnexpected(KrustletError):
    """Arguments, where only a manifest may give them."""


class Target(msgspec.Struct, frozen=True):
    """Pods to run.

    Attributes:
        directory: that their relative image references begin at.
        is_made: of a module's or an image's name; else somebody wrote a manifest.
    """

    pods: tuple[Pod, ...]
    directory: Path
    is_made: bool = False


def is_stdin(target: str) -> bool:
    """Whether `target` is a manifest that somebody has yet to send us."""
    return target == _STDIN


def is_manifest(target: str) -> bool:
    """Whether `target` names a manifest, which takes no arguments."""
    return target == _STDIN or Path(target).suffix.lower() in _MANIFESTS


def may_be_a_file(target: str) -> bool:
    """Whether somebody who names an image that is not there may have meant a file."""
    return not (is_manifest(target) or os.path.lexists(target) or set(":@") & set(target))


def read_target(target: str, arguments: Sequence[str]) -> Target:
    """The pods that `target` stands for; each has a uid of its own.

    Raises:
        ArgumentsUnexpected: a manifest was given arguments.
        TargetMisspelt: it is a URL, or begins with `file:`.
        TargetUnreadable: the manifest cannot be read, or there is no such module.
        ManifestError: it can, and makes no sense.
    """
    _refuse_misspelt(target)
    here = _here()
    if not is_manifest(target):
        return Target((_with_uid(_pod_of(target, arguments)),), here, is_made=True)
    if arguments:
        raise ArgumentsUnexpected(
            f"{target} is a manifest, and takes no arguments: {' '.join(arguments)}",
            hint="write them into the container's args",
        )
    if is_stdin(target):
        name, directory = "<stdin>", here
        text = _read(_STDIN_DESCRIPTOR, name)
    else:
        name, directory = target, (here / target).parent
        text = _read(target, name)
    pods = load_pods(text, name=name)
    return Target(tuple(_with_uid(pod) for pod in pods), directory)


def _here() -> Path:
    try:
        return Path.cwd()
    except FileNotFoundError as exc:
        raise TargetUnreadable(
            "the current directory does not exist any more", hint="go to another one: cd ~"
        ) from exc


def _refuse_misspelt(target: str) -> None:
    if os.path.exists(target):
        return
    if target.startswith(_FILE):
        path = target.removeprefix(_FILE)
        raise TargetMisspelt(
            f"{target}: that is how a manifest names a file",
            hint=f"here it is: krustlet run {path}",
        )
    if _URL.match(target):
        raise TargetMisspelt(
            f"{target} is a URL, and nothing is run from one", hint=_instead(target)
        )


def _instead(url: str) -> str:
    if is_manifest(url):
        return f"curl -fL {url} | krustlet run -"
    if Path(url).suffix.lower() in _MODULES:
        return f"download it first: curl -fLO {url}"
    return f"an image is named without a scheme: {_URL.sub('', url, count=1)}"


def _read(file: str | int, name: str) -> str:
    """The text of a file, of which there may be no end."""
    try:
        with open(file, encoding="utf-8", closefd=isinstance(file, str)) as opened:
            text = opened.read(_MOST_CHARACTERS + 1)
    except OSError as exc:
        is_missing = isinstance(exc, FileNotFoundError)
        hint = did_you_mean_file(Path(name)) if is_missing else explained(exc)[1]
        raise TargetUnreadable(f"cannot read {name}: {exc.strerror}", hint=hint) from exc
    except UnicodeDecodeError as exc:
        raise TargetUnreadable(f"{name} is not UTF-8 text", hint="is it a manifest?") from exc
    if len(text) > _MOST_CHARACTERS:
        raise TargetUnreadable(
            f"{name} is larger than {_MOST_CHARACTERS >> 20} MiB", hint="is it a manifest?"
        )
    return text


def _pod_of(target: str, arguments: Sequence[str]) -> Pod:
    """A pod of one container that runs once, with everything else as Kubernetes defaults it."""
    if not is_text(target):
        raise TargetMisspelt(
            f"{target!r} is not UTF-8 text, as the names in a pod are", hint="rename it, or link it"
        )
    path = Path(target)
    is_file = path.suffix.lower() in _MODULES or path.exists()
    if is_file and not os.path.lexists(path):
        raise TargetUnreadable(f"no file {target}", hint=did_you_mean_file(path))
    name = _name_from(path.stem if is_file else target)
    container = Container(
        name=name, image=f"file:{target}" if is_file else target, args=tuple(arguments)
    )
    spec = PodSpec(containers=(container,), restart_policy="Never")
    return with_defaults(Pod(metadata=ObjectMeta(name=name), spec=spec))


def _name_from(text: str) -> str:
    """A DNS label that resembles `text`."""
    label = re.sub(r"[^a-z0-9]+", "-", text.lower())[:_NAME_LENGTH].strip("-")
    return label or "module"


def _with_uid(pod: Pod) -> Pod:
    metadata = msgspec.structs.replace(pod.metadata, uid=str(uuid.uuid4()))
    return msgspec.structs.replace(pod, metadata=metadata)
