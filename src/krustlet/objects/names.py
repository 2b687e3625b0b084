"""Names and identities that cross rooms; types keep neighbours apart."""

from typing import NewType

PodUID = NewType("PodUID", str)
"""What the API server (or the manifest source) called this very pod; never used twice."""

PodKey = NewType("PodKey", str)
"""`<namespace>/<name>`: where a pod is found; a later pod may have the same."""

ContainerName = NewType("ContainerName", str)
"""Unique among all containers of a pod, whatever their kind."""


def pod_key(*, namespace: str, name: str) -> PodKey:
    return PodKey(f"{namespace}/{name}")
