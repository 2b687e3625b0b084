"""A volume of a pod, as wanted.

The sources that need a driver which this tree does not have are kept `Opaque`.
"""

from collections.abc import Iterator, Mapping

import msgspec

from krustlet.objects.meta import LocalObjectReference
from krustlet.objects.quantity import Quantity
from krustlet.objects.selector import KeyToPath, ObjectFieldSelector, ResourceFieldSelector
from krustlet.objects.shape import Opaque, Shape


class HostPathVolumeSource(Shape, frozen=True, kw_only=True):
    path: str = ""
    type: str | None = None


class EmptyDirVolumeSource(Shape, frozen=True, kw_only=True):
    medium: str = ""
    size_limit: Quantity | None = None


class SecretVolumeSource(Shape, frozen=True, kw_only=True):
    secret_name: str = ""
    items: tuple[KeyToPath, ...] = ()
    default_mode: int | None = None
    optional: bool | None = None


class ConfigMapVolumeSource(Shape, frozen=True, kw_only=True):
    name: str = ""
    items: tuple[KeyToPath, ...] = ()
    default_mode: int | None = None
    optional: bool | None = None


class PersistentVolumeClaimVolumeSource(Shape, frozen=True, kw_only=True):
    claim_name: str = ""
    read_only: bool = False


class DownwardAPIVolumeFile(Shape, frozen=True, kw_only=True):
    """Exactly one of the references is set."""

    path: str = ""
    field_ref: ObjectFieldSelector | None = None
    resource_field_ref: ResourceFieldSelector | None = None
    mode: int | None = None


class DownwardAPIVolumeSource(Shape, frozen=True, kw_only=True):
    items: tuple[DownwardAPIVolumeFile, ...] = ()
    default_mode: int | None = None


class SecretProjection(Shape, frozen=True, kw_only=True):
    name: str = ""
    items: tuple[KeyToPath, ...] = ()
    optional: bool | None = None


class ConfigMapProjection(Shape, frozen=True, kw_only=True):
    name: str = ""
    items: tuple[KeyToPath, ...] = ()
    optional: bool | None = None


class DownwardAPIProjection(Shape, frozen=True, kw_only=True):
    items: tuple[DownwardAPIVolumeFile, ...] = ()


class ServiceAccountTokenProjection(Shape, frozen=True, kw_only=True):
    audience: str = ""
    expiration_seconds: int | None = None
    path: str = ""


class ClusterTrustBundleProjection(Shape, frozen=True, kw_only=True):
    name: str | None = None
    signer_name: str | None = None
    label_selector: Opaque | None = None
    optional: bool | None = None
    path: str = ""


class PodCertificateProjection(Shape, frozen=True, kw_only=True):
    signer_name: str = ""
    key_type: str = ""
    max_expiration_seconds: int | None = None
    credential_bundle_path: str = ""
    key_path: str = ""
    certificate_chain_path: str = ""
    user_annotations: Mapping[str, str] = {}


class VolumeProjection(Shape, frozen=True, kw_only=True):
    """At most one is set."""

    secret: SecretProjection | None = None
    downward_api: DownwardAPIProjection | None = msgspec.field(default=None, name="downwardAPI")
    config_map: ConfigMapProjection | None = None
    service_account_token: ServiceAccountTokenProjection | None = None
    cluster_trust_bundle: ClusterTrustBundleProjection | None = None
    pod_certificate: PodCertificateProjection | None = None

    def sources(self) -> tuple[str, ...]:
        """The JSON names of the sources that are set; several are one too many."""
        return tuple(_set_fields(self))


class ProjectedVolumeSource(Shape, frozen=True, kw_only=True):
    """`sources` is None rather than empty where the API server says `null`."""

    sources: tuple[VolumeProjection, ...] | None = None
    default_mode: int | None = None


class CSIVolumeSource(Shape, frozen=True, kw_only=True):
    driver: str = ""
    read_only: bool | None = None
    fs_type: str | None = None
    volume_attributes: Mapping[str, str] = {}
    node_publish_secret_ref: LocalObjectReference | None = None


class EphemeralVolumeSource(Shape, frozen=True, kw_only=True):
    volume_claim_template: Opaque | None = None


class ImageVolumeSource(Shape, frozen=True, kw_only=True):
    reference: str = ""
    pull_policy: str = ""


class Volume(Shape, frozen=True, kw_only=True):
    """A name, and exactly one source beside it."""

    name: str = ""
    host_path: HostPathVolumeSource | None = None
    empty_dir: EmptyDirVolumeSource | None = None
    secret: SecretVolumeSource | None = None
    config_map: ConfigMapVolumeSource | None = None
    persistent_volume_claim: PersistentVolumeClaimVolumeSource | None = None
    downward_api: DownwardAPIVolumeSource | None = msgspec.field(default=None, name="downwardAPI")
    projected: ProjectedVolumeSource | None = None
    csi: CSIVolumeSource | None = None
    ephemeral: EphemeralVolumeSource | None = None
    image: ImageVolumeSource | None = None
    nfs: Opaque | None = None
    iscsi: Opaque | None = None
    fc: Opaque | None = None
    glusterfs: Opaque | None = None
    rbd: Opaque | None = None
    cephfs: Opaque | None = None
    cinder: Opaque | None = None
    flocker: Opaque | None = None
    flex_volume: Opaque | None = None
    git_repo: Opaque | None = None
    gce_persistent_disk: Opaque | None = None
    aws_elastic_block_store: Opaque | None = None
    azure_file: Opaque | None = None
    azure_disk: Opaque | None = None
    vsphere_volume: Opaque | None = None
    quobyte: Opaque | None = None
    photon_persistent_disk: Opaque | None = None
    portworx_volume: Opaque | None = None
    scale_io: Opaque | None = msgspec.field(default=None, name="scaleIO")
    storageos: Opaque | None = None

    def sources(self) -> tuple[str, ...]:
        """The JSON names of the sources that are set: one, in a sound volume."""
        return tuple(field for field in _set_fields(self) if field != "name")


def _set_fields(shape: Shape) -> Iterator[str]:
    names = zip(shape.__struct_fields__, shape.__struct_encode_fields__, strict=True)
    return (json_name for name, json_name in names if getattr(shape, name) is not None)
