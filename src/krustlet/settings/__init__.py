"""Settings: flags and environment become one frozen value, made once and handed down."""

from krustlet.settings.cluster import (
    ARCHITECTURE,
    DEFAULT_MAX_PODS,
    DEFAULT_PORT,
    DEFAULT_TAINTS,
    ClusterSettings,
)
from krustlet.settings.settings import Settings, default_data_dir

__all__ = [
    "ARCHITECTURE",
    "DEFAULT_MAX_PODS",
    "DEFAULT_PORT",
    "DEFAULT_TAINTS",
    "ClusterSettings",
    "Settings",
    "default_data_dir",
]
