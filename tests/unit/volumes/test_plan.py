import pytest

from krustlet.objects import (
    ClusterTrustBundleProjection,
    ConfigMapProjection,
    ConfigMapVolumeSource,
    CSIVolumeSource,
    DownwardAPIProjection,
    DownwardAPIVolumeFile,
    DownwardAPIVolumeSource,
    EmptyDirVolumeSource,
    HostPathType,
    HostPathVolumeSource,
    KeyToPath,
    PersistentVolumeClaimVolumeSource,
    Pod,
    PodSpec,
    ProjectedVolumeSource,
    Quantity,
    SecretProjection,
    SecretVolumeSource,
    ServiceAccountTokenProjection,
    StorageMedium,
    Volume,
    VolumeProjection,
)
from krustlet.volumes import (
    EmptyDir,
    HostPath,
    InvalidVolume,
    Projected,
    UnsupportedVolume,
    VolumeError,
    notices,
    read_only,
    wanted,
)


def a_pod(*volumes: Volume) -> Pod:
    return Pod(spec=PodSpec(volumes=volumes))


def at(path: str, of_type: str | None = None) -> Pod:
    return a_pod(Volume(name="v", host_path=HostPathVolumeSource(path=path, type=of_type)))


def test_volumes_are_wanted_in_their_own_order() -> None:
    pod = a_pod(
        Volume(name="logs", host_path=HostPathVolumeSource(path="/var/log")),
        Volume(name="cache", empty_dir=EmptyDirVolumeSource()),
        Volume(
            name="fast",
            empty_dir=EmptyDirVolumeSource(medium="Memory", size_limit=Quantity("1Gi")),
        ),
        Volume(name="socket", host_path=HostPathVolumeSource(path="/run/x", type="Socket")),
    )
    assert wanted(pod) == (
        HostPath("logs", "/var/log"),
        EmptyDir("cache"),
        EmptyDir("fast", StorageMedium.MEMORY, "1Gi"),
        HostPath("socket", "/run/x", HostPathType.SOCKET),
    )


def test_volumes_made_of_objects_are_projected() -> None:
    items = (KeyToPath(key="k", path="p"),)
    files = (DownwardAPIVolumeFile(path="name"),)
    token = VolumeProjection(service_account_token=ServiceAccountTokenProjection(path="token"))
    pod = a_pod(
        Volume(
            name="c",
            config_map=ConfigMapVolumeSource(
                name="settings", items=items, default_mode=0o400, optional=True
            ),
        ),
        Volume(name="s", secret=SecretVolumeSource(secret_name="login", items=items)),
        Volume(name="d", downward_api=DownwardAPIVolumeSource(items=files, default_mode=0)),
        Volume(name="p", projected=ProjectedVolumeSource(sources=(token,), default_mode=0o600)),
        Volume(name="n", projected=ProjectedVolumeSource()),
    )
    of_config_map = ConfigMapProjection(name="settings", items=items, optional=True)
    of_secret = SecretProjection(name="login", items=items)
    assert wanted(pod) == (
        Projected("c", "configmap", (VolumeProjection(config_map=of_config_map),), 0o400),
        Projected("s", "secret", (VolumeProjection(secret=of_secret),), 0o644),
        Projected(
            "d",
            "downward-api",
            (VolumeProjection(downward_api=DownwardAPIProjection(items=files)),),
            0,
        ),
        Projected("p", "projected", (token,), 0o600),
        Projected("n", "projected", (), 0o644),
    )
    assert read_only(pod) == {"c", "s", "d", "p", "n"}


def test_other_volumes_may_be_written_to() -> None:
    pod = a_pod(
        Volume(name="e", empty_dir=EmptyDirVolumeSource()),
        Volume(name="h", host_path=HostPathVolumeSource(path="/x")),
    )
    assert read_only(pod) == frozenset()


def test_a_pod_may_have_no_volumes() -> None:
    assert wanted(a_pod()) == ()


@pytest.mark.parametrize("of_type", list(HostPathType))
def test_every_type_of_host_path_is_known(of_type: HostPathType) -> None:
    assert wanted(at("/x", str(of_type))) == (HostPath("v", "/x", of_type),)


@pytest.mark.parametrize(
    ("pod", "error", "told"),
    [
        pytest.param(
            a_pod(
                Volume(
                    name="v",
                    persistent_volume_claim=PersistentVolumeClaimVolumeSource(claim_name="c"),
                )
            ),
            UnsupportedVolume,
            "persistentVolumeClaim is not supported",
            id="a-kind-for-later",
        ),
        pytest.param(
            a_pod(
                Volume(
                    name="v",
                    projected=ProjectedVolumeSource(
                        sources=(
                            VolumeProjection(secret=SecretProjection(name="s")),
                            VolumeProjection(cluster_trust_bundle=ClusterTrustBundleProjection()),
                        )
                    ),
                )
            ),
            UnsupportedVolume,
            "projected with clusterTrustBundle is not supported",
            id="a-source-for-later",
        ),
        pytest.param(
            a_pod(Volume(name="v", csi=CSIVolumeSource(driver="d"))),
            UnsupportedVolume,
            "csi is not supported",
            id="a-kind-that-needs-a-driver",
        ),
        pytest.param(
            a_pod(Volume(name="v", gce_persistent_disk={"pdName": "d"})),
            UnsupportedVolume,
            "gcePersistentDisk is not supported",
            id="an-old-kind-by-its-own-name",
        ),
        pytest.param(
            a_pod(Volume(name="v")),
            UnsupportedVolume,
            "without a source that is known here",
            id="a-kind-newer-than-we-are",
        ),
        pytest.param(
            a_pod(Volume(name="v", empty_dir=EmptyDirVolumeSource(medium="HugePages-2Mi"))),
            UnsupportedVolume,
            "medium HugePages-2Mi",
            id="huge-pages",
        ),
        pytest.param(at("/x", "Tape"), UnsupportedVolume, "type Tape", id="unknown-type"),
        pytest.param(at("x"), InvalidVolume, "must be an absolute path", id="relative-path"),
        pytest.param(at(""), InvalidVolume, "must be an absolute path", id="no-path"),
        pytest.param(at("/a\0b"), InvalidVolume, "must be an absolute path", id="nul"),
        pytest.param(at("/a/../b"), InvalidVolume, "must not contain '..'", id="way-up"),
        pytest.param(
            a_pod(Volume(name="../v", empty_dir=EmptyDirVolumeSource())),
            InvalidVolume,
            "no DNS label",
            id="a-name-that-is-a-path",
        ),
        pytest.param(
            a_pod(
                Volume(name="v", empty_dir=EmptyDirVolumeSource()),
                Volume(name="v", host_path=HostPathVolumeSource(path="/x")),
            ),
            InvalidVolume,
            "taken twice",
            id="two-of-one-name",
        ),
    ],
)
def test_what_cannot_be_mounted_is_named(pod: Pod, error: type[VolumeError], told: str) -> None:
    with pytest.raises(error) as refused:
        wanted(pod)
    assert refused.value.reason == "FailedMount"
    assert told in refused.value.message
    assert refused.value.hint


def test_wishes_that_are_not_granted_are_told() -> None:
    pod = a_pod(
        Volume(name="plain", empty_dir=EmptyDirVolumeSource()),
        Volume(
            name="fast",
            empty_dir=EmptyDirVolumeSource(medium="Memory", size_limit=Quantity("64Mi")),
        ),
        Volume(name="secret", secret=SecretVolumeSource()),
    )
    assert notices(pod) == (
        "volume 'fast': medium Memory takes root here; it is kept on disk",
        "volume 'fast': sizeLimit 64Mi is not enforced yet",
    )
    assert notices(pod, in_memory=True) == ()


def test_a_size_limit_on_a_disk_is_not_granted_anywhere() -> None:
    limited = EmptyDirVolumeSource(size_limit=Quantity("1Gi"))
    pod = a_pod(Volume(name="large", empty_dir=limited))
    assert notices(pod, in_memory=True) == ("volume 'large': sizeLimit 1Gi is not enforced yet",)
