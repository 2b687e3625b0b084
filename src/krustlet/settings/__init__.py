"""Settings: flags and environment become one frozen value, made once and handed down."""

from krustlet.settings.settings import Settings, default_data_dir

__all__ = ["Settings", "default_data_dir"]
