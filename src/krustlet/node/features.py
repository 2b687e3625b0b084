"""Which of Kubernetes' features this node declares: those that it has. Pure.

The API server refuses, and the scheduler keeps away, whatever needs one that is not declared.

Source: k8s.io/component-helpers nodedeclaredfeatures/features/registry.go, of Kubernetes 1.36.
"""

from typing import Final

_RESIZES_INIT_CONTAINERS: Final = "InPlacePodVerticalScalingInitContainers"

# Those that Kubernetes knows besides, and why they are not declared:
#
#   InPlacePodLevelResourcesVerticalScaling  the pod's group is changed, but its status does not
#                                            tell what the pod as a whole has
#   RestartAllContainersOnContainerExits     `RestartAllContainers` is ignored, which pods are told
#   ExtendWebSocketsToKubelet                over HTTPS there is no exec, attach or port-forward
#   UserNamespacesHostNetworkSupport         containers have no user namespaces


def declared_features(*, resizes: bool) -> tuple[str, ...]:
    """In order of their names.

    Args:
        resizes: whether containers are held to other resources when they are given them while
            they run; init containers are no exception.
    """
    return (_RESIZES_INIT_CONTAINERS,) if resizes else ()
