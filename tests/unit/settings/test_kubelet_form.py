"""What a configuration file says that is a KubeletConfiguration."""

from collections.abc import Callable
from pathlib import Path

import pytest

from krustlet.settings import ConfigFile, ConfigFileError, NoEffect, read_config

HEAD = "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\n"
KUBEADM = """\
authentication:
  anonymous: {enabled: false}
  webhook: {cacheTTL: 0s, enabled: true}
  x509: {clientCAFile: /etc/kubernetes/pki/ca.crt}
authorization:
  mode: Webhook
  webhook: {cacheAuthorizedTTL: 0s, cacheUnauthorizedTTL: 0s}
cgroupDriver: systemd
clusterDNS: [10.96.0.10]
clusterDomain: cluster.local
containerRuntimeEndpoint: ""
cpuManagerReconcilePeriod: 0s
crashLoopBackOff: {}
evictionPressureTransitionPeriod: 0s
fileCheckFrequency: 0s
healthzBindAddress: 127.0.0.1
healthzPort: 10248
httpCheckFrequency: 0s
imageMinimumGCAge: 0s
logging: {flushFrequency: 0, options: {json: {infoBufferSize: "0"}, text: {}}, verbosity: 0}
memorySwap: {}
nodeStatusReportFrequency: 0s
nodeStatusUpdateFrequency: 0s
rotateCertificates: true
runtimeRequestTimeout: 0s
shutdownGracePeriod: 0s
staticPodPath: /etc/kubernetes/manifests
streamingConnectionIdleTimeout: 0s
syncFrequency: 0s
volumeStatsAggPeriod: 0s
"""
"""As kubeadm writes it: what is zero was not said."""

Read = Callable[[str], ConfigFile]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    def read(text: str) -> ConfigFile:
        path = tmp_path / "kubelet.yaml"
        path.write_text(HEAD + text)
        return read_config(path)

    return read


def test_a_file_of_kubeadm_s_is_understood(read: Read) -> None:
    config = read(KUBEADM)
    assert config.values == {
        "client_ca_file": "/etc/kubernetes/pki/ca.crt",
        "rotate_certificates": "true",
    }
    assert [(remark.key, remark.why) for remark in config.no_effect] == [
        ("cgroupDriver", ""),
        ("clusterDNS", ""),
        ("clusterDomain", ""),
        ("healthzBindAddress", ""),
        ("healthzPort", ""),
        ("staticPodPath", ""),
    ]


def test_what_means_something_here_is_honoured(read: Read) -> None:
    config = read(
        "address: 10.0.0.1\nport: 10251\nmaxPods: 5\npodPidsLimit: 64\ncontainerLogMaxSize: 1Mi\n"
        "containerLogMaxFiles: 3\nsystemReserved: {cpu: 500m, memory: 1Gi}\n"
        "kubeReserved: {pid: 9}\nevictionHard: {memory.available: 5%}\n"
        "nodeStatusUpdateFrequency: 20s\nnodeStatusReportFrequency: 1m\n"
        "nodeStatusMaxImages: -1\nnodeLeaseDurationSeconds: 20\n"
        "kubeAPIQPS: 5\nkubeAPIBurst: 6\neventRecordQPS: 0\neventBurst: 7\ntlsCertFile: a.crt\n"
        "tlsPrivateKeyFile: a.key\nserverTLSBootstrap: false\nproviderID: a://b\npodLogsDir: /l\n"
        "registerWithTaints: []\n"
    )
    assert {name: value for name, value in config.values.items() if "file" not in name} == {
        "address": "10.0.0.1",
        "port": "10251",
        "max_pods": "5",
        "pod_pids_limit": "64",
        "log_max_bytes": "1Mi",
        "system_reserved": {"cpu": "500m", "memory": "1Gi"},
        "kube_reserved": {"pid": "9"},
        "eviction_hard": {"memory.available": "5%"},
        "status_every_s": "20s",
        "report_every_s": "1m",
        "status_max_images": "-1",
        "lease_duration_s": "20",
        "api_qps": "5",
        "api_burst": "6",
        "event_qps": "0",
        "event_burst": "7",
        "server_tls_bootstrap": "false",
        "provider_id": "a://b",
        "pod_logs_dir": "/l",
        "taints": [],
    }
    assert config.values["log_max_files"] == "3"
    assert config.values["cert_file"] == str(config.path.parent / "a.crt")
    assert config.no_effect == ()


def test_a_status_that_is_looked_at_so_often_is_told_as_often(read: Read) -> None:
    config = read("nodeStatusUpdateFrequency: 20s\n")
    assert config.values["report_every_s"] == "20s"
    assert config.places["report_every_s"].line == 3


def test_thresholds_replace_the_others_unless_they_are_to_be_merged(read: Read) -> None:
    alone = "evictionHard: {memory.available: 5%}\n"
    assert read(alone).values["eviction_hard"] == {"memory.available": "5%"}
    merged = read(f"{alone}mergeDefaultEvictionSettings: true\n")
    assert merged.values["eviction_hard"]["memory.available"] == "5%"
    assert merged.values["eviction_hard"]["nodefs.available"] == "10%"
    assert merged.no_effect == ()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("authentication: {anonymous: {enabled: true}}", "nobody is let in without credentials"),
        ("authentication: {webhook: {enabled: false}}", "tokens are reviewed"),
        ("authorization: {mode: AlwaysAllow}", "the API server is asked"),
        ("readOnlyPort: 10255", "no port is open"),
        ("tlsMinVersion: VersionTLS10", "nothing before TLS 1.2"),
        ("enableDebuggingHandlers: False", "logs and commands are served"),
    ],
)
def test_what_would_be_less_safe_is_refused_in_words(read: Read, text: str, why: str) -> None:
    [remark] = read(text).no_effect
    assert remark.line == 3
    assert why in remark.why


@pytest.mark.parametrize(
    "text",
    [
        "authentication: {anonymous: {enabled: false}, webhook: {cacheTTL: 2m0s, enabled: true}}",
        "authorization: {mode: Webhook}",
        "readOnlyPort: 0",
        "featureGates: {}",
        "failSwapOn: false",
        "enableServer: true",
        "memorySwap: null",
    ],
)
def test_what_is_so_anyway_is_not_spoken_of(read: Read, text: str) -> None:
    assert read(text).no_effect == ()


def test_what_has_no_effect_is_told_with_its_line(read: Read) -> None:
    config = read("featureGates: {A: true}\nlogging:\n  verbosity: 5\nenableServer: false\n")
    assert config.no_effect == (
        NoEffect("featureGates", 3),
        NoEffect("logging.verbosity", 5),
        NoEffect("enableServer", 6),
    )


@pytest.mark.parametrize(
    ("text", "said", "hint"),
    [
        ("maxPod: 5", "line 3: maxPod: there is no such field", "`maxPods`"),
        ("nodeIP: 10.0.0.1", "line 3: nodeIP: there is no such field", ""),
        ("authentication:\n  x509: {clientCaFile: a}", "line 4: authentication.x509.clientCaFile",
         "`clientCAFile`"),
        ("authorization: Webhook", "line 3: authorization: keys are wanted: mode, webhook", ""),
        ("evictionHard: [a]", "line 3: evictionHard: keys are wanted", ""),
    ],
)  # fmt: skip
def test_what_kubernetes_does_not_know_is_a_mistake(
    read: Read, text: str, said: str, hint: str
) -> None:
    with pytest.raises(ConfigFileError) as refused:
        read(text)
    assert said in refused.value.message
    assert hint in refused.value.hint
