"""The node: it registers itself, keeps its lease, and reports how it is.

Given doors to the API server and to events, and asked by nobody but the wiring. What runs on the
node is none of its business: whether pods can run, and which images are here, it is told.
"""

from krustlet.node.agent import NodeAgent
from krustlet.node.api import LeaseApi, NodeApi
from krustlet.node.errors import LabelsRefused, MachineUnreadable, NodeError
from krustlet.node.machine import Host, LinuxHost, Machine, Vitals
from krustlet.node.ports import Deleted, Leases, NodeEvents, Nodes
from krustlet.node.reporter import NodeMeans
from krustlet.node.settings import NodeSettings
from krustlet.node.status import RUNTIME_HANDLER

__all__ = [
    "RUNTIME_HANDLER",
    "Deleted",
    "Host",
    "LabelsRefused",
    "LeaseApi",
    "Leases",
    "LinuxHost",
    "Machine",
    "MachineUnreadable",
    "NodeAgent",
    "NodeApi",
    "NodeError",
    "NodeEvents",
    "NodeMeans",
    "NodeSettings",
    "Nodes",
    "Vitals",
]
