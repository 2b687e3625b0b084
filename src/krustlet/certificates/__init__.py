"""The keys and certificates of a node: how it gets them, keeps them, and has them renewed.

Owns `<data>/pki` and the kubeconfig that a bootstrap writes. Leaves connections to `krustlet.kube`,
and showing the serving certificate to `krustlet.server`.
"""

from krustlet.certificates.approval import Announcer
from krustlet.certificates.errors import (
    AnotherCluster,
    AnotherNode,
    BootstrapFileUnusable,
    BootstrapRefused,
    CertificatesError,
    CertificateUnfit,
    CertificateUnreadable,
    CredentialsExpired,
    CredentialsMissing,
    CredentialsUnusable,
    KeyExposed,
    KubeConfigUnwritable,
    RequestDenied,
    RequestFailed,
    RequestForbidden,
    RequestRefused,
    ServerUntrusted,
    StoreUnreadable,
    StoreUnwritable,
)
from krustlet.certificates.facts import (
    CertificateFacts,
    RequestFacts,
    facts_of,
    key_digest,
    request_facts,
)
from krustlet.certificates.identity import StoredCredentials
from krustlet.certificates.joining import Joining, credentials_for, requests_at
from krustlet.certificates.kubeconfig import write_kubeconfig
from krustlet.certificates.ports import Requests, RequestsApi, is_lasting
from krustlet.certificates.rotation import Rotator
from krustlet.certificates.signing import Signing
from krustlet.certificates.store import Held, Store
from krustlet.certificates.terms import renewal_due
from krustlet.certificates.trust import Distrust, clock_hint, distrust
from krustlet.certificates.wanted import (
    Purpose,
    Wanted,
    client_wanted,
    node_user,
    request_pem,
    serving_wanted,
)

__all__ = [
    "Announcer",
    "AnotherCluster",
    "AnotherNode",
    "BootstrapFileUnusable",
    "BootstrapRefused",
    "CertificateFacts",
    "CertificateUnfit",
    "CertificateUnreadable",
    "CertificatesError",
    "CredentialsExpired",
    "CredentialsMissing",
    "CredentialsUnusable",
    "Distrust",
    "Held",
    "Joining",
    "KeyExposed",
    "KubeConfigUnwritable",
    "Purpose",
    "RequestDenied",
    "RequestFacts",
    "RequestFailed",
    "RequestForbidden",
    "RequestRefused",
    "Requests",
    "RequestsApi",
    "Rotator",
    "ServerUntrusted",
    "Signing",
    "Store",
    "StoreUnreadable",
    "StoreUnwritable",
    "StoredCredentials",
    "Wanted",
    "client_wanted",
    "clock_hint",
    "credentials_for",
    "distrust",
    "facts_of",
    "is_lasting",
    "key_digest",
    "node_user",
    "renewal_due",
    "request_facts",
    "request_pem",
    "requests_at",
    "serving_wanted",
    "write_kubeconfig",
]
