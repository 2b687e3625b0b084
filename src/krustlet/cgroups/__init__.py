"""Control groups: what a group of processes may use, and what it has used."""

from krustlet.cgroups.limits import Limits, Usage

__all__ = ["Limits", "Usage"]
