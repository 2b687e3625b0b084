"""What a KubeletConfiguration may hold, and what becomes here of what has no effect.

Source: k8s.io/kubelet config/v1beta1/types.go and k8s.io/component-base logs/api/v1/types.go,
tracing/api/v1/types.go, of Kubernetes 1.36.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

API_VERSION: Final = "kubelet.config.k8s.io/v1beta1"
KIND: Final = "KubeletConfiguration"

_LOG_OPTIONS: Final = {"splitStream": None, "infoBufferSize": None}
_NESTED: Final[Mapping[str, Any]] = {
    "authentication": {
        "x509": {"clientCAFile": None},
        "webhook": {"enabled": None, "cacheTTL": None},
        "anonymous": {"enabled": None},
    },
    "authorization": {
        "mode": None,
        "webhook": {"cacheAuthorizedTTL": None, "cacheUnauthorizedTTL": None},
    },
    "crashLoopBackOff": {"maxContainerRestartPeriod": None},
    "logging": {
        "format": None,
        "flushFrequency": None,
        "verbosity": None,
        "vmodule": None,
        "options": {"text": _LOG_OPTIONS, "json": _LOG_OPTIONS},
    },
    "memorySwap": {"swapBehavior": None},
    "tracing": {"endpoint": None, "samplingRatePerMillion": None},
    "userNamespaces": {"idsPerPod": None},
}
_PLAIN: Final = """
    address allowedUnsafeSysctls apiVersion cgroupDriver cgroupRoot cgroupsPerQOS clusterDNS
    clusterDomain configMapAndSecretChangeDetectionStrategy containerLogMaxFiles containerLogMaxSize
    containerLogMaxWorkers containerLogMonitorInterval containerRuntimeEndpoint contentType
    cpuCFSQuota cpuCFSQuotaPeriod cpuManagerPolicy cpuManagerPolicyOptions cpuManagerReconcilePeriod
    enableContentionProfiling enableControllerAttachDetach enableDebugFlagsHandler
    enableDebuggingHandlers enableProfilingHandler enableServer enableSystemLogHandler
    enableSystemLogQuery enforceNodeAllocatable eventBurst eventRecordQPS evictionHard
    evictionMaxPodGracePeriod evictionMinimumReclaim evictionPressureTransitionPeriod evictionSoft
    evictionSoftGracePeriod failCgroupV1 failSwapOn featureGates fileCheckFrequency hairpinMode
    healthzBindAddress healthzPort httpCheckFrequency imageGCHighThresholdPercent
    imageGCLowThresholdPercent imageMaximumGCAge imageMinimumGCAge
    imagePullCredentialsVerificationPolicy imageServiceEndpoint iptablesDropBit
    iptablesMasqueradeBit kernelMemcgNotification kind kubeAPIBurst kubeAPIQPS kubeReserved
    kubeReservedCgroup kubeletCgroups localStorageCapacityIsolation makeIPTablesUtilChains
    maxOpenFiles maxParallelImagePulls maxPods memoryManagerPolicy memoryReservationPolicy
    memoryThrottlingFactor mergeDefaultEvictionSettings nodeLeaseDurationSeconds nodeStatusMaxImages
    nodeStatusReportFrequency nodeStatusUpdateFrequency oomScoreAdj podCIDR podLogsDir podPidsLimit
    podsPerCore port preloadedImagesVerificationAllowlist protectKernelDefaults providerID
    qosReserved readOnlyPort registerNode registerWithTaints registryBurst registryPullQPS
    reservedMemory reservedSystemCPUs resolvConf rotateCertificates runOnce runtimeRequestTimeout
    seccompDefault serializeImagePulls serverTLSBootstrap showHiddenMetricsForVersion
    shutdownGracePeriod shutdownGracePeriodByPodPriority shutdownGracePeriodCriticalPods
    singleProcessOOMKill staticPodPath staticPodURL staticPodURLHeader
    streamingConnectionIdleTimeout syncFrequency systemCgroups systemReserved systemReservedCgroup
    tlsCertFile tlsCipherSuites tlsCurvePreferences tlsMinVersion tlsPrivateKeyFile
    topologyManagerPolicy topologyManagerPolicyOptions topologyManagerScope volumePluginDir
    volumeStatsAggPeriod
"""
FIELDS: Final[Mapping[str, Any]] = {**dict.fromkeys(_PLAIN.split()), **_NESTED}
"""All there are: None for what is a value, or free in its keys; else the fields below."""

ZEROS_COUNT: Final = frozenset(
    {"containerLogMaxFiles", "eventRecordQPS", "kubeAPIQPS", "nodeStatusMaxImages", "podPidsLimit"}
)
"""Pointers in Go: what is 0 there was said. Of other fields 0 is as good as nothing."""

AS_HERE: Final[Mapping[str, str]] = {
    "authentication.anonymous.enabled": "false",
    "authentication.webhook.cacheTTL": "2m0s",
    "authentication.webhook.enabled": "true",
    "authorization.mode": "Webhook",
    "authorization.webhook.cacheAuthorizedTTL": "5m0s",
    "authorization.webhook.cacheUnauthorizedTTL": "30s",
    "cpuManagerPolicy": "none",
    "enableControllerAttachDetach": "true",
    "enableDebuggingHandlers": "true",
    "enableServer": "true",
    "evictionPressureTransitionPeriod": "5m0s",
    "failSwapOn": "false",
    "memoryManagerPolicy": "None",
    "registerNode": "true",
    "tlsMinVersion": "VersionTLS12",
    "topologyManagerPolicy": "none",
}
"""What is so in any case, and need not be told to have no effect."""


class Refusal(msgspec.Struct, frozen=True):
    """What would make the node less safe than it is, or than whoever wrote the file believes.

    Attributes:
        asks: whether a value asks for it.
        words: what is done instead.
    """

    asks: Callable[[str], bool]
    words: str


REFUSED: Final[Mapping[str, Refusal]] = {
    "authentication.anonymous.enabled": Refusal(
        lambda word: word == "true", "nobody is let in without credentials"
    ),
    "authentication.webhook.enabled": Refusal(
        lambda word: word == "false", "tokens are reviewed by the API server all the same"
    ),
    "authorization.mode": Refusal(
        lambda word: word == "AlwaysAllow", "the API server is asked who may do what all the same"
    ),
    "readOnlyPort": Refusal(
        lambda word: word not in ("", "0"), "no port is open to those without credentials"
    ),
    "enableDebuggingHandlers": Refusal(
        lambda word: word == "false", "logs and commands are served to those who may have them"
    ),
    "tlsMinVersion": Refusal(
        lambda word: word in ("VersionTLS10", "VersionTLS11"), "nothing before TLS 1.2 is spoken"
    ),
}
