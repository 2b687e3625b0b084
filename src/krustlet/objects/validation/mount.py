"""What is wrong with the places where volumes are mounted."""

from collections.abc import Collection

from krustlet.objects.container import ContainerCommon, VolumeMount
from krustlet.objects.path import FieldPath
from krustlet.objects.validation.env import no_such_volume
from krustlet.objects.validation.problem import (
    Problem,
    Problems,
    one_of,
    relative_path,
    required,
    unique,
)
from krustlet.objects.volume import Volume
from krustlet.objects.words import MountPropagation, RecursiveReadOnly


def volume_mounts(at: FieldPath, container: ContainerCommon, found: Collection[Volume]) -> Problems:
    first: dict[str, int] = {}
    for index, mount in enumerate(container.volume_mounts):
        yield from _mount(at / index, mount, found)
        yield from _propagation(at / index / "mountPropagation", mount, container)
        path = mount.mount_path
        if path and first.setdefault(path, index) != index:
            taken = f"`{path}` is already taken by {at / first[path]}"
            yield Problem(at / index / "mountPath", taken)


def _mount(at: FieldPath, mount: VolumeMount, found: Collection[Volume]) -> Problems:
    yield from required(at / "name", mount.name)
    if mount.name and mount.name not in {volume.name for volume in found}:
        yield no_such_volume(at / "name", mount.name, found)
    yield from _mount_path(at / "mountPath", mount.mount_path)
    yield from relative_path(at / "subPath", mount.sub_path)
    yield from relative_path(at / "subPathExpr", mount.sub_path_expr)
    if mount.sub_path and mount.sub_path_expr:
        yield Problem(at / "subPathExpr", "cannot stand beside `subPath`", "keep one of the two")
    yield from _recursive_read_only(at / "recursiveReadOnly", mount)


def _mount_path(at: FieldPath, path: str) -> Problems:
    """Stricter than the API server, which leaves the two latter rules to the documentation."""
    yield from required(at, path)
    if path and not path.startswith("/"):
        yield Problem(at, f"`{path}` is not absolute", f"write `/{path}`")
    if ":" in path:
        yield Problem(at, f"`{path}` must not contain `:`")


def _propagation(at: FieldPath, mount: VolumeMount, container: ContainerCommon) -> Problems:
    yield from one_of(at, mount.mount_propagation, MountPropagation)
    security = container.security_context
    privileged = security is not None and security.privileged
    if mount.mount_propagation == MountPropagation.BIDIRECTIONAL and not privileged:
        yield Problem(at, "`Bidirectional` needs a privileged container")


def _recursive_read_only(at: FieldPath, mount: VolumeMount) -> Problems:
    mode = mount.recursive_read_only
    yield from one_of(at, mode, RecursiveReadOnly)
    if mode not in (RecursiveReadOnly.ENABLED, RecursiveReadOnly.IF_POSSIBLE):
        return
    if not mount.read_only:
        yield Problem(at, f"`{mode}` needs `readOnly: true`")
    if mount.mount_propagation not in (None, MountPropagation.NONE):
        yield Problem(at, f"`{mode}` cannot stand beside `mountPropagation`")


def volume_devices(
    at: FieldPath, container: ContainerCommon, found: Collection[Volume]
) -> Problems:
    yield from unique(at, (device.name for device in container.volume_devices), field="name")
    for index, device in enumerate(container.volume_devices):
        yield from required(at / index / "devicePath", device.device_path)
        yield from _device_name(at / index / "name", device.name, found)


def _device_name(at: FieldPath, name: str, found: Collection[Volume]) -> Problems:
    yield from required(at, name)
    if not name:
        return
    volume = next((volume for volume in found if volume.name == name), None)
    if volume is None:
        yield no_such_volume(at, name, found)
    elif volume.persistent_volume_claim is None and volume.ephemeral is None:
        yield Problem(at, f"volume `{name}` is no claim", "a device needs a claim behind it")
