"""The errors of this room."""

from pathlib import Path

from krustlet.base import KrustletError


class SettingsError(KrustletError):
    """What this kubelet was told cannot be used."""


class ConfigFileError(SettingsError):
    """A configuration file cannot be read, or does not say what it seems to mean.

    Attributes:
        path: the file.
        line: counted from 1; 0 where it is about all of it.
    """

    def __init__(self, path: Path, message: str, *, line: int = 0, hint: str = "") -> None:
        place = f"{path} line {line}" if line else str(path)
        super().__init__(f"{place}: {message}", hint=hint)
        self.path = path
        self.line = line


class KubeconfigMissing(SettingsError):
    """Nobody has said how to reach the API server."""

    def __init__(self) -> None:
        super().__init__(
            "nobody has said how to reach the API server",
            hint="name a kubeconfig file with --kubeconfig or KUBECONFIG; or have an administrator "
            "run `krustlet bootstrap`, and name the file it makes with --bootstrap-file",
        )


class KeyExposed(SettingsError):
    """Others than this node's user can read the key of its API."""

    def __init__(self, path: Path, mode: int) -> None:
        super().__init__(
            f"the key {path} can be read by others than its owner (mode {mode:04o})",
            hint=f"chmod 600 {path}; if somebody may have read it, make another",
        )


class KeyUnreadable(SettingsError):
    """The key of the node's API cannot be read."""

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(
            f"the key {path} cannot be read: {why}",
            hint="have the user that runs this node own it, with mode 600",
        )
