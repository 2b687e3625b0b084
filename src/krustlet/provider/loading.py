"""Find a provider by its name, among the installed packages' entry points."""

from collections.abc import Mapping
from importlib.metadata import entry_points
from pathlib import Path
from typing import Final

import msgspec

from krustlet.base import KrustletError
from krustlet.provider.contract import Provider, Runtime

GROUP: Final = "krustlet.providers"


class ProviderContext(msgspec.Struct, frozen=True):
    """What a provider may use of this node.

    Attributes:
        cache: a directory of its own that outlives nodes and runs, and may be emptied any time.
        options: what the node sets of it, `KEY=VALUE`; only the provider knows which there are.
    """

    cache: Path
    options: Mapping[str, str] = {}


class ProviderOptionInvalid(KrustletError):
    """A provider has no such option, or it cannot have that value."""

    reason = "ProviderOptionInvalid"


class ProviderMissing(KrustletError):
    """No installed package offers a provider of that name, or what it offers is none."""

    reason = "ProviderMissing"


def load_provider(name: str, context: ProviderContext) -> Provider | Runtime:
    """The provider called `name`, made with `context`.

    Raises:
        ProviderMissing: nobody offers it, or it cannot be imported, or it is no provider.
        ProviderOptionInvalid: told by the provider itself, as whatever else it may raise.
    """
    offered = {point.name: point for point in entry_points(group=GROUP)}
    if name not in offered:
        known = ", ".join(sorted(offered)) or "none"
        raise ProviderMissing(
            f"no provider {name!r} is installed",
            hint=f"a package offers one as an entry point of {GROUP}; installed: {known}",
        )
    try:
        make = offered[name].load()
        provider = make(context) if callable(make) else make
    except (ImportError, AttributeError) as exc:
        raise ProviderMissing(f"provider {name!r} cannot be loaded: {exc}") from exc
    if not isinstance(provider, Provider | Runtime):
        raise ProviderMissing(f"provider {name!r} is neither a Provider nor a Runtime")
    return provider
