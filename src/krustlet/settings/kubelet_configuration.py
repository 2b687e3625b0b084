"""The values in force as a KubeletConfiguration, for those who know that form.

Source: k8s.io/kubelet config/v1beta1/types.go; cmd/kubelet/app/server.go `setConfigz`.
"""

import math
from typing import Any

from krustlet.objects import Taint
from krustlet.settings.cluster import ClusterSettings
from krustlet.settings.durations import go_duration
from krustlet.settings.kubelet_fields import API_VERSION, KIND
from krustlet.settings.settings import Settings

_UNITS = (("Gi", 1 << 30), ("Mi", 1 << 20), ("Ki", 1 << 10))


def kubelet_configuration(settings: Settings, cluster: ClusterSettings) -> dict[str, Any]:
    """Only what means something here; what is left out is not in force."""
    return {
        "kind": KIND,
        "apiVersion": API_VERSION,
        "enableServer": True,
        "podLogsDir": str(settings.logs),
        "address": cluster.address,
        "port": cluster.port,
        **_certificates(cluster),
        **_access(cluster),
        "eventRecordQPS": math.ceil(cluster.event_qps),
        "eventBurst": cluster.event_burst,
        "enableDebuggingHandlers": True,
        "nodeStatusUpdateFrequency": go_duration(cluster.status_every_s),
        "nodeStatusReportFrequency": go_duration(cluster.report_every_s),
        "nodeLeaseDurationSeconds": cluster.lease_duration_s,
        "maxPods": cluster.max_pods,
        "podPidsLimit": settings.pod_pids_limit or -1,
        "nodeStatusMaxImages": cluster.status_max_images,
        "kubeAPIQPS": math.ceil(cluster.api_qps),
        "kubeAPIBurst": cluster.api_burst,
        "evictionHard": dict(cluster.eviction_hard),
        "enableControllerAttachDetach": True,
        "failSwapOn": False,
        "containerLogMaxSize": size_text(settings.log_max_bytes),
        "containerLogMaxFiles": settings.log_max_files,
        "systemReserved": dict(cluster.system_reserved),
        "kubeReserved": dict(cluster.kube_reserved),
        "providerID": cluster.provider_id,
        "registerWithTaints": [_taint(taint) for taint in cluster.taints],
        "registerNode": True,
        "containerRuntimeEndpoint": "",  # a field that must be there; there is no such process
    }


def _certificates(cluster: ClusterSettings) -> dict[str, Any]:
    files = {}
    if cluster.certificate is not None:
        certificate, key = cluster.certificate
        files = {"tlsCertFile": str(certificate), "tlsPrivateKeyFile": str(key)}
    return {
        **files,
        "tlsMinVersion": "VersionTLS12",
        "rotateCertificates": cluster.rotate_certificates,
        "serverTLSBootstrap": cluster.server_tls_bootstrap and cluster.certificate is None,
    }


def _access(cluster: ClusterSettings) -> dict[str, Any]:
    """Of which the caller's file is all that can be chosen."""
    authority = cluster.client_ca_file
    return {
        "authentication": {
            "x509": {"clientCAFile": str(authority)} if authority is not None else {},
            "webhook": {"enabled": True, "cacheTTL": "2m0s"},
            "anonymous": {"enabled": False},
        },
        "authorization": {
            "mode": "Webhook",
            "webhook": {"cacheAuthorizedTTL": "5m0s", "cacheUnauthorizedTTL": "30s"},
        },
    }


def size_text(count: int) -> str:
    """A number of bytes as a quantity, `10Mi`."""
    for unit, size in _UNITS:
        if count and count % size == 0:
            return f"{count // size}{unit}"
    return str(count)


def _taint(taint: Taint) -> dict[str, str]:
    value = {"value": taint.value} if taint.value else {}
    return {"key": taint.key, **value, "effect": taint.effect}
