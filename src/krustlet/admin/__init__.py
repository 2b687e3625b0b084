"""What an administrator does for nodes: tokens to join with, rights, approvals, and taking away.

Given a client that may do so. The node itself never does any of it: it has not the rights.
"""

from krustlet.admin.approving import AGENT_LABEL, Approver, Joined
from krustlet.admin.bootstrap_file import BootstrapFile, Endpoint
from krustlet.admin.bootstrapping import Bootstrapped, BootstrapWanted, bootstrap, grant
from krustlet.admin.draining import Drain, Drainer
from krustlet.admin.errors import (
    AdminError,
    FileInTheWay,
    FileUnwritable,
    NodeStillRuns,
    NotCleaned,
    NotDrained,
    NotJoined,
    NotOurs,
    PodsInTheWay,
    RightsMissing,
)
from krustlet.admin.local import LocalNode
from krustlet.admin.ports import Api, Voice
from krustlet.admin.progress import is_ready

__all__ = [
    "AGENT_LABEL",
    "AdminError",
    "Api",
    "Approver",
    "BootstrapFile",
    "BootstrapWanted",
    "Bootstrapped",
    "Drain",
    "Drainer",
    "Endpoint",
    "FileInTheWay",
    "FileUnwritable",
    "Joined",
    "LocalNode",
    "NodeStillRuns",
    "NotCleaned",
    "NotDrained",
    "NotJoined",
    "NotOurs",
    "PodsInTheWay",
    "RightsMissing",
    "Voice",
    "bootstrap",
    "grant",
    "is_ready",
]
