"""What is wrong with volumes."""

from collections.abc import Collection
from typing import Final

from krustlet.objects.path import FieldPath
from krustlet.objects.selector import KeyToPath
from krustlet.objects.validation.env import (
    FILE_FIELDS,
    field_ref,
    resource_field_ref,
)
from krustlet.objects.validation.problem import (
    Problem,
    Problems,
    exactly_one,
    file_mode,
    listed,
    no_step_back,
    one_of,
    quantity,
    relative_path,
    required,
    unique,
    within,
)
from krustlet.objects.validation.syntax import dns_label
from krustlet.objects.volume import (
    ConfigMapProjection,
    ConfigMapVolumeSource,
    DownwardAPIVolumeFile,
    HostPathVolumeSource,
    ImageVolumeSource,
    ProjectedVolumeSource,
    SecretProjection,
    SecretVolumeSource,
    ServiceAccountTokenProjection,
    Volume,
    VolumeProjection,
)
from krustlet.objects.words import HostPathType, PullPolicy

_TOKEN_LIFE_LEAST_S: Final = 600
_TOKEN_LIFE_MOST_S: Final = 1 << 32


def volumes(at: FieldPath, found: Collection[Volume]) -> Problems:
    yield from unique(at, (volume.name for volume in found), field="name")
    for index, volume in enumerate(found):
        yield from required(at / index / "name", volume.name)
        if volume.name:
            yield from dns_label(at / index / "name", volume.name)
        yield from _sources(at / index, volume)
        yield from _source(at / index, volume)


def _sources(at: FieldPath, volume: Volume) -> Problems:
    found = volume.sources()
    if not found:
        yield Problem(at, "has no source", "such as `emptyDir: {}`")
    elif len(found) > 1:
        yield Problem(at, f"has several sources: {listed(found)}", "keep one")


def _source(at: FieldPath, volume: Volume) -> Problems:
    """Of the kinds of source that are read here; the others are taken as they are."""
    if volume.host_path is not None:
        yield from _host_path(at / "hostPath", volume.host_path)
    if volume.empty_dir is not None:
        yield from quantity(at / "emptyDir" / "sizeLimit", volume.empty_dir.size_limit)
    if volume.secret is not None:
        yield from required(at / "secret" / "secretName", volume.secret.secret_name)
        yield from _files(at / "secret", volume.secret)
    if volume.config_map is not None:
        yield from required(at / "configMap" / "name", volume.config_map.name)
        yield from _files(at / "configMap", volume.config_map)
    if volume.persistent_volume_claim is not None:
        claim = volume.persistent_volume_claim.claim_name
        yield from required(at / "persistentVolumeClaim" / "claimName", claim)
    if volume.downward_api is not None:
        yield from file_mode(at / "downwardAPI" / "defaultMode", volume.downward_api.default_mode)
        yield from _downward_files(at / "downwardAPI" / "items", volume.downward_api.items)
    if volume.projected is not None:
        yield from _projected(at / "projected", volume.projected)
    if volume.csi is not None:
        yield from required(at / "csi" / "driver", volume.csi.driver)
    if volume.ephemeral is not None:
        template = volume.ephemeral.volume_claim_template
        yield from required(at / "ephemeral" / "volumeClaimTemplate", template)
    if volume.image is not None:
        yield from _image(at / "image", volume.image)


def _host_path(at: FieldPath, source: HostPathVolumeSource) -> Problems:
    yield from required(at / "path", source.path)
    yield from no_step_back(at / "path", source.path)
    yield from one_of(at / "type", source.type, HostPathType)


def _image(at: FieldPath, source: ImageVolumeSource) -> Problems:
    yield from required(at / "reference", source.reference)
    yield from one_of(at / "pullPolicy", source.pull_policy, PullPolicy)


def _files(at: FieldPath, source: SecretVolumeSource | ConfigMapVolumeSource) -> Problems:
    yield from file_mode(at / "defaultMode", source.default_mode)
    yield from _items(at / "items", source.items)


def _items(at: FieldPath, items: Collection[KeyToPath]) -> Problems:
    for index, item in enumerate(items):
        yield from required(at / index / "key", item.key)
        yield from _file_name(at / index / "path", item.path)
        yield from file_mode(at / index / "mode", item.mode)


def _downward_files(at: FieldPath, files: Collection[DownwardAPIVolumeFile]) -> Problems:
    for index, file in enumerate(files):
        yield from _downward_file(at / index, file)


def _downward_file(at: FieldPath, file: DownwardAPIVolumeFile) -> Problems:
    references = {"fieldRef": file.field_ref, "resourceFieldRef": file.resource_field_ref}
    found = [name for name, reference in references.items() if reference is not None]
    yield from exactly_one(at, found, references)
    yield from _file_name(at / "path", file.path)
    yield from file_mode(at / "mode", file.mode)
    if file.field_ref is not None:
        yield from field_ref(at / "fieldRef", file.field_ref, FILE_FIELDS)
    if file.resource_field_ref is not None:
        where = at / "resourceFieldRef"
        yield from required(where / "containerName", file.resource_field_ref.container_name)
        yield from resource_field_ref(where, file.resource_field_ref)


def _file_name(at: FieldPath, path: str) -> Problems:
    yield from required(at, path)
    yield from relative_path(at, path)
    if path.startswith("..") and path.split("/")[0] != "..":
        yield Problem(at, f"`{path}` must not begin with `..`", "such names are the kubelet's own")


def _projected(at: FieldPath, source: ProjectedVolumeSource) -> Problems:
    yield from file_mode(at / "defaultMode", source.default_mode)
    for index, projection in enumerate(source.sources or ()):
        yield from _projection(at / "sources" / index, projection)


def _projection(at: FieldPath, projection: VolumeProjection) -> Problems:
    found = projection.sources()
    if len(found) > 1:
        yield Problem(at, f"has several sources: {listed(found)}", "give each an item of its own")
    if projection.secret is not None:
        yield from _projected_object(at / "secret", projection.secret)
    if projection.config_map is not None:
        yield from _projected_object(at / "configMap", projection.config_map)
    if projection.downward_api is not None:
        yield from _downward_files(at / "downwardAPI" / "items", projection.downward_api.items)
    if projection.service_account_token is not None:
        yield from _token(at / "serviceAccountToken", projection.service_account_token)


def _projected_object(at: FieldPath, source: SecretProjection | ConfigMapProjection) -> Problems:
    yield from required(at / "name", source.name)
    yield from _items(at / "items", source.items)


def _token(at: FieldPath, token: ServiceAccountTokenProjection) -> Problems:
    yield from _file_name(at / "path", token.path)
    yield from within(
        at / "expirationSeconds",
        token.expiration_seconds,
        least=_TOKEN_LIFE_LEAST_S,
        most=_TOKEN_LIFE_MOST_S,
    )
