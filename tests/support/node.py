"""A kubelet whose containers outlive it, as a node's do: `python -m tests.support.node`.

It runs the pods of a manifest, whose uids are in it, and prints each status as a line of JSON. A
line `delete UID` on its stdin deletes a pod.
"""

import asyncio
import sys
from pathlib import Path

import msgspec

from krustlet.base.logs import set_up_logs
from krustlet.kubelet import run_kubelet
from krustlet.objects import Pod, PodStatus
from krustlet.pods import PodEvent
from krustlet.settings import Settings
from krustlet.sources import load_pods


class Printed(msgspec.Struct, frozen=True):
    """A line of what it prints; `phase` is `Gone` at the very end."""

    pod: str
    phase: str
    status: PodStatus = PodStatus()


class _Printer:
    def publish(self, pod: Pod, status: PodStatus) -> None:
        self._print(Printed(pod.name, status.phase, status))

    def emit(self, pod: Pod, event: PodEvent) -> None:
        """Events are not printed."""

    async def until_told(self, pod: Pod) -> None:
        """It is printed as soon as it is published."""

    def gone(self, pod: Pod) -> None:
        self._print(Printed(pod.name, "Gone"))

    def _print(self, printed: Printed) -> None:
        sys.stdout.write(msgspec.json.encode(printed).decode() + "\n")
        sys.stdout.flush()


async def _main(directory: Path, manifest: Path) -> None:
    settings = Settings(
        root=directory,
        cache=directory / "cache",
        logs=directory / "logs",
        images=directory / "images",
    )
    async with run_kubelet(settings, _Printer()) as kubelet:
        for pod in load_pods(manifest.read_text(), name=str(manifest)):
            kubelet.pods.add(pod, directory=manifest.parent)
        kubelet.pods.stop_strangers()
        while line := await asyncio.to_thread(sys.stdin.readline):
            _, uid = line.split()
            kubelet.pods.delete(uid, grace_s=5)


if __name__ == "__main__":
    set_up_logs("error")
    asyncio.run(_main(Path(sys.argv[1]), Path(sys.argv[2])))
