"""Read a kubeconfig: which server, whom it has to be, and who we are.

Leaves the form of the file to `kubeconfig_file.py`. What is written there and cannot be followed is
an error, never left out: a node that acted as somebody else would be worse than none.
"""

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import SplitResult, urlsplit

import msgspec

from krustlet.base import did_you_mean, did_you_mean_file
from krustlet.kube.config import KubeConfig
from krustlet.kube.credentials import (
    ClientCertificate,
    Credentials,
    FixedCredentials,
    Identity,
    TokenFile,
    basic,
    bearer,
    is_token,
)
from krustlet.kube.errors import KubeConfigError
from krustlet.kube.exec_plugin import API_VERSIONS, ClusterInfo, ExecPlugin, Plugin
from krustlet.kube.kubeconfig_file import Cluster, Exec, KubeConfigFile, User

T = TypeVar("T")

_LARGEST: Final = 16 << 20
_PROXY_SCHEMES: Final = ("http", "https")


def load_kubeconfig(path: Path, *, context: str = "") -> KubeConfig:
    """What the kubeconfig at `path` says about one server.

    Files that it names are looked for beside it. Those with certificates have to be readable and
    fit each other now; token and client certificate are read anew later, as they may be rotated.

    Args:
        path: YAML, or JSON.
        context: the name of one; empty: the file's current one.

    Raises:
        KubeConfigError: it is missing, unreadable or incomplete, or asks for what is not known.
    """
    return _Reader(path.absolute()).read(context)


class _Reader:
    """Reads one file; knows its name for the sake of errors."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self, context_name: str) -> KubeConfig:
        file = self._parsed()
        if not (name := context_name or file.current_context):
            raise self._error("it has no current-context", hint=_known_contexts(file))
        contexts = {one.name: one.context for one in file.contexts or ()}
        context = self._named("context", name, contexts)
        cluster = self._named(
            "cluster", context.cluster, {one.name: one.cluster for one in file.clusters or ()}
        )
        user = User()
        if context.user:
            users = {one.name: one.user or User() for one in file.users or ()}
            user = self._named("user", context.user, users)
        config = KubeConfig(
            server=self._server(cluster, context.cluster),
            ca=self._ca(cluster),
            credentials=self._credentials(user, context.user, cluster),
            origin=self._path,
            user_name=context.user,
            namespace=context.namespace,
            insecure_skip_verify=cluster.insecure_skip_tls_verify,
            tls_server_name=cluster.tls_server_name,
            proxy_url=self._proxy(cluster),
        )
        config.ssl_context(self._certificate(user, context.user))  # fails now, or not at all
        return config

    # the file ---------------------------------------------------------------------------------

    def _parsed(self) -> KubeConfigFile:
        import yaml  # here: a node reads one such file in its life

        try:
            with self._path.open("rb") as file:
                content = file.read(_LARGEST + 1)  # of a device, there may be no end
        except FileNotFoundError as exc:
            hint = did_you_mean_file(self._path) or "name one with --kubeconfig or KUBECONFIG"
            raise KubeConfigError(f"there is no kubeconfig {self._path}", hint=hint) from exc
        except OSError as exc:
            raise self._error(f"it cannot be read: {exc.strerror or exc}") from exc
        if len(content) > _LARGEST:
            raise self._error(f"it is longer than {_LARGEST >> 20} MiB")
        try:
            loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
            tree = yaml.load(content, loader)  # noqa: S506 - both loaders are safe ones
        except yaml.YAMLError as exc:
            # Not chained: it may quote the line, and with it a secret.
            raise self._error(f"it is no YAML{_place(exc)}") from None
        try:
            return msgspec.convert(tree, KubeConfigFile)
        except msgspec.ValidationError as exc:
            raise self._error(f"it is no kubeconfig: {exc}") from exc

    def _named(self, kind: str, name: str, known: Mapping[str, T]) -> T:
        if name not in known:
            hint = did_you_mean(name, known) or f"it has {', '.join(known) or 'none'}"
            raise self._error(f"it has no {kind} {name!r}", hint=hint)
        return known[name]

    def _beside(self, name: str) -> Path:
        return self._path.parent / name

    def _error(self, why: str, *, hint: str = "") -> KubeConfigError:
        return KubeConfigError(f"{self._path}: {why}", hint=hint)

    # the server -------------------------------------------------------------------------------

    def _server(self, cluster: Cluster, name: str) -> str:
        if not cluster.server:
            raise self._error(f"cluster {name!r} has no server")
        url = urlsplit(cluster.server)
        if url.scheme not in ("http", "https") or not url.hostname or not _has_port_or_none(url):
            raise self._error(
                f"the server of cluster {name!r} is no address: {cluster.server}",
                hint="write it like https://10.0.0.1:6443",
            )
        if url.username or url.password:
            raise self._error(
                f"the server of cluster {name!r} has a user in its address",
                hint="write username and password of the user instead",
            )
        return cluster.server.rstrip("/")

    def _ca(self, cluster: Cluster) -> bytes | None:
        found = self._inline_or_file(
            "certificate-authority",
            cluster.certificate_authority_data,
            cluster.certificate_authority,
        )
        return self._content(found) if isinstance(found, Path) else found

    def _proxy(self, cluster: Cluster) -> str:
        if cluster.proxy_url and urlsplit(cluster.proxy_url).scheme not in _PROXY_SCHEMES:
            raise self._error(
                "its proxy-url is of a kind that is not supported",
                hint=f"these are: {', '.join(_PROXY_SCHEMES)}",
            )
        return cluster.proxy_url

    # who we are -------------------------------------------------------------------------------

    def _credentials(self, user: User, name: str, cluster: Cluster) -> Credentials:
        """In client-go's order: token file, token, name and password, plugin."""
        if user.as_:
            raise self._error(
                f"user {name!r} acts as somebody else (`as`), which a node must not",
                hint="give it credentials of its own",
            )
        if user.auth_provider is not None:
            raise self._error(
                f"user {name!r} has an auth-provider, which Kubernetes gave up in 1.26",
                hint="use a credential plugin (`exec`) in its place",
            )
        certificate = self._certificate(user, name)
        if user.token_file:
            return TokenFile(self._beside(user.token_file), certificate)
        if user.token:
            if not is_token(token := user.token.strip()):
                raise self._error(f"the token of user {name!r} is none: a token is one word")
            return FixedCredentials(Identity(bearer(token), certificate))
        if user.username or user.password:
            header = basic(user.username, user.password)
            return FixedCredentials(Identity(header, certificate))
        if user.exec is not None and certificate is None:
            return ExecPlugin(self._plugin(user.exec, name, cluster))
        return FixedCredentials(Identity("", certificate))

    def _certificate(self, user: User, name: str) -> ClientCertificate | None:
        certificate = self._inline_or_file(
            "client-certificate", user.client_certificate_data, user.client_certificate
        )
        key = self._inline_or_file("client-key", user.client_key_data, user.client_key)
        if certificate is None and key is None:
            return None
        if certificate is None or key is None:
            missing = "client-certificate" if certificate is None else "client-key"
            raise self._error(f"user {name!r} lacks a {missing}, or {missing}-data")
        return ClientCertificate(certificate, key)

    def _plugin(self, told: Exec, name: str, cluster: Cluster) -> Plugin:
        if not told.command:
            raise self._error(f"the credential plugin of user {name!r} has no command")
        if told.api_version not in API_VERSIONS:
            raise self._error(
                f"the credential plugin of user {name!r} has apiVersion {told.api_version!r}",
                hint=f"known are {' and '.join(API_VERSIONS)}",
            )
        if told.interactive_mode == "Always":
            raise self._error(
                f"the credential plugin of user {name!r} wants to ask a person",
                hint="there is none at a node; use interactiveMode: Never",
            )
        is_path = "/" in told.command
        command = str(self._beside(told.command)) if is_path else told.command
        return Plugin(
            api_version=told.api_version,
            command=(command, *(told.args or ())),
            environment={one.name: one.value for one in told.env or ()},
            cluster=self._cluster_info(cluster) if told.provide_cluster_info else None,
            install_hint=told.install_hint,
        )

    def _cluster_info(self, cluster: Cluster) -> ClusterInfo:
        return ClusterInfo(
            server=cluster.server,
            tls_server_name=cluster.tls_server_name,
            insecure_skip_tls_verify=cluster.insecure_skip_tls_verify,
            certificate_authority_data=self._ca(cluster) or b"",
            proxy_url=cluster.proxy_url,
        )

    # what is inline or in a file --------------------------------------------------------------

    def _inline_or_file(self, key: str, inline: str, file: str) -> bytes | Path | None:
        if inline:
            try:
                return base64.b64decode("".join(inline.split()), validate=True)
            except ValueError:
                raise self._error(f"{key}-data is no base64") from None
        return self._beside(file) if file else None

    def _content(self, path: Path) -> bytes:
        try:
            return path.read_bytes()
        except OSError as exc:
            raise self._error(
                f"certificate-authority {path} cannot be read: {exc.strerror or exc}"
            ) from exc


def _has_port_or_none(url: SplitResult) -> bool:
    try:
        return url.port is None or url.port > 0
    except ValueError:
        return False


def _known_contexts(file: KubeConfigFile) -> str:
    names = ", ".join(one.name for one in file.contexts or ())
    return f"name one of its contexts: {names}" if names else "it has no contexts either"


def _place(exc: Any) -> str:
    mark = getattr(exc, "problem_mark", None)
    return f": see line {mark.line + 1}" if mark is not None else ""
