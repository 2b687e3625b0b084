"""Run WASI command modules."""

from krustlet.providers.wasi.provider import WasiProvider

__all__ = ["WasiProvider"]
