"""Say which files a source of a projected volume stands for; pure.

Leaves fetching the objects to `projected.py`, and checking the paths to `atomic_writer.py`.

Source: kubernetes pkg/volume/configmap, secret and downwardapi, `MakePayload` and `CollectData`.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from krustlet.objects import (
    Addresses,
    Allocatable,
    ConfigMap,
    DownwardAPIVolumeFile,
    KeyToPath,
    Pod,
    PodSecurityContext,
    Secret,
    SecurityContext,
    container_named,
    field_value,
    resource_value,
)
from krustlet.volumes.atomic_writer import File
from krustlet.volumes.errors import KeyMissing

_ONLY_OWNER: Final = 0o600


def of_config_map(
    config_map: ConfigMap, items: Sequence[KeyToPath], *, default_mode: int, optional: bool
) -> dict[str, File]:
    """Its files by path; of all keys where no items pick some.

    Raises:
        KeyMissing: an item names a key that is not there and has to be.
    """
    texts = {key: text.encode() for key, text in config_map.data.items()}
    data = {**config_map.binary_data, **texts}
    return _of_keys(
        data, items, default_mode, optional, missing="configmap references non-existent config key"
    )


def of_secret(
    secret: Secret, items: Sequence[KeyToPath], *, default_mode: int, optional: bool
) -> dict[str, File]:
    """As `of_config_map`."""
    return _of_keys(
        secret.data, items, default_mode, optional, missing="references non-existent secret key"
    )


def _of_keys(
    data: Mapping[str, bytes],
    items: Sequence[KeyToPath],
    default_mode: int,
    optional: bool,
    *,
    missing: str,
) -> dict[str, File]:
    if not items:
        return {key: File(value, default_mode) for key, value in data.items()}
    files = {}
    for item in items:
        if item.key in data:
            mode = default_mode if item.mode is None else item.mode
            files[item.path] = File(data[item.key], mode)
        elif not optional:
            raise KeyMissing(
                f"{missing}: {item.key}", hint=f"it has {', '.join(sorted(data)) or 'no keys'}"
            )
    return files


def of_pod(
    pod: Pod, items: Sequence[DownwardAPIVolumeFile], allocatable: Allocatable, *, default_mode: int
) -> dict[str, File]:
    """What the pod is told of itself, by path.

    Raises:
        ObjectError: it cannot be told one of the things that it asks for.
    """
    return {
        item.path: File(
            _text(pod, item, allocatable).encode(),
            default_mode if item.mode is None else item.mode,
        )
        for item in items
    }


def _text(pod: Pod, item: DownwardAPIVolumeFile, allocatable: Allocatable) -> str:
    if item.field_ref is not None:
        # Addresses are for environments only: the API server refuses them in files.
        return field_value(pod, item.field_ref.field_path, Addresses())
    if (selector := item.resource_field_ref) is not None:
        container = container_named(pod.spec, selector.container_name)
        return resource_value(container, selector, allocatable)
    return ""


def token_mode(pod: Pod, default_mode: int) -> int:
    """The mode of a token's file: its owner's alone where all the pod's processes are one user.

    Source: kubernetes pkg/volume/projected, `collectData`; pkg/volume/util, `FsUserFrom`.
    """
    of_pod = pod.spec.security_context or PodSecurityContext()
    if of_pod.fs_group is not None:
        return _ONLY_OWNER
    users = {
        own.run_as_user if own.run_as_user is not None else of_pod.run_as_user
        for own in (c.security_context or SecurityContext() for c in pod.spec.all_containers())
    }
    return _ONLY_OWNER if len(users) == 1 and None not in users else default_mode
