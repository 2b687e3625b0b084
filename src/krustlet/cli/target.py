"""What `krustlet run TARGET` names: a manifest, a module, or an image."""

import re
import sys
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from krustlet.base import KrustletError, did_you_mean_file
from krustlet.objects import Container, ObjectMeta, Pod, PodSpec, with_defaults
from krustlet.sources import load_pods

_MANIFESTS: Final = (".yaml", ".yml", ".json")
_MODULES: Final = (".wasm", ".wat")
_STDIN: Final = "-"
_NAME_LENGTH: Final = 63


class TargetUnreadable(KrustletError):
    """There is nothing to read where the target says."""


class ArgumentsUnexpected(KrustletError):
    """Arguments, where only a manifest may give them."""


class Target(msgspec.Struct, frozen=True):
    """Pods to run, and the directory that their relative image references begin at."""

    pods: tuple[Pod, ...]
    directory: Path


def is_manifest(target: str) -> bool:
    """Whether `target` names a manifest, which takes no arguments."""
    return target == _STDIN or Path(target).suffix.lower() in _MANIFESTS


def read_target(target: str, arguments: Sequence[str]) -> Target:
    """The pods that `target` stands for; each has a uid of its own.

    Raises:
        ArgumentsUnexpected: a manifest was given arguments.
        TargetUnreadable: the manifest cannot be read.
        ManifestError: it can, and makes no sense.
    """
    if not is_manifest(target):
        return Target((_with_uid(_pod_of(target, arguments)),), Path.cwd())
    if arguments:
        raise ArgumentsUnexpected(
            f"{target} is a manifest, and takes no arguments: {' '.join(arguments)}",
            hint="write them into the container's args",
        )
    if target == _STDIN:
        text, name, directory = sys.stdin.read(), "<stdin>", Path.cwd()
    else:
        text, name, directory = _read(Path(target)), target, Path(target).absolute().parent
    pods = load_pods(text, name=name)
    return Target(tuple(_with_uid(pod) for pod in pods), directory)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as exc:
        hint = did_you_mean_file(path) if isinstance(exc, FileNotFoundError) else ""
        raise TargetUnreadable(f"cannot read {path}: {exc.strerror}", hint=hint) from exc
    except UnicodeDecodeError as exc:
        raise TargetUnreadable(f"{path} is not UTF-8 text", hint="is it a manifest?") from exc


def _pod_of(target: str, arguments: Sequence[str]) -> Pod:
    """A pod of one container that runs once, with everything else as Kubernetes defaults it."""
    path = Path(target)
    is_file = path.suffix.lower() in _MODULES or path.exists()
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
