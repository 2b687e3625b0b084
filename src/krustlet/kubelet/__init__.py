"""Wiring: build each room once from the settings, and run all of them.

`core` is what every kubelet has, `node` what one of a cluster has besides.
"""

from krustlet.kubelet.core import Kubelet, run_kubelet
from krustlet.kubelet.runtime import (
    can_change_users,
    missing_walls,
    remove_groups,
    remove_run,
    unlimited,
)

__all__ = [
    "Kubelet",
    "can_change_users",
    "missing_walls",
    "remove_groups",
    "remove_run",
    "run_kubelet",
    "unlimited",
]
