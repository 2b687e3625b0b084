"""Krustlet: a kubelet that runs WebAssembly as Kubernetes pods.

Kept free of imports: the supervisor's zygote and `krustlet version` pay for every one of them.
"""

__version__ = "2.0.0.dev0"

KUBERNETES_VERSION = "1.36.3"  # the release whose kubelet contract this one follows
