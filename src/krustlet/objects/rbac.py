"""Who may do what in the whole cluster: roles, bound to users and groups.

Source: kubernetes staging/src/k8s.io/api/rbac/v1/types.go.
"""

from typing import Final

from krustlet.objects.meta import ObjectMeta
from krustlet.objects.resource import Resource
from krustlet.objects.shape import Shape


class RoleRef(Shape, frozen=True, kw_only=True):
    """The role that is granted; it never changes."""

    api_group: str = ""
    kind: str = ""
    name: str = ""


class Subject(Shape, frozen=True, kw_only=True):
    """A `User`, a `Group` or a `ServiceAccount`."""

    kind: str = ""
    api_group: str = ""
    name: str = ""
    namespace: str = ""


class ClusterRoleBinding(Shape, frozen=True, kw_only=True, omit_defaults=False):
    api_version: str = "rbac.authorization.k8s.io/v1"
    kind: str = "ClusterRoleBinding"
    metadata: ObjectMeta = ObjectMeta()
    role_ref: RoleRef = RoleRef()
    subjects: tuple[Subject, ...] = ()


CLUSTER_ROLE_BINDINGS: Final = Resource(
    group="rbac.authorization.k8s.io",
    plural="clusterrolebindings",
    kind="ClusterRoleBinding",
    type=ClusterRoleBinding,
    namespaced=False,
)
