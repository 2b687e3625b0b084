"""How far a node has come on its way into the cluster, and what it lacks.

Pure: what was seen goes in, words come out.
"""

from collections.abc import Iterable, Mapping, Sequence

from krustlet.admin.verdict import purpose_of
from krustlet.certificates import Purpose, node_user
from krustlet.objects import CertificateSigningRequest, Node

APPROVED = "Approved"
_DENIED = "Denied"
_FAILED = "Failed"
_LOOK_THERE = "see what krustlet node says there"


def is_ready(node: Node) -> bool:
    """Whether its kubelet says so, and is heard of."""
    return any(one.type == "Ready" and one.status == "True" for one in node.status.conditions)


def is_settled(request: CertificateSigningRequest) -> bool:
    """Whether somebody has decided on it."""
    return any(request.condition(kind) is not None for kind in (APPROVED, _DENIED, _FAILED))


def is_refused(request: CertificateSigningRequest) -> bool:
    """Whether nothing comes of it."""
    return any(request.condition(kind) is not None for kind in (_DENIED, _FAILED))


def named(request: CertificateSigningRequest) -> str:
    """What to call it."""
    purpose = purpose_of(request)
    kinds = {Purpose.CLIENT: "client request", Purpose.SERVING: "serving request"}
    return f"{kinds[purpose] if purpose is not None else 'request'} {request.name}"


def serving_of(
    requests: Iterable[CertificateSigningRequest], node: str
) -> list[CertificateSigningRequest]:
    """The requests for serving certificates that the node itself has made, the latest last."""
    user = node_user(node)
    found = [
        one for one in requests if purpose_of(one) is Purpose.SERVING and one.spec.username == user
    ]
    return sorted(found, key=lambda one: one.metadata.creation_timestamp or "")


def missing(
    node: Node | None,
    requests: Sequence[CertificateSigningRequest],
    told: Mapping[str, str],
    *,
    name: str,
    server: str,
) -> tuple[str, str]:
    """What a node lacks that is not ready, and what can be done about it.

    Args:
        requests: those that are the node's, or pretend to be, the latest last.
        told: what was told of each, by uid.
        name: the node's.
        server: where it has to reach the API server.
    """
    if waiting := [one for one in requests if not is_settled(one)]:
        return _waits(waiting[-1], told)
    if node is not None:
        ready = next((one for one in node.status.conditions if one.type == "Ready"), None)
        said = ready.message if ready is not None else "it has told nothing of itself"
        return f"it is not ready: {said}", _LOOK_THERE
    if requests:
        return _after(requests[-1])
    return (
        "it has not asked for a certificate",
        "does krustlet run there, with the bootstrap file and "
        f"--node-name {name}, and does it reach {server}?",
    )


def missing_of_ready(
    serving: Sequence[CertificateSigningRequest], told: Mapping[str, str]
) -> tuple[str, str]:
    """Likewise of one that is ready, and has no serving certificate.

    Args:
        serving: its requests for one, the latest last.
    """
    if serving:
        return _waits(serving[-1], told)
    return "it has not asked for one yet", "wait for it: krustlet bootstrap --no-token --wait"


def _waits(request: CertificateSigningRequest, told: Mapping[str, str]) -> tuple[str, str]:
    why = told.get(request.metadata.uid, f"{named(request)} is not approved")
    return why, f"if it is right all the same: kubectl certificate approve {request.name}"


def _after(request: CertificateSigningRequest) -> tuple[str, str]:
    """What is missing once `request` is decided on, and there is no Node yet."""
    for kind, what in ((_DENIED, "was denied"), (_FAILED, "could not be signed")):
        if (condition := request.condition(kind)) is not None:
            why = f"{named(request)} {what}: {condition.message or condition.reason}"
            return why, f"to have it ask again: kubectl delete csr {request.name}"
    if not request.status.certificate:
        return (
            f"{named(request)} is approved, and nobody signs it",
            "does kube-controller-manager run, with --cluster-signing-cert-file?",
        )
    return "it has its certificate, and there is no Node yet", _LOOK_THERE
