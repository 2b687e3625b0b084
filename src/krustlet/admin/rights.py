"""What nodes have to be allowed before they can join, and what they may be.

Grants what is missing, and only that: a cluster of kubeadm's has it all, a bare one has nothing.

Source: kubernetes plugin/pkg/auth/authorizer/rbac/bootstrappolicy/policy.go; the documentation of
`TLS bootstrapping`.
"""

from collections.abc import Iterable
from typing import Final

import msgspec

from krustlet.admin.errors import may
from krustlet.admin.ports import Api, Voice
from krustlet.admin.token import BOOTSTRAPPERS, TOKEN_GROUP
from krustlet.kube import Forbidden, NotFound, PatchKind
from krustlet.objects import CLUSTER_ROLE_BINDINGS, ClusterRoleBinding

_GROUP_OF_RBAC: Final = "rbac.authorization.k8s.io"
_NODES: Final = "system:nodes"
_EVERYBODY: Final = "system:authenticated"


class Grant(msgspec.Struct, frozen=True, kw_only=True):
    """A ClusterRole for a group.

    Attributes:
        binding: what the binding is called, if it is ours.
        implied: further groups that everybody in `group` is in.
        purpose: as it follows "may not": `let nodes …`.
    """

    binding: str
    role: str
    group: str
    implied: frozenset[str]
    purpose: str

    def is_in(self, binding: ClusterRoleBinding) -> bool:
        """Whether that binding grants it already."""
        groups = {one.name for one in binding.subjects if one.kind == "Group"}
        granted = (binding.role_ref.kind, binding.role_ref.name) == ("ClusterRole", self.role)
        return granted and bool(groups & {self.group, *self.implied})


ASKING: Final = Grant(
    binding="krustlet:node-bootstrapper",
    role="system:node-bootstrapper",
    group=TOKEN_GROUP,
    implied=frozenset({BOOTSTRAPPERS, _EVERYBODY}),
    purpose="let machines with a token ask for certificates",
)
"""Without it, whoever shows a token may not even ask."""

APPROVED_AT_ONCE: Final = (
    Grant(
        binding="krustlet:node-auto-approve",
        role="system:certificates.k8s.io:certificatesigningrequests:nodeclient",
        group=TOKEN_GROUP,
        implied=frozenset({BOOTSTRAPPERS, _EVERYBODY}),
        purpose="have the first certificates of nodes approved at once",
    ),
    Grant(
        binding="krustlet:node-auto-approve-renewal",
        role="system:certificates.k8s.io:certificatesigningrequests:selfnodeclient",
        group=_NODES,
        implied=frozenset({_EVERYBODY}),
        purpose="have nodes' own client certificates renewed at once",
    ),
)
"""With these the cluster approves client certificates by itself. Serving ones it never does."""


async def ensure(api: Api, grants: Iterable[Grant], voice: Voice) -> list[str]:
    """All of `grants` hold; the names of the bindings that were made for it.

    Raises:
        RightsMissing: one does not, and we may not grant it.
        ApiError: the API server cannot be asked.
    """
    wanted = list(grants)
    try:
        there = (await api.list(CLUSTER_ROLE_BINDINGS)).items
    except NotFound:  # a cluster without RBAC: rights are somebody else's business there
        voice.warn("this cluster has no RBAC: whether nodes may ask for certificates is not known")
        return []
    except Forbidden as exc:
        if wanted != [ASKING]:
            with may("see ClusterRoleBindings"):
                raise
        voice.warn(
            f"this user may not see ClusterRoleBindings: {exc.message}",
            "clusters of kubeadm let nodes ask for certificates; in others an administrator has to",
        )
        return []
    made = []
    for grant in wanted:
        if not any(grant.is_in(binding) for binding in there):
            await _apply(api, grant)
            made.append(grant.binding)
            voice.say(f"ClusterRoleBinding {grant.binding} made: {grant.role} for {grant.group}")
    return made


async def _apply(api: Api, grant: Grant) -> None:
    binding = {
        "apiVersion": CLUSTER_ROLE_BINDINGS.api_version,
        "kind": CLUSTER_ROLE_BINDINGS.kind,
        "metadata": {"name": grant.binding},
        "roleRef": {"apiGroup": _GROUP_OF_RBAC, "kind": "ClusterRole", "name": grant.role},
        "subjects": [{"apiGroup": _GROUP_OF_RBAC, "kind": "Group", "name": grant.group}],
    }
    with may(grant.purpose):
        await api.patch(
            CLUSTER_ROLE_BINDINGS, grant.binding, binding, kind=PatchKind.APPLY, force=True
        )
