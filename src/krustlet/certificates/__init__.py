"""The keys and certificates of a node: how it gets them, keeps them, and has them renewed.

Owns `<data>/pki` and the kubeconfig that a bootstrap writes. Leaves connections to `krustlet.kube`,
and showing the serving certificate to `krustlet.server`. Each name is loaded when it is first asked
for: the process that only reads a certificate does without any HTTP client.
"""

from typing import TYPE_CHECKING, Any

from krustlet.base.lazy import load_on_demand

if TYPE_CHECKING:
    from krustlet.certificates.apart import Apart, patiently
    from krustlet.certificates.approval import Announcer
    from krustlet.certificates.crafts import Crafting, NewOwnPair, here
    from krustlet.certificates.errors import (
        AnotherCluster,
        AnotherNode,
        BootstrapFileUnusable,
        BootstrapRefused,
        CertificatesError,
        CertificateUnfit,
        CertificateUnreadable,
        CraftFailed,
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
    "Apart",
    "BootstrapFileUnusable",
    "BootstrapRefused",
    "CertificateFacts",
    "CertificateUnfit",
    "CertificateUnreadable",
    "CertificatesError",
    "CraftFailed",
    "Crafting",
    "CredentialsExpired",
    "CredentialsMissing",
    "CredentialsUnusable",
    "Distrust",
    "Held",
    "Joining",
    "KeyExposed",
    "KubeConfigUnwritable",
    "NewOwnPair",
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
    "here",
    "is_lasting",
    "key_digest",
    "node_user",
    "patiently",
    "renewal_due",
    "request_facts",
    "request_pem",
    "requests_at",
    "serving_wanted",
    "write_kubeconfig",
]

_HOMES = {
    "Announcer": "approval",
    "AnotherCluster": "errors",
    "AnotherNode": "errors",
    "Apart": "apart",
    "BootstrapFileUnusable": "errors",
    "BootstrapRefused": "errors",
    "CertificateFacts": "facts",
    "CertificateUnfit": "errors",
    "CertificateUnreadable": "errors",
    "CertificatesError": "errors",
    "CraftFailed": "errors",
    "Crafting": "crafts",
    "CredentialsExpired": "errors",
    "CredentialsMissing": "errors",
    "CredentialsUnusable": "errors",
    "Distrust": "trust",
    "Held": "store",
    "Joining": "joining",
    "KeyExposed": "errors",
    "KubeConfigUnwritable": "errors",
    "NewOwnPair": "crafts",
    "Purpose": "wanted",
    "RequestDenied": "errors",
    "RequestFacts": "facts",
    "RequestFailed": "errors",
    "RequestForbidden": "errors",
    "RequestRefused": "errors",
    "Requests": "ports",
    "RequestsApi": "ports",
    "Rotator": "rotation",
    "ServerUntrusted": "errors",
    "Signing": "signing",
    "Store": "store",
    "StoreUnreadable": "errors",
    "StoreUnwritable": "errors",
    "StoredCredentials": "identity",
    "Wanted": "wanted",
    "client_wanted": "wanted",
    "clock_hint": "trust",
    "credentials_for": "joining",
    "distrust": "trust",
    "facts_of": "facts",
    "here": "crafts",
    "is_lasting": "ports",
    "key_digest": "facts",
    "node_user": "wanted",
    "patiently": "apart",
    "renewal_due": "terms",
    "request_facts": "facts",
    "request_pem": "wanted",
    "requests_at": "joining",
    "serving_wanted": "wanted",
    "write_kubeconfig": "kubeconfig",
}


def __getattr__(name: str) -> Any:
    return load_on_demand(__name__, _HOMES)(name)
