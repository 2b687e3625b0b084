"""What the pages tell an administrator to type does what they say, line by line."""

import os
import re
import subprocess
from pathlib import Path
from typing import Final

from tests.support.cluster import Cluster
from tests.support.controlplane import Programs

PAGES: Final = Path(__file__).parents[2] / "docs" / "how-to"


def blocks(language: str, page: str, *, after: str, before: str) -> list[str]:
    section = (PAGES / page).read_text().partition(after)[2].partition(before)[0]
    return re.findall(rf"^```{language}\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)


def test_a_node_is_given_a_certificate_and_a_kubeconfig(
    cluster: Cluster, programs: Programs, tmp_path: Path
) -> None:
    page = "join-a-cluster.md"
    found = blocks("sh", page, after="## Credentials made by hand", before="with which the node")
    assert len(found) == 2
    try:
        done = subprocess.run(
            ["bash", "-eu", "-o", "pipefail"],
            input="\n".join(found),
            capture_output=True,
            text=True,
            check=False,
            cwd=tmp_path,
            env={
                "HOME": str(tmp_path),
                "KUBECONFIG": str(cluster.kubeconfig()),
                "PATH": f"{programs.path('kubectl').parent}:{os.environ['PATH']}",
            },
            timeout=120,
        )
    finally:
        cluster.kubectl("delete", "csr", "wasm-1", "--ignore-not-found")

    assert done.returncode == 0, done.stderr
    identity = done.stdout.rpartition("Username")[2]
    assert "system:node:wasm-1" in identity
    assert "system:nodes" in identity
    config = tmp_path / "node.conf"
    assert config.stat().st_mode & 0o077 == 0
    own = cluster.kubectl("auth", "can-i", "create", "nodes", kubeconfig=config)
    assert own.stdout == "yes\n"
    others = cluster.kubectl("get", "secrets", "-A", kubeconfig=config)
    assert "cannot list resource" in others.stderr


def test_the_template_of_a_daemonset_lets_its_pods_onto_wasm_nodes(cluster: Cluster) -> None:
    (manifest,) = (
        block
        for block in blocks(
            "yaml", "run-a-node.md", after="**4. A module and a pod.**", before="## Other pods"
        )
        if "DaemonSet" in block
    )
    checked = cluster.kubectl("create", "--dry-run=server", "-f", "-", stdin=manifest)
    assert checked.code == 0, checked.stderr
