"""What of a pod is refused, and what is passed over."""

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from krustlet.objects import (
    AppArmorProfile,
    Capabilities,
    ConfigMapEnvSource,
    ContainerPort,
    ContainerRestartRule,
    DownwardAPIProjection,
    DownwardAPIVolumeSource,
    EmptyDirVolumeSource,
    EnvFromSource,
    EnvVar,
    EnvVarSource,
    EphemeralContainer,
    HostAlias,
    Lifecycle,
    ObjectFieldSelector,
    Pod,
    PodDNSConfig,
    PodOS,
    PodReadinessGate,
    PodSecurityContext,
    Probe,
    ProjectedVolumeSource,
    Quantity,
    ResourceRequirements,
    SeccompProfile,
    SecretKeySelector,
    SecretVolumeSource,
    SecurityContext,
    SELinuxOptions,
    ServiceAccountTokenProjection,
    Sysctl,
    Volume,
    VolumeDevice,
    VolumeProjection,
    WindowsSecurityContextOptions,
)
from krustlet.pods import Rejection, ignored, refusal
from krustlet.pods.admission import (
    IGNORED_CONTAINER_FIELDS,
    IGNORED_POD_FIELDS,
    POWERLESS_CONTAINER_FIELDS,
    POWERLESS_POD_FIELDS,
)
from krustlet.pods.ports import Power
from tests.support.fake_node import FakeNode
from tests.support.pods import a_container, a_pod, a_sidecar
from tests.support.virtual_time import in_virtual_time

OF_CONTAINERS: dict[str, dict[str, Any]] = {
    "lifecycle": {"lifecycle": Lifecycle()},
    "livenessProbe": {"liveness_probe": Probe()},
    "ports": {"ports": (ContainerPort(container_port=80, host_port=8080),)},
    "readinessProbe": {"readiness_probe": Probe()},
    "startupProbe": {"startup_probe": Probe()},
    "restartPolicyRules": {
        "restart_policy_rules": (ContainerRestartRule(action="RestartAllContainers"),)
    },
    "volumeDevices": {"volume_devices": (VolumeDevice(name="disk", device_path="/dev/x"),)},
    **{
        f"securityContext.{field}": {"security_context": context}
        for field, context in {
            "allowPrivilegeEscalation": SecurityContext(allow_privilege_escalation=True),
            "appArmorProfile": SecurityContext(
                app_armor_profile=AppArmorProfile(type="RuntimeDefault")
            ),
            "capabilities.add": SecurityContext(capabilities=Capabilities(add=("NET_ADMIN",))),
            "privileged": SecurityContext(privileged=True),
            "procMount": SecurityContext(proc_mount="Unmasked"),
            "seLinuxOptions": SecurityContext(se_linux_options=SELinuxOptions()),
            "seccompProfile": SecurityContext(
                seccomp_profile=SeccompProfile(type="Localhost", localhost_profile="p.json")
            ),
            "windowsOptions": SecurityContext(windows_options=WindowsSecurityContextOptions()),
        }.items()
    },
}

OF_PODS: dict[str, dict[str, Any]] = {
    "activeDeadlineSeconds": {"active_deadline_seconds": 60},
    "ephemeralContainers": {"ephemeral_containers": (EphemeralContainer(name="debug"),)},
    "hostIPC": {"host_ipc": True},
    "hostPID": {"host_pid": True},
    "hostUsers": {"host_users": False},
    "readinessGates": {"readiness_gates": (PodReadinessGate(condition_type="x"),)},
    "resourceClaims": {"resource_claims": ({"name": "gpu"},)},
    "shareProcessNamespace": {"share_process_namespace": True},
    **{
        f"securityContext.{field}": {"security_context": context}
        for field, context in {
            "appArmorProfile": PodSecurityContext(
                app_armor_profile=AppArmorProfile(type="RuntimeDefault")
            ),
            "seLinuxOptions": PodSecurityContext(se_linux_options=SELinuxOptions()),
            "seccompProfile": PodSecurityContext(seccomp_profile=SeccompProfile(type="Unconfined")),
            "sysctls": PodSecurityContext(sysctls=(Sysctl(name="kernel.shm_rmid_forced"),)),
            "windowsOptions": PodSecurityContext(windows_options=WindowsSecurityContextOptions()),
        }.items()
    },
}

POWERLESS_OF_CONTAINERS: dict[str, dict[str, Any]] = {
    "resources": {"resources": ResourceRequirements(limits={"cpu": Quantity("1")})},
    "securityContext.runAsGroup": {"security_context": SecurityContext(run_as_group=0)},
    "securityContext.runAsUser": {"security_context": SecurityContext(run_as_user=0)},
    "terminationMessagePath": {"termination_message_path": "/tmp/last-words"},
}

POWERLESS_OF_PODS: dict[str, dict[str, Any]] = {
    "dnsConfig": {"dns_config": PodDNSConfig()},
    "hostAliases": {"host_aliases": (HostAlias(ip="10.0.0.1"),)},
    "hostname": {"hostname": "web-1"},
    "hostnameOverride": {"hostname_override": "web-1"},
    "resources": {"resources": ResourceRequirements(limits={"cpu": Quantity("1")})},
    "setHostnameAsFQDN": {"set_hostname_as_fqdn": True},
    "subdomain": {"subdomain": "web"},
    **{
        f"securityContext.{field}": {"security_context": context}
        for field, context in {
            "fsGroup": PodSecurityContext(fs_group=0),
            "runAsGroup": PodSecurityContext(run_as_group=0),
            "runAsUser": PodSecurityContext(run_as_user=0),
            "supplementalGroups": PodSecurityContext(supplemental_groups=(0,)),
        }.items()
    },
}


def test_every_field_of_the_tables_is_tried_here() -> None:
    assert OF_CONTAINERS.keys() == IGNORED_CONTAINER_FIELDS.keys()
    assert OF_PODS.keys() == IGNORED_POD_FIELDS.keys()
    assert POWERLESS_OF_CONTAINERS.keys() == POWERLESS_CONTAINER_FIELDS.keys()
    assert POWERLESS_OF_PODS.keys() == POWERLESS_POD_FIELDS.keys()


@pytest.mark.parametrize("field", OF_CONTAINERS)
def test_a_field_of_a_container_that_means_nothing_is_told_of(field: str) -> None:
    app, init = a_container(**OF_CONTAINERS[field]), a_sidecar("log", **OF_CONTAINERS[field])
    assert list(ignored(a_pod(app, init=(init,)), set(Power))) == [
        f"has no effect here: spec.initContainers[log].{field}, spec.containers[app].{field}"
    ]


@pytest.mark.parametrize("field", OF_PODS)
def test_a_field_of_a_pod_that_means_nothing_is_told_of(field: str) -> None:
    assert list(ignored(a_pod(**OF_PODS[field]), set(Power))) == [
        f"has no effect here: spec.{field}"
    ]


@pytest.mark.parametrize("field", POWERLESS_OF_CONTAINERS)
def test_a_field_of_a_container_that_this_node_cannot_see_to_is_told_of(field: str) -> None:
    pod = a_pod(a_container(**POWERLESS_OF_CONTAINERS[field]))
    need, _ = POWERLESS_CONTAINER_FIELDS[field]
    told = [f"has no effect here: spec.containers[app].{field}"]
    assert list(ignored(pod)) == told
    assert list(ignored(pod, {need})) == []
    assert list(ignored(pod, set(Power) - {need})) == told


@pytest.mark.parametrize("field", POWERLESS_OF_PODS)
def test_a_field_of_a_pod_that_this_node_cannot_see_to_is_told_of(field: str) -> None:
    pod = a_pod(**POWERLESS_OF_PODS[field])
    need, _ = POWERLESS_POD_FIELDS[field]
    assert list(ignored(pod)) == [f"has no effect here: spec.{field}"]
    assert list(ignored(pod, {need})) == []
    assert list(ignored(pod, set(Power) - {need})) == [f"has no effect here: spec.{field}"]


@pytest.mark.parametrize(
    "pod",
    [
        pytest.param(a_pod(), id="a-plain-one"),
        pytest.param(
            a_pod(a_container(ports=(ContainerPort(container_port=80, host_port=80),))),
            id="a-port-under-its-own-number",
        ),
        pytest.param(
            a_pod(
                a_container(
                    restart_policy="Never",
                    restart_policy_rules=(ContainerRestartRule(action="Restart"),),
                )
            ),
            id="a-rule-that-is-followed",
        ),
        pytest.param(
            a_pod(
                a_container(security_context=SecurityContext()),
                security_context=PodSecurityContext(),
                host_users=True,
            ),
            id="what-says-nothing",
        ),
        pytest.param(
            a_pod(
                a_container(
                    stdin=True,
                    tty=True,
                    termination_message_policy="FallbackToLogsOnError",
                    security_context=SecurityContext(
                        allow_privilege_escalation=False,
                        app_armor_profile=AppArmorProfile(type="Unconfined"),
                        capabilities=Capabilities(drop=("ALL",)),
                        privileged=False,
                        proc_mount="Default",
                        read_only_root_filesystem=True,
                        seccomp_profile=SeccompProfile(type="RuntimeDefault"),
                    ),
                ),
                security_context=PodSecurityContext(run_as_non_root=True),
            ),
            id="what-is-so-anyway",
        ),
    ],
)
def test_what_has_its_effect_is_not_told_of(pod: Pod) -> None:
    assert list(ignored(pod)) == []


def test_wishes_of_volumes_are_told_of() -> None:
    cache = Volume(name="cache", empty_dir=EmptyDirVolumeSource(medium="Memory"))
    (told,) = ignored(a_pod(volumes=(cache,)))
    assert "medium Memory" in told
    assert list(ignored(a_pod(volumes=(cache,)), {Power.MOUNTS_MEMORY})) == []


def a_variable(source: SecretKeySelector | ObjectFieldSelector) -> EnvVar:
    if isinstance(source, SecretKeySelector):
        return EnvVar(name="A", value_from=EnvVarSource(secret_key_ref=source))
    return EnvVar(name="A", value_from=EnvVarSource(field_ref=source))


# refused ----------------------------------------------------------------------------------------


def as_user(user: int) -> SecurityContext:
    return SecurityContext(run_as_user=user)


@pytest.mark.parametrize(
    ("pod", "field"),
    [
        pytest.param(
            a_pod(security_context=PodSecurityContext(run_as_user=1000)),
            "spec.securityContext.runAsUser",
            id="the-pod-asks-for-a-user",
        ),
        pytest.param(
            a_pod(security_context=PodSecurityContext(run_as_non_root=True)),
            "spec.securityContext.runAsNonRoot",
            id="the-pod-will-not-be-root",
        ),
        pytest.param(
            a_pod(a_container(security_context=as_user(1000))),
            "spec.containers[app].securityContext.runAsUser",
            id="a-container-asks-for-a-user",
        ),
        pytest.param(
            a_pod(init=(a_container("first", security_context=as_user(1000)),)),
            "spec.initContainers[first].securityContext.runAsUser",
            id="an-init-container-asks-for-a-user",
        ),
        pytest.param(
            a_pod(
                a_container("one", security_context=as_user(0)),
                a_container("two"),
                security_context=PodSecurityContext(run_as_user=1000),
            ),
            "spec.securityContext.runAsUser",
            id="one-of-two-containers-takes-the-pods-user",
        ),
    ],
)
def test_root_that_can_only_be_root_does_not_run_what_must_not_be(pod: Pod, field: str) -> None:
    rejection = refusal(pod, uid=0)
    assert rejection is not None
    assert rejection.reason == "PodFeatureUnsupported"
    assert rejection.message.startswith(f"{field}: this node cannot run it as another user")
    assert refusal(pod, uid=1000) is None
    assert refusal(pod, uid=0, powers={Power.CHANGES_USERS}) is None


@pytest.mark.parametrize(
    "pod",
    [
        pytest.param(a_pod(), id="nobody-asks"),
        pytest.param(a_pod(a_container(security_context=as_user(0))), id="root-is-asked-for"),
        pytest.param(
            a_pod(
                a_container(security_context=SecurityContext(run_as_non_root=False)),
                security_context=PodSecurityContext(run_as_non_root=True),
            ),
            id="the-container-overrules-the-pod",
        ),
        pytest.param(a_pod(os=PodOS(name="linux")), id="of-this-system"),
    ],
)
def test_root_runs_the_rest(pod: Pod) -> None:
    assert refusal(pod, uid=0) is None


def test_a_pod_for_another_system_is_refused_by_everybody() -> None:
    for uid in (0, 1000):
        assert refusal(a_pod(os=PodOS(name="windows")), uid=uid) == Rejection(
            "PodOSNotSupported", "Failed to admit pod as the OS field doesn't match node OS"
        )


CLUSTERLESS = "is known to a cluster only; write the values into the manifest"


@pytest.mark.parametrize(
    ("pod", "reference"),
    [
        pytest.param(
            a_pod(
                a_container(
                    env_from=(EnvFromSource(config_map_ref=ConfigMapEnvSource(name="settings")),)
                )
            ),
            "spec.containers[app].envFrom: configMapRef 'settings'",
            id="an-environment",
        ),
        pytest.param(
            a_pod(init=(a_container("first", env=(a_variable(SecretKeySelector(name="s")),)),)),
            "spec.initContainers[first].env[A]: secretKeyRef 's'",
            id="a-variable",
        ),
        pytest.param(
            a_pod(a_container(env=(a_variable(ObjectFieldSelector(field_path="status.podIP")),))),
            "spec.containers[app].env[A]: fieldRef",
            id="an-address",
        ),
        pytest.param(
            a_pod(volumes=(Volume(name="v", secret=SecretVolumeSource(secret_name="s")),)),
            "spec.volumes[v]: secret",
            id="a-volume",
        ),
        pytest.param(
            a_pod(
                volumes=(
                    Volume(
                        name="v",
                        projected=ProjectedVolumeSource(
                            sources=(
                                VolumeProjection(downward_api=DownwardAPIProjection()),
                                VolumeProjection(
                                    service_account_token=ServiceAccountTokenProjection()
                                ),
                            )
                        ),
                    ),
                )
            ),
            "spec.volumes[v]: projected serviceAccountToken",
            id="part-of-a-volume",
        ),
    ],
)
def test_what_only_a_cluster_knows_is_refused_without_one(pod: Pod, reference: str) -> None:
    rejection = refusal(pod, uid=1000, has_cluster=False)
    assert rejection is not None
    assert rejection.reason == "PodFeatureUnsupported"
    assert rejection.message.startswith(f"{reference} {CLUSTERLESS}")
    assert refusal(pod, uid=1000) is None


def test_what_a_pod_knows_of_itself_needs_no_cluster() -> None:
    pod = a_pod(
        a_container(env=(a_variable(ObjectFieldSelector(field_path="metadata.name")),)),
        volumes=(
            Volume(name="v", downward_api=DownwardAPIVolumeSource()),
            Volume(name="e", empty_dir=EmptyDirVolumeSource()),
            Volume(name="p", projected=ProjectedVolumeSource()),
        ),
    )
    assert refusal(pod, uid=1000, has_cluster=False) is None


# told -------------------------------------------------------------------------------------------


@in_virtual_time
async def test_a_refused_pod_fails_starts_nothing_and_can_be_deleted(tmp_path: Path) -> None:
    node = FakeNode(tmp_path)
    pod = a_pod(os=PodOS(name="windows"))
    async with node.kubelet() as pods:
        pods.add(pod, directory=tmp_path)
        status = await node.sink.until_phase("Failed")
        await asyncio.sleep(1000)
        pods.delete(pod.uid, grace_s=30)
        await node.sink.until_gone()
    why = "Failed to admit pod as the OS field doesn't match node OS"
    assert (status.reason, status.message) == ("PodOSNotSupported", f"Pod was rejected: {why}")
    assert node.sink.phases() == ["Pending", "Failed"][-len(node.sink.phases()) :]
    assert node.sink.told(kind="Warning") == [f"PodOSNotSupported: {why}"]
    assert node.runtime.requests == []
    assert node.volumes.mount_trip.touched == 0


@in_virtual_time
async def test_what_is_passed_over_is_told_once(tmp_path: Path) -> None:
    node = FakeNode(tmp_path)
    pod = a_pod(a_container(lifecycle=Lifecycle()))
    for _ in range(2):
        async with node.kubelet() as pods:
            pods.add(pod, directory=tmp_path)
            await node.sink.until_phase("Running")
    assert node.sink.told(kind="Warning") == [
        "FieldsIgnored: has no effect here: spec.containers[app].lifecycle"
    ]


@pytest.mark.root
@in_virtual_time
async def test_the_kubelets_own_user_decides(tmp_path: Path) -> None:
    node = FakeNode(tmp_path)
    assert os.getuid() == 0
    pod = replace(a_pod(security_context=PodSecurityContext(run_as_user=1000)))
    async with node.kubelet() as pods:
        pods.add(pod, directory=tmp_path)
        await node.sink.until_phase("Failed")
