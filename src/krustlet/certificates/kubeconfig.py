"""Write the kubeconfig of a node that has joined, and know it again.

Owns its form: the cluster as the bootstrap file has it, the node as a file that is rotated. Leaves
reading it to `krustlet.kube`, and when to write it to `joining.py`.
"""

import re
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec
import structlog

from krustlet.base import write_atomically
from krustlet.certificates.errors import KubeConfigUnwritable
from krustlet.kube import KubeConfig, kubeconfig_of

_NAME: Final = "krustlet"
"""Of cluster, user and context, as the original Krustlet named them."""

_LARGEST: Final = 1 << 20  # by far, of those that are written here

_CERTIFICATE: Final = re.compile(
    rb"-----BEGIN CERTIFICATE-----(.+?)-----END CERTIFICATE-----", re.DOTALL
)
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO

log = structlog.get_logger(__name__)


def write_kubeconfig(path: Path, *, cluster: KubeConfig, certificate: Path) -> None:
    """`path` says how to reach the cluster, as whoever has `certificate`; nobody else can read it.

    Args:
        cluster: where it is and how to know it; whom it makes us is left out.
        certificate: PEM of a certificate and its key, in one.

    Raises:
        KubeConfigUnwritable: it cannot be kept; what was there stays.
    """
    file = str(certificate.absolute())
    user = {"client-certificate": file, "client-key": file}
    content = kubeconfig_of(cluster, user, cluster_name=_NAME, user_name=_NAME, context=_NAME)
    try:
        write_atomically(path, content, durable=True)
    except OSError as exc:
        raise KubeConfigUnwritable(path, exc.strerror or str(exc)) from exc


class _Named(msgspec.Struct, frozen=True):
    name: str = ""


class _Names(msgspec.Struct, frozen=True, rename="kebab"):
    clusters: Sequence[_Named] = ()
    users: Sequence[_Named] = ()
    contexts: Sequence[_Named] = ()
    current_context: str = ""


def is_written_here(path: Path) -> bool:
    """Whether a bootstrap wrote the kubeconfig: this one's, or the original Krustlet's."""
    import yaml

    try:
        with path.open("rb") as file:
            names = msgspec.convert(yaml.safe_load(file.read(_LARGEST)), _Names)
    except (OSError, yaml.YAMLError, msgspec.ValidationError):
        return False
    ours = (_Named(_NAME),)
    found = (tuple(names.clusters), tuple(names.users), tuple(names.contexts))
    return found == (ours, ours, ours) and names.current_context == _NAME


def is_same_cluster(one: KubeConfig, other: KubeConfig) -> bool:
    """Whether both trust an authority in common: the address of a cluster may change.

    Where one of them names no authority, the address is all there is to go by.
    """
    if one.ca is None or other.ca is None:
        return one.server == other.server
    return bool(_authorities(one.ca) & _authorities(other.ca))


def _authorities(pem: bytes) -> frozenset[bytes]:
    return frozenset(b"".join(body.split()) for body in _CERTIFICATE.findall(pem))


def warn_if_exposed(path: Path) -> None:
    """Say so if others can read or change a file that lets its reader in."""
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
    except OSError:
        return  # whoever reads it finds out why
    if mode & _OTHERS:
        log.warning(
            "join.file_exposed", file=str(path), mode=f"{mode:04o}", hint=f"chmod 600 {path}"
        )
