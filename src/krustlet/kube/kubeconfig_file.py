"""The form of a kubeconfig: what can be written in it, as far as we are concerned.

Leaves what it means to `kubeconfig.py`.
Source: client-go tools/clientcmd/api/v1/types.go.
"""

from collections.abc import Sequence
from typing import Any

import msgspec


class Part(msgspec.Struct, frozen=True, kw_only=True, rename="kebab"):
    """A piece of the file; unknown keys are none of our business, and no secret is in a repr."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}(…)"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return []


class Cluster(Part, frozen=True, kw_only=True):
    server: str = ""
    certificate_authority: str = ""
    certificate_authority_data: str = ""
    insecure_skip_tls_verify: bool = False
    tls_server_name: str = ""
    proxy_url: str = ""


class Variable(Part, frozen=True, kw_only=True):
    name: str
    value: str = ""


class Exec(Part, frozen=True, kw_only=True, rename="camel"):
    command: str = ""
    args: Sequence[str] | None = None
    env: Sequence[Variable] | None = None
    api_version: str = ""
    install_hint: str = ""
    provide_cluster_info: bool = False
    interactive_mode: str = ""


class User(Part, frozen=True, kw_only=True):
    client_certificate: str = ""
    client_certificate_data: str = ""
    client_key: str = ""
    client_key_data: str = ""
    token: str = ""
    token_file: str = msgspec.field(default="", name="tokenFile")
    username: str = ""
    password: str = ""
    exec: Exec | None = None
    auth_provider: Any = None
    as_: str = msgspec.field(default="", name="as")


class Context(Part, frozen=True, kw_only=True):
    cluster: str = ""
    user: str = ""
    namespace: str = ""


class NamedCluster(Part, frozen=True, kw_only=True):
    name: str
    cluster: Cluster = Cluster()


class NamedUser(Part, frozen=True, kw_only=True):
    name: str
    user: User | None = None


class NamedContext(Part, frozen=True, kw_only=True):
    name: str
    context: Context = Context()


class KubeConfigFile(Part, frozen=True, kw_only=True):
    clusters: Sequence[NamedCluster] | None = None
    users: Sequence[NamedUser] | None = None
    contexts: Sequence[NamedContext] | None = None
    current_context: str = ""
