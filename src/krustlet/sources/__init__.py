"""Where pods come from."""

from krustlet.sources.errors import Complaint, ManifestError, SourceError
from krustlet.sources.manifest import load_pods, read_manifests

__all__ = ["Complaint", "ManifestError", "SourceError", "load_pods", "read_manifests"]
