"""Pods: what is known of them, what to do next, and the doing of it."""

from krustlet.pods.admission import IGNORED_REASON, ignored, refusal
from krustlet.pods.checkpoint import BadPodUID, Checkpoints
from krustlet.pods.manager import Pods
from krustlet.pods.naming import log_path
from krustlet.pods.ports import Means, PodEvent, Sink
from krustlet.pods.projection import HostAddress
from krustlet.pods.state import PodState, Rejection
from krustlet.pods.users import UserRange, UserRules
from krustlet.pods.wishes import NETWORK, ON_TERMINATE

__all__ = [
    "IGNORED_REASON",
    "NETWORK",
    "ON_TERMINATE",
    "BadPodUID",
    "Checkpoints",
    "HostAddress",
    "Means",
    "PodEvent",
    "PodState",
    "Pods",
    "Rejection",
    "Sink",
    "UserRange",
    "UserRules",
    "ignored",
    "log_path",
    "refusal",
]
