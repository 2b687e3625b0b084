"""Settings: flags and environment become one frozen value, made once and handed down."""

from krustlet.settings.cluster import (
    ARCHITECTURE,
    DEFAULT_EVICTION_HARD,
    DEFAULT_MAX_PODS,
    DEFAULT_PORT,
    DEFAULT_TAINTS,
    ClusterSettings,
)
from krustlet.settings.settings import (
    DEFAULT_LOG_MAX_BYTES,
    DEFAULT_LOG_MAX_FILES,
    DEFAULT_POD_USERS,
    Settings,
    default_data_dir,
)

__all__ = [
    "ARCHITECTURE",
    "DEFAULT_EVICTION_HARD",
    "DEFAULT_LOG_MAX_BYTES",
    "DEFAULT_LOG_MAX_FILES",
    "DEFAULT_MAX_PODS",
    "DEFAULT_POD_USERS",
    "DEFAULT_PORT",
    "DEFAULT_TAINTS",
    "ClusterSettings",
    "Settings",
    "default_data_dir",
]
