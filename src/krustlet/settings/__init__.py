"""Settings: flags, environment and a file become one frozen value, made once and handed down.

What reads the file is loaded when it is asked for: most commands read none.
"""

from typing import TYPE_CHECKING, Any

from krustlet.base.lazy import load_on_demand
from krustlet.settings.cluster import (
    ARCHITECTURE,
    DEFAULT_EVICTION_HARD,
    DEFAULT_MAX_PODS,
    DEFAULT_PORT,
    DEFAULT_TAINTS,
    ClusterSettings,
)
from krustlet.settings.durations import go_duration, seconds_of
from krustlet.settings.errors import (
    ConfigFileError,
    KeyExposed,
    KeyUnreadable,
    KubeconfigMissing,
    SettingsError,
)
from krustlet.settings.keys import KEYS, Key, Shape
from krustlet.settings.kubelet_configuration import kubelet_configuration, size_text
from krustlet.settings.places import (
    credentials,
    default_bootstrap,
    default_certificate,
    default_pod_logs,
    own_kubeconfig,
    refuse_exposed_key,
)
from krustlet.settings.settings import (
    DEFAULT_LOG_MAX_BYTES,
    DEFAULT_LOG_MAX_FILES,
    DEFAULT_POD_USERS,
    Settings,
    default_data_dir,
)

if TYPE_CHECKING:
    from krustlet.settings.config_file import ConfigFile, NoEffect, Place, find_config, read_config

__all__ = [
    "ARCHITECTURE",
    "DEFAULT_EVICTION_HARD",
    "DEFAULT_LOG_MAX_BYTES",
    "DEFAULT_LOG_MAX_FILES",
    "DEFAULT_MAX_PODS",
    "DEFAULT_POD_USERS",
    "DEFAULT_PORT",
    "DEFAULT_TAINTS",
    "KEYS",
    "ClusterSettings",
    "ConfigFile",
    "ConfigFileError",
    "Key",
    "KeyExposed",
    "KeyUnreadable",
    "KubeconfigMissing",
    "NoEffect",
    "Place",
    "Settings",
    "SettingsError",
    "Shape",
    "credentials",
    "default_bootstrap",
    "default_certificate",
    "default_data_dir",
    "default_pod_logs",
    "find_config",
    "go_duration",
    "kubelet_configuration",
    "own_kubeconfig",
    "read_config",
    "refuse_exposed_key",
    "seconds_of",
    "size_text",
]

_HOMES = dict.fromkeys(
    ("ConfigFile", "NoEffect", "Place", "find_config", "read_config"), "config_file"
)


def __getattr__(name: str) -> Any:
    return load_on_demand(__name__, _HOMES)(name)
