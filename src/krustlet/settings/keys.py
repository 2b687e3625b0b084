"""Which key of a configuration file stands for which option of `krustlet node`.

One table for both forms of the file. The names of options are those of their parameters, as
`krustlet.cli` has them.
"""

from enum import Enum, auto
from typing import Final

import msgspec


class Shape(Enum):
    """What may stand behind a key.

    Where a list or keys are wanted, a single word is read as the option reads it.
    """

    WORD = auto()
    PATH = auto()  # relative to the file
    LIST = auto()  # of words
    KEYS = auto()  # words by key
    PAIRS = auto()  # likewise, for an option that may be repeated
    TAINTS = auto()  # words, or `key`, `value` and `effect` of each


class Key(msgspec.Struct, frozen=True):
    """One option.

    Attributes:
        option: its parameter.
        own: its key in Krustlet's own file.
        kubelet: its field of a KubeletConfiguration, if there is one.
    """

    option: str
    own: str
    shape: Shape = Shape.WORD
    kubelet: str = ""


KEYS: Final = (
    # The original Krustlet's, by its own names.
    Key("node_name", "nodeName"),
    Key("hostname", "hostname"),
    Key("node_ips", "nodeIP", Shape.LIST),
    Key("address", "listenerAddress", kubelet="address"),
    Key("port", "listenerPort", kubelet="port"),
    Key("max_pods", "maxPods", kubelet="maxPods"),
    Key("labels", "nodeLabels", Shape.KEYS),
    Key("data_dir", "dataDir", Shape.PATH),
    Key("bootstrap_file", "bootstrapFile", Shape.PATH),
    Key("cert_file", "tlsCertificateFile", Shape.PATH, "tlsCertFile"),
    Key("private_key_file", "tlsPrivateKeyFile", Shape.PATH, "tlsPrivateKeyFile"),
    Key("insecure_registries", "insecureRegistries", Shape.LIST),
    Key("allow_local_modules", "allowLocalModules"),
    Key("plugins_dir", "pluginsDir", Shape.PATH),
    Key("device_plugins_dir", "devicePluginsDir", Shape.PATH),
    # Krustlet's by now, by Kubernetes' names where it has them.
    Key("kubeconfig", "kubeconfig", Shape.PATH),
    Key("rotate_certificates", "rotateCertificates", kubelet="rotateCertificates"),
    Key("server_tls_bootstrap", "serverTLSBootstrap", kubelet="serverTLSBootstrap"),
    Key("client_ca_file", "clientCAFile", Shape.PATH, "authentication.x509.clientCAFile"),
    Key("pod_logs_dir", "podLogsDir", Shape.PATH, "podLogsDir"),
    Key("taints", "registerWithTaints", Shape.TAINTS, "registerWithTaints"),
    Key("provider_id", "providerID", kubelet="providerID"),
    Key("system_reserved", "systemReserved", Shape.KEYS, "systemReserved"),
    Key("kube_reserved", "kubeReserved", Shape.KEYS, "kubeReserved"),
    Key("eviction_hard", "evictionHard", Shape.KEYS, "evictionHard"),
    Key("status_every_s", "nodeStatusUpdateFrequency", kubelet="nodeStatusUpdateFrequency"),
    Key("report_every_s", "nodeStatusReportFrequency", kubelet="nodeStatusReportFrequency"),
    Key("lease_duration_s", "nodeLeaseDurationSeconds", kubelet="nodeLeaseDurationSeconds"),
    Key("status_max_images", "nodeStatusMaxImages", kubelet="nodeStatusMaxImages"),
    Key("registry_certs_dir", "registryCertsDir", Shape.PATH),
    Key("api_qps", "kubeAPIQPS", kubelet="kubeAPIQPS"),
    Key("api_burst", "kubeAPIBurst", kubelet="kubeAPIBurst"),
    Key("event_qps", "eventQPS", kubelet="eventRecordQPS"),
    Key("event_burst", "eventBurst", kubelet="eventBurst"),
    Key("log_max_bytes", "containerLogMaxSize", kubelet="containerLogMaxSize"),
    Key("log_max_files", "containerLogMaxFiles", kubelet="containerLogMaxFiles"),
    Key("pod_pids_limit", "podMaxPids", kubelet="podPidsLimit"),
    Key("pod_users", "podUsers"),
    Key("root_containers", "allowRootContainers"),
    Key("provider", "provider"),
    Key("provider_options", "providerOptions", Shape.PAIRS),
    Key("log_level", "logLevel"),
)
