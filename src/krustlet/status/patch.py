"""The change of a pod's status as a strategic merge patch. Pure.

Only what this node owns is ever named: what others write into a status (a readiness gate, the
quality of service, a nomination) is neither sent nor cleared.

Source: kubernetes pkg/kubelet/status/status_manager.go; the merge keys are those of
k8s.io/api/core/v1, `PodStatus`.
"""

from collections.abc import Iterable
from typing import Any, Final

import msgspec

from krustlet.objects import PodCondition, PodStatus

Patch = dict[str, Any]

# Attribute and JSON name. Lists of container statuses are replaced as a whole.
_OWNED: Final = tuple(
    (field.name, field.encode_name)
    for field in msgspec.structs.fields(PodStatus)
    if field.name
    in {
        "observed_generation",
        "phase",
        "message",
        "reason",
        "host_ip",
        "pod_ip",
        "start_time",
        "init_container_statuses",
        "container_statuses",
        "ephemeral_container_statuses",
    }
)
_ADDRESSES: Final = (("host_ips", "hostIPs"), ("pod_ips", "podIPs"))
_REPLACE: Final = {"$patch": "replace"}
_CLEARED: Final = ("reason", "message", "lastProbeTime", "observedGeneration")


def status_patch(uid: str, before: PodStatus, after: PodStatus) -> Patch | None:
    """What turns `before`, as the API server has it, into `after`; None if nothing does.

    Args:
        uid: of the pod that is meant, so that none of the same name is touched.
    """
    changes: Patch = {}
    for name, key in _OWNED:
        value = getattr(after, name)
        if value != getattr(before, name):
            changes[key] = value or None
    for name, key in _ADDRESSES:
        value = getattr(after, name)
        if value != getattr(before, name):
            changes[key] = [*value, _REPLACE]
    if conditions := list(_changed(before.conditions, after.conditions)):
        changes["conditions"] = conditions
    if not changes:
        return None
    return {"metadata": {"uid": uid}, "status": changes}


def _changed(before: Iterable[PodCondition], after: Iterable[PodCondition]) -> Iterable[Patch]:
    known = {condition.type: condition for condition in before}
    for condition in after:
        was = known.get(condition.type)
        if was == condition:
            continue
        entry = msgspec.to_builtins(condition)
        if was is not None:  # what is merged keeps what is not named
            entry = {**dict.fromkeys(_CLEARED), **entry}
        yield entry
