"""What the programs of a control plane are told on their command lines.

Leaves running them to `cluster.py`, which also lets a test add flags: the last of a name wins.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from tests.support.authority import Authority, Identity, write_key

HOST: Final = "127.0.0.1"
_ANYWHERE: Final = "0.0.0.0"  # nobody is let in without a certificate
_ISSUER: Final = "https://kubernetes.default.svc.cluster.local"
_SERVICES: Final = "10.96.0.0/16"
_SERVER_NAMES: Final = (
    HOST,
    "localhost",
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
    "kubernetes.default.svc.cluster.local",
    "10.96.0.1",  # the first of `_SERVICES` is that of the service `kubernetes`
)
# A few tests at a time are no load, and waiting for the next token makes starts slow.
_NO_CLIENT_LIMITS: Final = {"kube-api-qps": 1000, "kube-api-burst": 2000}


class Pki(msgspec.Struct, frozen=True):
    """Every certificate and key that the programs are given."""

    ca: Identity
    apiserver: Identity
    to_kubelets: Identity
    service_accounts: Path

    @classmethod
    def create(cls, directory: Path, authority: Authority, also_at: Sequence[str]) -> "Pki":
        write_key(service_accounts := directory / "service-accounts.key")
        return cls(
            ca=Identity(authority.certificate, authority.key),
            apiserver=authority.issue("kube-apiserver", hosts=[*_SERVER_NAMES, *also_at]),
            # A kubelet asks who that is, and what they may do: all, as nothing grants them less.
            to_kubelets=authority.issue("kube-apiserver-kubelet-client", groups=["system:masters"]),
            service_accounts=service_accounts,
        )


def etcd(*, data: Path, port: int) -> list[str]:
    url = f"http://{HOST}:{port}"
    return _flags(
        {
            "name": "etcd",
            "data-dir": data,
            "listen-client-urls": url,
            "advertise-client-urls": url,
            "listen-peer-urls": f"http://{HOST}:0",  # it has no peers, but insists on listening
            "socket-reuse-port": True,
            "unsafe-no-fsync": True,  # a test survives no power cut, either
            "log-level": "warn",
        }
    )


def apiserver(pki: Pki, *, port: int, etcd_port: int, everywhere: bool) -> list[str]:
    return _flags(
        {
            "etcd-servers": f"http://{HOST}:{etcd_port}",
            "bind-address": _ANYWHERE if everywhere else HOST,
            "secure-port": port,
            "permit-port-sharing": True,
            # Loopback is no address for endpoints, and nothing here routes services anyway.
            "advertise-address": HOST,
            "endpoint-reconciler-type": "none",
            "service-cluster-ip-range": _SERVICES,
            "authorization-mode": "Node,RBAC",
            "enable-admission-plugins": "NodeRestriction",
            "enable-bootstrap-token-auth": True,
            "allow-privileged": True,
            "client-ca-file": pki.ca.certificate,
            "tls-cert-file": pki.apiserver.certificate,
            "tls-private-key-file": pki.apiserver.key,
            "kubelet-client-certificate": pki.to_kubelets.certificate,
            "kubelet-client-key": pki.to_kubelets.key,
            "kubelet-preferred-address-types": "InternalIP,Hostname",
            "service-account-issuer": _ISSUER,
            "service-account-key-file": pki.service_accounts,
            "service-account-signing-key-file": pki.service_accounts,
            "profiling": False,
        }
    )


def controller_manager(pki: Pki, kubeconfig: Path) -> list[str]:
    return _flags(
        {
            "kubeconfig": kubeconfig,
            "controllers": "*,bootstrapsigner,tokencleaner",  # the two are off by default
            "leader-elect": False,
            "secure-port": 0,
            "root-ca-file": pki.ca.certificate,
            "cluster-signing-cert-file": pki.ca.certificate,
            "cluster-signing-key-file": pki.ca.key,
            "service-account-private-key-file": pki.service_accounts,
            "profiling": False,
            **_NO_CLIENT_LIMITS,
        }
    )


def scheduler(kubeconfig: Path) -> list[str]:
    return _flags(
        {
            "kubeconfig": kubeconfig,
            "leader-elect": False,
            "secure-port": 0,
            "profiling": False,
            **_NO_CLIENT_LIMITS,
        }
    )


def _flags(values: dict[str, object]) -> list[str]:
    return [
        f"--{name}={str(value).lower() if isinstance(value, bool) else value}"
        for name, value in values.items()
    ]
