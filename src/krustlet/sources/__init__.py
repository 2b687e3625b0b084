"""Where pods come from, and where what they refer to by name is found."""

from typing import TYPE_CHECKING

from krustlet.base.lazy import load_on_demand
from krustlet.sources.errors import Complaint, ManifestError, SourceError
from krustlet.sources.manifest import load_pods, read_manifests

if TYPE_CHECKING:
    from krustlet.sources.lookups import ApiLookups

__all__ = [
    "ApiLookups",
    "Complaint",
    "ManifestError",
    "SourceError",
    "load_pods",
    "read_manifests",
]

# Speaks to a cluster: who has none need not load an HTTP client.
__getattr__ = load_on_demand(__name__, {"ApiLookups": "lookups"})
