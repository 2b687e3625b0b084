"""A node's settings come from those of its cluster, and what makes no sense is found out early."""

from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from krustlet.node import LabelsRefused, ReservesInvalid, Threshold, node_settings
from krustlet.objects import Quantity
from krustlet.settings import ClusterSettings

CLUSTER = ClusterSettings(kubeconfig=Path("/node.conf"), node_name="wasm-1", hostname="wasm-1.lan")


def settings(**changes: Any) -> Any:
    cluster = replace(CLUSTER, **changes)
    return node_settings(cluster, ips=["192.0.2.7"], data_dir=Path("/data"))


def test_they_are_the_clusters() -> None:
    told = settings(
        port=10251,
        max_pods=5,
        labels={"rack": "r1"},
        taints=(),
        provider_id="bare://a",
        status_every_s=7.0,
        report_every_s=70.0,
        lease_duration_s=20,
        status_max_images=-1,
    )

    assert (told.name, told.hostname, told.ips) == ("wasm-1", "wasm-1.lan", ("192.0.2.7",))
    assert (told.data_dir, told.port, told.max_pods) == (Path("/data"), 10251, 5)
    assert (told.labels, told.taints, told.provider_id) == ({"rack": "r1"}, (), "bare://a")
    assert (told.status_every_s, told.report_every_s) == (7, 70)
    assert (told.lease_duration_s, told.renew_every_s, told.images_max) == (20, 5, -1)


def test_what_is_kept_from_pods_is_understood() -> None:
    told = settings(
        system_reserved={"cpu": Quantity("1")},
        kube_reserved={"cpu": Quantity("500m")},
        eviction_hard={"memory.available": "1Gi"},
    )

    assert told.reserved == {"cpu": "1500m"}
    assert told.thresholds["memory.available"] == Threshold(amount=1 << 30)
    assert "nodefs.available" not in told.thresholds


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"eviction_hard": {"memory.free": "1Gi"}}, ReservesInvalid),
        ({"kube_reserved": {"pods": Quantity("1")}}, ReservesInvalid),
        ({"labels": {"kubernetes.io/role": "agent"}}, LabelsRefused),
    ],
)
def test_what_makes_no_sense_is_refused(changes: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        settings(**changes)
