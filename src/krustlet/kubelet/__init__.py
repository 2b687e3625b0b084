"""Wiring: build each room once from the settings, and run all of them.

`core` is what every kubelet has, `node` what one of a cluster has besides.
"""

from krustlet.kubelet.core import Kubelet, run_kubelet

__all__ = ["Kubelet", "run_kubelet"]
