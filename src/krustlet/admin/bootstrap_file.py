"""The bootstrap file: a kubeconfig with a token, for a machine that is to be a node.

Owns its form, and keeping it. Leaves what makes the token good to `bootstrapping.py`.
"""

import asyncio
import ipaddress
import os
import stat
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import msgspec

from krustlet.admin.errors import FileInTheWay, FileUnwritable
from krustlet.admin.ports import Voice
from krustlet.admin.token import BootstrapToken
from krustlet.base import make_private_directory, write_atomically
from krustlet.kube import KubeConfig, KubeConfigError, kubeconfig_of, load_kubeconfig

# As the original's script called them.
_CLUSTER: Final = "kubernetes"
_USER: Final = "tls-bootstrap-token-user"
_BEARER: Final = "Bearer "
_ELSEWHERE: Final = "name another file with --output; - is stdout"
_OF_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """How an API server is reached, and who may vouch for it; see `KubeConfig`."""

    server: str
    ca: bytes | None = None
    insecure_skip_verify: bool = False
    tls_server_name: str = ""
    proxy_url: str = ""

    @classmethod
    def of(cls, config: KubeConfig, *, server: str = "") -> "Endpoint":
        """That of `config`, or `server` in its place."""
        return cls(
            server=server.rstrip("/") or config.server,
            ca=config.ca,
            insecure_skip_verify=config.insecure_skip_verify,
            tls_server_name=config.tls_server_name,
            proxy_url=config.proxy_url,
        )

    @property
    def is_loopback(self) -> bool:
        """Whether it leads to the machine that one is on, whichever that is."""
        host = urlsplit(self.server).hostname or ""
        try:
            address = ipaddress.ip_address(host)
        except ValueError:
            return host == "localhost" or host.endswith(".localhost")
        return address.is_loopback or address.is_unspecified


class BootstrapFile(msgspec.Struct, frozen=True):
    """What is in one."""

    endpoint: Endpoint
    token: BootstrapToken

    def content(self) -> bytes:
        """The file, as YAML."""
        return kubeconfig_of(
            self.endpoint,
            {"token": self.token.text},
            cluster_name=_CLUSTER,
            user_name=_USER,
            context=f"{_USER}@{_CLUSTER}",
        )


async def read(path: Path) -> BootstrapFile | None:
    """The bootstrap file at `path`; None if there is nothing.

    Raises:
        FileInTheWay: there is something else, or it cannot be read.
    """
    if (config := await asyncio.to_thread(_config_at, path)) is None:
        return None
    identity = await config.credentials.identity()
    token = BootstrapToken.parse(identity.authorization.removeprefix(_BEARER))
    if token is None:
        raise in_the_way(path, "which is a kubeconfig without a bootstrap token")
    return BootstrapFile(Endpoint.of(config), token)


def _config_at(path: Path) -> KubeConfig | None:
    if not os.path.lexists(path):
        return None
    try:
        return load_kubeconfig(path)
    except KubeConfigError as exc:
        raise in_the_way(path, f"which is no bootstrap file: {exc.message}") from exc


def in_the_way(path: Path, what: str) -> FileInTheWay:
    """What to say of a file that is not overwritten."""
    return FileInTheWay(
        f"there is {path} already, {what}",
        hint="name another file with --output, or overwrite it with --force",
    )


def write(path: Path, file: BootstrapFile) -> None:
    """The file is there, for this user alone, in place of what was.

    Raises:
        FileUnwritable: it cannot be kept; what was there stays.
    """
    try:
        make_private_directory(path.parent)
        write_atomically(path, file.content(), durable=True)
    except OSError as exc:
        raise FileUnwritable(
            f"{path} cannot be written: {exc.strerror or exc}",
            hint=_ELSEWHERE,
        ) from exc


def refuse_missing_directory(path: Path) -> None:
    """Return only if there is a directory for the file.

    Raises:
        FileUnwritable: there is none.
    """
    if not path.parent.is_dir():
        raise FileUnwritable(
            f"{path} cannot be written: there is no directory {path.parent}",
            hint=f"make it, or {_ELSEWHERE}",
        )


def keep_to_ourselves(path: Path, voice: Voice) -> None:
    """The file, which is there, is for its owner alone; if others could read it, that is told."""
    with path.open("rb") as file:
        about = os.fstat(file.fileno())
        if not about.st_mode & _OF_OTHERS:
            return
        is_ours = about.st_uid == os.geteuid()
        if is_ours:
            os.fchmod(file.fileno(), 0o600)
    what = "is for its owner alone now" if is_ours else "is another user's, who has to chmod it"
    voice.warn(
        f"{path} could be read by others, and holds a token: it {what}",
        "if somebody may have read it, make another token with --force",
    )
