"""The errors of this room."""

from krustlet.base import KrustletError


class NodeError(KrustletError):
    """This machine cannot be the node that it was told to be."""


class LabelsRefused(NodeError):
    """No API server lets a node give itself such labels."""


class ReservesInvalid(NodeError):
    """What is to be kept from pods was said in a way that has no meaning."""


class MachineUnreadable(NodeError):
    """The machine does not tell what it has."""


class NodeTakenOver(NodeError):
    """Another machine says now that it is this node. Two of them would fight over its pods."""
