"""Write kubeconfig files that need no other file."""

import base64
from pathlib import Path

import yaml

from tests.support.authority import Identity


def write_kubeconfig(
    path: Path, *, server: str, ca: Path, user: str, credentials: Identity | str
) -> Path:
    """A kubeconfig at `path` with which `user` is let in at `server`.

    Args:
        credentials: a client certificate, or a token.
    """
    if isinstance(credentials, Identity):
        secret = {
            "client-certificate-data": _encoded(credentials.certificate),
            "client-key-data": _encoded(credentials.key),
        }
    else:
        secret = {"token": credentials}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {
                "name": "test",
                "cluster": {"server": server, "certificate-authority-data": _encoded(ca)},
            }
        ],
        "users": [{"name": user, "user": secret}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": user}}],
        "current-context": "test",
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600)
    path.write_text(yaml.safe_dump(config, sort_keys=False))
    return path


def _encoded(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()
