"""Front doors that open one door at a time.

A package imported by the supervisor's zygote must not drag asyncio into every container. Its
`__init__` imports what is light, and names the rest here, loaded when first asked for.
"""

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def load_on_demand(package: str, homes: Mapping[str, str]) -> Callable[[str], Any]:
    """A module's `__getattr__` (PEP 562) for names that live in submodules.

    Args:
        package: the package's `__name__`.
        homes: name → submodule that defines it.
    """

    def getattr_(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(import_module(f"{package}.{homes[name]}"), name)

    return getattr_
