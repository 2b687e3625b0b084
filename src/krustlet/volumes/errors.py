"""What can go wrong between a volume in a manifest and a directory that a guest sees."""

from collections.abc import Sequence

from krustlet.base import KrustletError


class VolumeError(KrustletError):
    """A volume of the pod cannot be made; the pod waits."""

    reason = "FailedMount"


class UnsupportedVolume(VolumeError):
    """A kind of volume, or a variety of one, that this build does not know."""

    def __init__(self, name: str, kind: str) -> None:
        super().__init__(
            f"volume {name!r}: {kind} is not supported by this build",
            hint="use emptyDir, hostPath, configMap, secret, downwardAPI or projected",
        )
        self.name, self.kind = name, kind


class InvalidVolume(VolumeError):
    """The API server would have refused the manifest for this volume."""


class HostPathUnfit(VolumeError):
    """What lies at a hostPath is not what its type asks for, and may not be made so."""


class VolumeStorageFailed(VolumeError):
    """The node's file system refused; full, read-only or not ours to write."""

    retryable = True


class VolumeStillMounted(VolumeStorageFailed):
    """Something is mounted below what is to be removed; what it shows may be anybody's."""

    def __init__(self, path: str) -> None:
        super().__init__(
            f"cannot remove {path}: something is mounted there",
            hint=f"see who uses it (`fuser -vm {path}`), then `umount {path}`",
        )
        self.path = path


class SetUpFailed(VolumeError):
    """The files of a volume cannot be had, or not be written; it is tried again."""

    retryable = True

    def __init__(self, volume: str, causes: Sequence[KrustletError]) -> None:
        # Source: apimachinery pkg/util/errors, `Aggregate`: each text once, several in brackets.
        texts = list(dict.fromkeys(cause.message for cause in causes))
        told = texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"
        super().__init__(
            f'MountVolume.SetUp failed for volume "{volume}" : {told}', hint=causes[0].hint
        )


class KeyMissing(VolumeError):
    """An item names a key that its ConfigMap or Secret lacks."""


class MountError(VolumeError):
    """A volume is there, but a container cannot have it as it asks; only that container waits."""

    reason = "CreateContainerConfigError"


class HostNameTooLong(MountError):
    """The pod's full name is to be its host name, and longer than the kernel allows."""

    def __init__(self, name: str, *, most: int) -> None:
        super().__init__(
            f"failed to construct FQDN from pod hostname and cluster domain, FQDN {name} is too "
            f"long ({most} characters is the max, {len(name)} characters requested)",
            hint="choose a shorter hostname or subdomain, or leave setHostnameAsFQDN out",
        )


class VolumeUnknown(MountError):
    """The container mounts a volume that the pod does not have."""


class MountSourceUnusable(MountError):
    """The directory to be mounted is missing, or the node's file system refused."""


class SubPathEscapes(MountError):
    """The subPath leads out of its volume."""


class SubPathVariableMissing(MountError):
    """The subPathExpr names variables that the container's environment lacks."""


class SingleFileMountUnsupported(MountError):
    """Without a mount namespace of its own a guest can be given directories only."""

    def __init__(self, volume: str, path: str) -> None:
        super().__init__(
            f"volumeMount {volume!r}: {path} is not a directory, and only root can mount a file",
            hint="mount the directory that holds it",
        )
