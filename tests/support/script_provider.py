"""A provider whose containers run pieces of Python, and a kubelet around it that can be killed.

As a program, `python -m tests.support.script_provider DIRECTORY [--scratch] [SCRIPT…]`, it runs
each script as a container, says `ready` and waits for its end, however that comes.
"""

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec

from krustlet.images import Image
from krustlet.provider import ContainerRequest, ProcessRuntime, Program
from tests.support.script_runner import Script
from tests.support.supervised import ROOT, SCRIPT, settings

IMAGE = Image("file:script", "sha256:0", path="/dev/null", size_bytes=0, entrypoint_name="script")


class ScriptProvider:
    """Describes a container as the piece of Python in its environment."""

    def __init__(self) -> None:
        self.runners: Sequence[str] = (SCRIPT,)
        self.closed = False

    async def prepare(self, image: Image) -> None: ...

    async def program(self, request: ContainerRequest) -> Program:
        return Program(SCRIPT, msgspec.msgpack.encode(Script(request.env["SCRIPT"])))

    async def close(self) -> None:
        self.closed = True


def a_request(directory: Path, id_: str, runs: str = "") -> ContainerRequest:
    """A container `id_` of a pod of the same name, that runs a piece of Python."""
    return ContainerRequest(
        id=id_,
        pod=f"default/{id_}",
        pod_uid=id_,
        container="app",
        restart=0,
        image=IMAGE,
        argv=[None],
        env={"SCRIPT": runs},
        log=str(directory / "logs" / id_ / "0.log"),
    )


def a_runtime(directory: Path, *, scratch: bool = False) -> ProcessRuntime:
    """What runs scripts below `directory`; with `scratch` not longer than this process."""
    chosen = settings(directory, scratch=directory if scratch else None)
    return ProcessRuntime(ScriptProvider(), chosen, directory)


@contextmanager
def a_kubelet(
    directory: Path, *scripts: str, scratch: bool = False, ready: bool = True
) -> Iterator["subprocess.Popen[str]"]:
    """A process that runs `scripts` as containers `c0`, `c1`, …; killed when the block ends.

    Args:
        directory: where it, and all it starts, belongs.
        scripts: pieces of Python, one a container.
        scratch: whether all of it is to end with it.
        ready: whether to wait until all of them run.
    """
    command = [sys.executable, "-m", "tests.support.script_provider", str(directory), *scripts]
    process = subprocess.Popen(
        [*command, *(["--scratch"] if scratch else [])],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    with process:
        try:
            if ready:
                wait_for(process)
            yield process
        finally:
            process.kill()


def wait_for(kubelet: "subprocess.Popen[str]") -> None:
    """Until it has started all of its containers."""
    assert kubelet.stdout is not None
    assert "ready\n" in iter(kubelet.stdout.readline, "")


async def main(directory: Path, scratch: bool, scripts: Sequence[str]) -> None:
    runtime = a_runtime(directory, scratch=scratch)
    await runtime.open(lambda _: None)
    for number, runs in enumerate(scripts):
        await runtime.start(a_request(directory, f"c{number}", runs))
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


if __name__ == "__main__":
    given = sys.argv[1:]
    asyncio.run(main(Path(given[0]), "--scratch" in given, [g for g in given[1:] if g[0] != "-"]))
