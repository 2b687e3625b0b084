"""Status: tell the API server what became of pods, and its users what happened on the way."""

from krustlet.status.events import EventRecorder
from krustlet.status.writer import StatusWriter

__all__ = ["EventRecorder", "StatusWriter"]
