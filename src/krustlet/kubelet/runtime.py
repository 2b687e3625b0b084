"""What runs the containers of a kubelet, and what it can do for them on this machine. No logic."""

import contextlib
import hashlib
import os
import sys
from pathlib import Path
from typing import Final

import msgspec
import structlog

from krustlet import __version__
from krustlet.cgroups import CgroupError, Cgroups, CgroupsUnavailable, detect
from krustlet.process import Missing, SupervisorSettings, find_abilities, scratch
from krustlet.provider import (
    LogLimits,
    ProcessRuntime,
    Provider,
    ProviderContext,
    Runtime,
    Versioned,
    load_provider,
)
from krustlet.settings import Settings

_SUPERVISOR: Final = "supervisor"
_CGROUPS: Final = "krustlet"
_NAME_LENGTH: Final = 12
_LIMITING: Final = frozenset({"memory", "cpu", "pids"})

log = structlog.get_logger(__name__)


class Powers(msgspec.Struct, frozen=True, kw_only=True):
    """What a runtime can do for pods, in the words of `pods.Means`."""

    mounts_files: bool = False
    runs_as_root: bool = False
    enforces_limits: bool = False
    mounts_memory: bool = False


def make_runtime(settings: Settings) -> tuple[Runtime, Powers]:
    """The runtime that the settings name, and what it can do here.

    Raises:
        ProviderMissing: there is no provider of that name.
        KrustletError: it does not take its options.
    """
    provider = _provider(settings)
    if not isinstance(provider, Provider):
        return provider, Powers()
    abilities = find_abilities()
    cgroups = _cgroups(settings)
    supervisor = SupervisorSettings(
        directory=settings.root / _SUPERVISOR,
        generation=_generation(provider),
        runners=provider.runners,
        import_paths=[path for path in sys.path if path],
        scratch=settings.root if settings.ephemeral else None,
        groups=cgroups.tops if cgroups is not None else (),
    )
    runtime = ProcessRuntime(
        provider,
        supervisor,
        settings.root,
        cgroups=cgroups,
        logs=LogLimits(settings.log_max_bytes, settings.log_max_files),
    )
    powers = Powers(
        mounts_files=abilities.mounts,
        runs_as_root=can_change_users(),
        enforces_limits=cgroups is not None,
        mounts_memory=abilities.mounts,
    )
    return runtime, powers


def check_provider(settings: Settings) -> None:
    """There is a provider of the name that the settings have, and it takes its options.

    Raises:
        KrustletError: there is none, or it does not.
    """
    _provider(settings)


def _provider(settings: Settings) -> Provider | Runtime:
    context = ProviderContext(cache=settings.cache, options=settings.provider_options)
    return load_provider(settings.provider, context)


def missing_walls() -> tuple[Missing, ...]:
    """What cannot stand between containers and this machine, for people."""
    return find_abilities().missing(limits=unlimited() != _LIMITING)


def unlimited() -> frozenset[str]:
    """Those of `memory`, `cpu` and `pids` that no container can be limited in here."""
    try:
        cgroups = detect(f"{_CGROUPS}/{os.getpid()}")
    except CgroupsUnavailable:
        return _LIMITING
    cgroups.close()
    return _LIMITING.intersection(cgroups.missing)


def can_change_users() -> bool:
    """Whether a container can be another user than this process."""
    abilities = find_abilities()
    return abilities.users and abilities.mounts


def remove_run(root: Path) -> None:
    """Nothing is left of an ephemeral kubelet that was killed together with its supervisor."""
    scratch.remove(str(root))
    remove_groups(root)


def remove_groups(root: Path) -> None:
    """Nothing is left of the control groups of a kubelet of which nothing runs any more."""
    with contextlib.suppress(CgroupError):
        cgroups = detect(_group_name(root))
        for path in reversed(cgroups.below()):
            cgroups.remove(path)
        cgroups.close()


def _generation(provider: Provider) -> str:
    """Names the code that containers are forked from: another has a supervisor of its own."""
    version = provider.version if isinstance(provider, Versioned) else ""
    parts = (__version__, sys.version, version, *provider.runners)
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:_NAME_LENGTH]


def _cgroups(settings: Settings) -> Cgroups | None:
    try:
        cgroups = detect(_group_name(settings.root))
    except CgroupsUnavailable as exc:
        level = log.debug if settings.ephemeral else log.warning
        level("cgroups.unavailable", error=exc.message, hint=exc.hint)
        return None
    if cgroups.missing:
        log.warning("cgroups.incomplete", missing=list(cgroups.missing))
    return cgroups


def _group_name(root: Path) -> str:
    return f"{_CGROUPS}/{hashlib.sha256(str(root).encode()).hexdigest()[:_NAME_LENGTH]}"
