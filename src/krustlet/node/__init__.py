"""The node: it registers itself, keeps its lease, and reports how it is.

Given doors to the API server and to events, and asked by nobody but the wiring. What runs on the
node is none of its business: whether pods can run, and which images are here, it is told.
"""

from krustlet.node.agent import NodeAgent
from krustlet.node.api import LeaseApi, NodeApi
from krustlet.node.errors import (
    LabelsRefused,
    MachineUnreadable,
    NodeError,
    NodeTakenOver,
    ReservesInvalid,
)
from krustlet.node.labels import check_labels
from krustlet.node.machine import Host, LinuxHost, Machine, Vitals
from krustlet.node.means import NodeMeans
from krustlet.node.ports import Deleted, Leases, NodeEvents, Nodes
from krustlet.node.reserves import Threshold, Thresholds, idle_words, reserved, thresholds
from krustlet.node.settings import NodeSettings, node_settings
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
    "NodeTakenOver",
    "Nodes",
    "ReservesInvalid",
    "Threshold",
    "Thresholds",
    "Vitals",
    "check_labels",
    "idle_words",
    "node_settings",
    "reserved",
    "thresholds",
]
