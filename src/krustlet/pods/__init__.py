"""Pods: what is known of them, what to do next, and the doing of it."""

from krustlet.pods.admission import ignored, refusal
from krustlet.pods.checkpoint import Checkpoints
from krustlet.pods.manager import Pods
from krustlet.pods.ports import PodEvent, Sink
from krustlet.pods.projection import HostAddress
from krustlet.pods.state import PodState, Rejection
from krustlet.pods.worker import Means, log_path

__all__ = [
    "Checkpoints",
    "HostAddress",
    "Means",
    "PodEvent",
    "PodState",
    "Pods",
    "Rejection",
    "Sink",
    "ignored",
    "log_path",
    "refusal",
]
