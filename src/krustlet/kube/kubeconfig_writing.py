"""Write a kubeconfig: one cluster, and whoever is to be shown to it.

Leaves reading one to `kubeconfig.py`, and where it is kept to whoever asks.
"""

import base64
from collections.abc import Mapping
from typing import Any, Protocol


class Endpoint(Protocol):
    """How an API server is reached, and who may vouch for it; see `KubeConfig`."""

    @property
    def server(self) -> str: ...
    @property
    def ca(self) -> bytes | None: ...
    @property
    def insecure_skip_verify(self) -> bool: ...
    @property
    def tls_server_name(self) -> str: ...
    @property
    def proxy_url(self) -> str: ...


def kubeconfig_of(
    endpoint: Endpoint, user: Mapping[str, str], *, cluster_name: str, user_name: str, context: str
) -> bytes:
    """The file, as YAML, with nothing in another file but what `user` says.

    Args:
        user: its credentials, by the keys that they have in such a file.
        context: the name of the only one.
    """
    import yaml  # here: a node writes one such file in its life

    file = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": cluster_name, "cluster": _cluster(endpoint)}],
        "users": [{"name": user_name, "user": dict(user)}],
        "contexts": [{"name": context, "context": {"cluster": cluster_name, "user": user_name}}],
        "current-context": context,
    }
    return yaml.safe_dump(file, sort_keys=False).encode()


def _cluster(endpoint: Endpoint) -> dict[str, Any]:
    told: dict[str, Any] = {"server": endpoint.server}
    if endpoint.ca is not None:
        told["certificate-authority-data"] = base64.b64encode(endpoint.ca).decode()
    if endpoint.insecure_skip_verify:
        told["insecure-skip-tls-verify"] = True
    if endpoint.tls_server_name:
        told["tls-server-name"] = endpoint.tls_server_name
    if endpoint.proxy_url:
        told["proxy-url"] = endpoint.proxy_url
    return told
