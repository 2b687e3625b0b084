"""What the API server would refuse in a pod: one small pure function for each thing."""

from krustlet.objects.validation.pod import validate
from krustlet.objects.validation.problem import Problem

__all__ = ["Problem", "validate"]
