"""Where the files of a node are that nobody has named.

Looks at the file system, and changes nothing in it.
"""

import os
import stat
from pathlib import Path
from typing import Final

from krustlet.settings.errors import KeyExposed, KeyUnreadable, KubeconfigMissing

_BOOTSTRAP: Final = "config/bootstrap.conf"  # below the data directory, as in the original's guide
_SYSTEM_BOOTSTRAP: Final = Path("/etc/kubernetes/bootstrap-kubelet.conf")  # as the kubelet's
_BOOTSTRAPPED: Final = "config/kubeconfig"
_SERVING: Final = ("config/krustlet.crt", "config/krustlet.key")  # as the original kept them
_POD_LOGS: Final = Path("/var/log/pods")


def default_bootstrap(data_dir: Path) -> Path | None:
    """A kubeconfig with a token, if there is one where it is looked for."""
    candidates = (data_dir / _BOOTSTRAP, _SYSTEM_BOOTSTRAP)
    return next((path for path in candidates if path.exists()), None)


def credentials(
    data_dir: Path, *, kubeconfig: Path | None, bootstrap_file: Path | None
) -> tuple[Path, Path | None]:
    """The kubeconfig, which a bootstrap writes if it is not there; and the file to bootstrap with.

    Who names a file to bootstrap with means this node to have credentials of its own, and never
    gets those of whoever happens to work on this machine.

    Args:
        kubeconfig, bootstrap_file: those that somebody has named.

    Raises:
        KubeconfigMissing: there is nothing of either.
    """
    own = own_kubeconfig(data_dir)
    if bootstrap_file is not None:
        return kubeconfig or own, bootstrap_file
    found = default_bootstrap(data_dir)
    if kubeconfig is not None:
        return kubeconfig, None if kubeconfig.exists() else found
    if own.exists():
        return own, found  # which may serve again, should the credentials be too old
    if (personal := _personal()) is not None:
        return personal, None
    if found is None:
        raise KubeconfigMissing
    return own, found


def own_kubeconfig(data_dir: Path) -> Path:
    """What a bootstrap writes where nobody has named a kubeconfig."""
    return data_dir / _BOOTSTRAPPED


def default_certificate(data_dir: Path) -> tuple[Path, Path] | None:
    """Certificate and key of the node's API, if both are where they are looked for."""
    certificate, key = (data_dir / name for name in _SERVING)
    return (certificate, key) if certificate.exists() and key.exists() else None


def default_pod_logs(data_dir: Path) -> Path:
    """Where other programs look for the logs of pods, if we may write there."""
    return _POD_LOGS if os.geteuid() == 0 else data_dir / "logs" / "pods"


def refuse_exposed_key(key: Path) -> None:
    """Return only if this user can read the key, and nobody else.

    Raises:
        KeyUnreadable: this user cannot.
        KeyExposed: others can.
    """
    try:
        with key.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
    except OSError as exc:
        raise KeyUnreadable(key, exc.strerror or str(exc)) from exc
    if mode & (stat.S_IRGRP | stat.S_IROTH):
        raise KeyExposed(key, mode)


def _personal() -> Path | None:
    try:
        path = Path.home() / ".kube" / "config"
    except RuntimeError:  # a user without a home
        return None
    return path if path.exists() else None
