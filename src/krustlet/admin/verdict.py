"""Whether a request for a certificate is what it should be, for one node.

Pure: requests and what is known of the node go in, a verdict comes out. Leaves getting the one and
carrying out the other to `approving.py`.

An approval cannot be taken back: so all that is not exactly as nodes ask is left to a person.

Source: kubernetes pkg/apis/certificates/helpers.go.
"""

import ipaddress
from collections.abc import Mapping, Set
from typing import Final

import msgspec

from krustlet.admin.token import BOOTSTRAPPERS, token_id_of
from krustlet.certificates import (
    CertificatesError,
    Purpose,
    RequestFacts,
    node_user,
    request_facts,
)
from krustlet.objects import (
    CLIENT_SIGNER,
    SERVING_SIGNER,
    CertificateSigningRequest,
    Node,
)

_NODES: Final = "system:nodes"
_DIGITAL_SIGNATURE: Final = "digital signature"
_FOR_RSA: Final = "key encipherment"
_EXTENDED: Final = {Purpose.CLIENT: "client auth", Purpose.SERVING: "server auth"}
_PURPOSES: Final = {CLIENT_SIGNER: Purpose.CLIENT, SERVING_SIGNER: Purpose.SERVING}


class Expected(msgspec.Struct, frozen=True, kw_only=True):
    """Whose requests are waited for, and what is known of him.

    Attributes:
        node: its name.
        token_id: the only token that it may show; empty: any.
        object: its Node, if there is one yet.
        elsewhere: addresses and names that others have, in lower case, and who that is.
        keys: of the machines that ask to be it, or were let in just now, see `client_key`.
    """

    node: str
    token_id: str = ""
    object: Node | None = None
    elsewhere: Mapping[str, str] = {}
    keys: Set[str] = frozenset()


class Approve(msgspec.Struct, frozen=True):
    """It is as it should be."""


class Later(msgspec.Struct, frozen=True):
    """It cannot be told yet."""

    why: str


class Leave(msgspec.Struct, frozen=True):
    """It is for a person to decide; `why` follows "left alone: "."""

    why: str


Verdict = Approve | Later | Leave


def purpose_of(request: CertificateSigningRequest) -> Purpose | None:
    """What the certificate is to be shown as; None where nodes have no use for it."""
    return _PURPOSES.get(request.spec.signer_name)


def is_from(request: CertificateSigningRequest, expected: Expected) -> bool:
    """Whether it is the node's, or pretends to be: what others ask for is not our business."""
    if request.spec.username == node_user(expected.node):
        return True
    if expected.token_id and token_id_of(request.spec.username) == expected.token_id:
        return True
    facts = _facts(request)
    return facts is not None and facts.common_name == node_user(expected.node)


def judge(request: CertificateSigningRequest, expected: Expected) -> Verdict:
    """Whether to approve it; of one that `is_from` the node, and undecided."""
    purpose = purpose_of(request)
    if purpose is None:
        return Leave(f"its signer is {request.spec.signer_name}, which nodes do not ask")
    facts = _facts(request)
    if facts is None:
        return Leave("what it asks for cannot be read")
    if wrong := _wrong_in_form(request, facts, purpose, expected.node):
        return Leave(wrong)
    if purpose is Purpose.CLIENT:
        wrong = _wrong_in_bootstrap(request, expected)
        return Leave(wrong) if wrong else Approve()
    return _judge_serving(request, facts, expected)


def client_key(request: CertificateSigningRequest, expected: Expected) -> str:
    """Which machine asks to be the node, by its key; empty where it may not be."""
    facts = _facts(request)
    if facts is None or purpose_of(request) is not Purpose.CLIENT:
        return ""
    alone = msgspec.structs.replace(expected, keys=frozenset())
    return facts.key_digest if isinstance(judge(request, alone), Approve) else ""


def _facts(request: CertificateSigningRequest) -> RequestFacts | None:
    try:
        return request_facts(request.spec.request, where=request.name)
    except CertificatesError:
        return None


def _wrong_in_form(
    request: CertificateSigningRequest, facts: RequestFacts, purpose: Purpose, node: str
) -> str:
    if facts.common_name != node_user(node):
        return f"it is for {facts.common_name!r}, not for {node_user(node)!r}"
    if facts.organizations != (_NODES,):
        groups = ", ".join(facts.organizations) or "none"
        return f"its organisation has to be {_NODES} alone, and is {groups}"
    usages = {_DIGITAL_SIGNATURE, _EXTENDED[purpose]}
    if set(request.spec.usages) not in (usages, usages | {_FOR_RSA}):
        return f"its usages are {', '.join(request.spec.usages) or 'none'}"
    if facts.other_names:
        return f"it is also for {', '.join(facts.other_names)}"
    return ""


def _wrong_in_bootstrap(request: CertificateSigningRequest, expected: Expected) -> str:
    spec = request.spec
    token_id = token_id_of(spec.username)
    if not token_id or BOOTSTRAPPERS not in spec.groups:
        return f"{spec.username} asks for it, and not a machine with a bootstrap token"
    if expected.token_id and token_id != expected.token_id:
        return f"token {token_id} was shown for it, not {expected.token_id}"
    facts = _facts(request)
    if facts is None or facts.dns or facts.ips:
        return "a client's certificate is for no address, and this one is to be"
    if expected.keys - {facts.key_digest}:
        return (
            "another machine with the token asks to be this node, too, or it has lost its key; "
            "those that are denied do not count"
        )
    return ""


def _judge_serving(
    request: CertificateSigningRequest, facts: RequestFacts, expected: Expected
) -> Verdict:
    if request.spec.username != node_user(expected.node) or _NODES not in request.spec.groups:
        return Leave(f"{request.spec.username} asks for it, and not the node itself")
    wanted = (*facts.dns, *facts.ips)
    if not wanted:
        return Leave("it is for no address at all")
    for one in wanted:
        if (whose := expected.elsewhere.get(_canonical(one))) is not None:
            return Leave(f"{one} is also that of {whose}")
    if expected.object is None or not expected.object.status.addresses:
        return Later("what addresses the node has is not known yet")
    known = _known(expected.object)
    strange = [one for one in wanted if _canonical(one) not in known]
    return Leave(f"its Node does not have {', '.join(strange)}") if strange else Approve()


def _known(node: Node) -> frozenset[str]:
    """The names and addresses that a Node may ask a certificate for."""
    return frozenset({node.name, *addresses_of(node)})


def addresses_of(node: Node) -> frozenset[str]:
    """The names and addresses that a Node says it has, canonical."""
    return frozenset(_canonical(one.address) for one in node.status.addresses if one.address)


def _canonical(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return text.lower().rstrip(".")
