"""The values in force, as a KubeletConfiguration."""

from pathlib import Path

import msgspec

from krustlet.objects import Quantity, Taint
from krustlet.settings import ClusterSettings, Settings, kubelet_configuration, read_config
from krustlet.settings.kubelet_fields import FIELDS

SETTINGS = Settings(
    root=Path("/d"), cache=Path("/d/cache"), logs=Path("/l"), images=None, log_max_bytes=5 << 20
)
CLUSTER = ClusterSettings(
    kubeconfig=Path("/k"),
    node_name="n",
    hostname="n",
    max_pods=7,
    api_qps=1.5,
    report_every_s=300,
    system_reserved={"cpu": Quantity("500m")},
    taints=(Taint(key="a", value="b", effect="NoSchedule"), Taint(key="c", effect="NoExecute")),
    client_ca_file=Path("/ca.crt"),
    certificate=(Path("/a.crt"), Path("/a.key")),
)


def test_it_says_what_is_in_force() -> None:
    told = kubelet_configuration(SETTINGS, CLUSTER)
    assert (told["kind"], told["apiVersion"]) == (
        "KubeletConfiguration",
        "kubelet.config.k8s.io/v1beta1",
    )
    assert told["authentication"]["x509"] == {"clientCAFile": "/ca.crt"}
    assert (told["tlsCertFile"], told["tlsPrivateKeyFile"]) == ("/a.crt", "/a.key")
    assert told["serverTLSBootstrap"] is False  # as there is one already
    assert told["nodeStatusReportFrequency"] == "5m0s"
    assert told["containerLogMaxSize"] == "5Mi"
    assert (told["kubeAPIQPS"], told["maxPods"], told["podPidsLimit"]) == (2, 7, -1)
    assert told["systemReserved"] == {"cpu": "500m"}
    assert told["registerWithTaints"] == [
        {"key": "a", "value": "b", "effect": "NoSchedule"},
        {"key": "c", "effect": "NoExecute"},
    ]


def test_it_holds_only_fields_that_kubernetes_has() -> None:
    assert kubelet_configuration(SETTINGS, CLUSTER).keys() <= FIELDS.keys()


def test_it_can_be_the_next_node_s_file(tmp_path: Path) -> None:
    file = tmp_path / "kubelet.json"
    file.write_bytes(msgspec.json.encode(kubelet_configuration(SETTINGS, CLUSTER)))
    config = read_config(file)
    assert config.no_effect == ()
    assert config.values["taints"] == ["a=b:NoSchedule", "c:NoExecute"]
    assert config.values["eviction_hard"] == CLUSTER.eviction_hard
