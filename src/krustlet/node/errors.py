"""The errors of this room."""

from krustlet.base import KrustletError


class NodeError(KrustletError):
    """This machine cannot be the node that it was told to be."""


class LabelsRefused(NodeError):
    """No API server lets a node give itself such labels."""


class MachineUnreadable(NodeError):
    """The machine does not tell what it has."""
