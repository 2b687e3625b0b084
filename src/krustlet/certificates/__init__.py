"""The keys and certificates of a node: how it gets them, keeps them, and has them renewed.

Owns `<data>/pki` and the kubeconfig that a bootstrap writes. Leaves connections to `krustlet.kube`,
and showing the serving certificate to `krustlet.server`.
"""
