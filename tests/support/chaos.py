"""Random trouble for a node, and what has to be true of it whatever happened.

Owns the pods that come and go meanwhile, and what is done to the node; everything random comes
from one seed. Leaves what the API server said on the way to `history.py`.
"""

import contextlib
import os
import random
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from tests.support.bench import Bench, a_pod
from tests.support.history import Seen
from tests.support.krustlet_node import KrustletNode
from tests.support.processes import descendants, is_alive, name_of, status
from tests.support.until import until

Image = Callable[[str], str]

LOST: Final = 137  # the code of whatever was killed, or died with its supervisor
_OVER: Final = ("Succeeded", "Failed")
_COMM: Final = 15  # characters of a process' name
_SCHEME: Final = "krustlet://"


class Kind(msgspec.Struct, frozen=True):
    """What a pod is, and how it ends when it is let alone.

    Attributes:
        ends: its phase in the end.
        codes: what its containers exit with, by name; those that run for ever are left out.
        ticks: how many lines each of its containers prints a run, by name.
    """

    make: Callable[[str, Image, str], dict[str, Any]]
    ends: str
    codes: dict[str, int]
    ticks: dict[str, int]
    policy: str = "Never"


def _ticks(name: str, image: Image, *args: object, **more: Any) -> dict[str, Any]:
    return {"name": name, "image": image("ticks"), "args": [str(a) for a in args], **more}


def _pod(name: str, node: str, policy: str, *containers: Any, **spec: Any) -> dict[str, Any]:
    spec = {
        "nodeName": node,
        "restartPolicy": policy,
        "automountServiceAccountToken": False,
        "terminationGracePeriodSeconds": 5,
        **spec,
    }
    pod = a_pod(name, "", **spec)
    pod["spec"]["containers"] = list(containers)
    return pod


KINDS: Final = {
    "short": Kind(
        lambda name, image, node: _pod(name, node, "Never", _ticks("app", image, 3, 20)),
        "Succeeded", {"app": 0}, {"app": 3},
    ),
    "failing": Kind(
        lambda name, image, node: _pod(name, node, "Never", _ticks("app", image, 5, 100, 3)),
        "Failed", {"app": 3}, {"app": 5},
    ),
    "crashing": Kind(
        lambda name, image, node: _pod(name, node, "OnFailure", _ticks("app", image, 2, 20, 4)),
        "Running", {"app": 4}, {"app": 2}, "OnFailure",
    ),
    "again": Kind(
        lambda name, image, node: _pod(name, node, "Always", _ticks("app", image, 2, 50)),
        "Running", {"app": 0}, {"app": 2}, "Always",
    ),
    "long": Kind(
        lambda name, image, node: _pod(name, node, "Always", _ticks("app", image, 100000, 100)),
        "Running", {}, {"app": 100000}, "Always",
    ),
    "init": Kind(
        lambda name, image, node: _pod(
            name, node, "Never",
            _ticks("app", image, 10, 50),
            initContainers=[
                _ticks("first", image, 3, 30),
                _ticks("beside", image, 100000, 50, restartPolicy="Always"),
                _ticks("second", image, 2, 30),
            ],
        ),
        "Succeeded",
        {"app": 0, "first": 0, "second": 0},
        {"app": 10, "first": 3, "second": 2, "beside": 100000},
    ),
    "two": Kind(
        lambda name, image, node: _pod(
            name, node, "Never", _ticks("app", image, 10, 30), _ticks("other", image, 4, 30, 9)
        ),
        "Failed", {"app": 0, "other": 9}, {"app": 10, "other": 4},
    ),
}  # fmt: skip


class Chaos:
    """A node in trouble, and the pods that have to come through it."""

    def __init__(self, bench: Bench, node: KrustletNode, image: Image, *, seed: int) -> None:
        self.bench = bench
        self.node = node
        self.random = random.Random(seed)
        self.kinds: dict[str, Kind] = {}
        self.deleted: set[str] = set()
        self.done: list[str] = []
        self.doubles: list[Seen] = []
        self._image = image
        self._number = 0
        self.has_killed = False  # a supervisor, or a container itself

    # pods -------------------------------------------------------------------------------------

    def some_pods(self, most: int) -> None:
        """A few more of them, of any kind."""
        fresh = []
        for _ in range(self.random.randint(1, most)):
            kind = self.random.choice(sorted(KINDS))
            self._number += 1
            name = f"{kind}-{self._number}"
            self.kinds[name] = KINDS[kind]
            fresh.append(KINDS[kind].make(name, self._image, self.node.name))
        self.bench.apply(*fresh)

    def some_deletions(self, most: int) -> None:
        """A few of them are deleted, in one of the ways there are."""
        there = sorted(set(self.kinds) - self.deleted)
        chosen = self.random.sample(there, min(len(there), self.random.randint(0, most)))
        for name in chosen:
            ways: list[tuple[str, ...]] = [
                (), ("--grace-period=1",), ("--now",), ("--force", "--grace-period=0"),
            ]  # fmt: skip
            way = self.random.choice(ways)
            self.deleted.add(name)
            self.done.append(f"delete {name} {' '.join(way)}")
            result = self.bench.kubectl("delete", "pod", name, "--wait=false", *way)
            assert result.code == 0, result.stderr

    # trouble ----------------------------------------------------------------------------------

    def some_trouble(self, *, containers: bool = True) -> None:
        """Something happens to the node.

        Args:
            containers: whether that may cost containers their lives.
        """
        ways: list[Callable[[], None]] = [
            self._kill, self._kill, self._kill_twice, self._terminate, self._kill_pump,
        ]  # fmt: skip
        if containers:
            ways += [self._kill_supervisor, self._kill_both, self._kill_container]
        way = self.random.choice(ways)
        self.done.append(way.__name__.strip("_"))
        way()

    def _kill(self) -> None:
        self.node.kill()
        self._rest(0.3)
        self.node.start_only()

    def _kill_twice(self) -> None:
        self._kill()
        self._rest(1.0)
        self._kill()

    def _terminate(self) -> None:
        self.node.stop()
        self._rest(0.3)
        self.node.start_only()

    def _kill_supervisor(self) -> None:
        if (pid := self._named("krustlet-superv")) is not None:
            self.has_killed = True
            os.kill(pid, signal.SIGKILL)

    def _kill_container(self) -> None:
        if running := self.node.containers():
            self.has_killed = True
            with contextlib.suppress(ProcessLookupError):  # it has ended by itself
                os.kill(self.random.choice(running), signal.SIGKILL)

    def _kill_pump(self) -> None:
        if (pid := self._named("krustlet-logpum")) is not None:
            os.kill(pid, signal.SIGKILL)

    def _kill_both(self) -> None:
        self.node.kill()
        self._kill_supervisor()
        self._rest(0.2)
        self.node.start_only()

    def _rest(self, most_s: float) -> None:
        threading.Event().wait(self.random.uniform(0, most_s))

    def rest(self, most_s: float) -> None:
        """Let it work for a while."""
        self._rest(most_s)
        self._look_for_doubles()

    def _named(self, comm: str) -> int | None:
        for pid in self.node.keepers():
            with contextlib.suppress(OSError):
                if status(pid)["Name"] == comm:
                    return pid
        return None

    # what has to be true ----------------------------------------------------------------------

    def settle(self) -> None:
        """All that ends by itself has ended, and what was deleted is gone."""
        until(self.node.is_ready)
        until(lambda: not self._unsettled())

    def _unsettled(self) -> list[str]:
        self.node.is_ready()
        pods = {pod["metadata"]["name"]: pod for pod in self.bench.pods()}
        late = [f"{name} is there" for name in sorted(self.deleted & pods.keys())]
        for name, kind in self.kinds.items():
            if name in self.deleted:
                continue
            phase = pods[name]["status"].get("phase")
            # A supervisor's death fails what would have succeeded.
            if phase != kind.ends and not {phase, kind.ends} <= set(_OVER):
                late.append(f"{name} is {phase}")
        return late

    def leftovers(self) -> list[Seen]:
        """What is here of pods that are gone, and what runs for nobody, or not as told."""
        pods = self.bench.cluster.get(
            f"/api/v1/pods?fieldSelector=spec.nodeName%3D{self.node.name}"
        )["items"]
        uids = {pod["metadata"]["uid"] for pod in pods}
        found = [
            Seen(path.name, f"left in {path.parent}")
            for path in self.node.data.glob("pods/*")
            if path.name not in uids
        ]
        found += [
            Seen(path.name, f"left in {path.parent}")
            for path in self.node.logs.glob("*")
            if path.name.rpartition("_")[2] not in uids
        ]
        told = {
            status["containerID"].removeprefix(_SCHEME)[:_COMM]: pod["metadata"]["name"]
            for pod in pods
            for status in _statuses(pod)
            if "running" in status.get("state", {})
        }
        there = [name for pid in self.node.containers() if (name := name_of(pid)) and is_alive(pid)]
        found += [Seen(comm, "runs for nobody") for comm in there if comm not in told]
        found += [Seen(pod, "does not run") for comm, pod in told.items() if comm not in there]
        found += [Seen(comm, "runs twice") for comm in set(there) if there.count(comm) > 1]
        found += [Seen(str(pid), "is a zombie") for pid in self._zombies()]
        return found

    def _zombies(self) -> Iterator[int]:
        for pid in [*descendants(self.node.pid), *self.node.processes()]:
            with contextlib.suppress(OSError):
                if status(pid)["State"].startswith("Z"):
                    yield pid

    def _look_for_doubles(self) -> None:
        """Two processes of one container at the same time."""
        where: dict[str, str] = {}
        for record in self._records():
            with contextlib.suppress(OSError, IndexError):
                line = record.read_bytes().split(b"\n")[0]
                with contextlib.suppress(msgspec.MsgspecError):
                    id_ = msgspec.json.decode(line)["id"]
                    where[id_[:_COMM]] = str(record.parent.parent)
        runs: dict[str, set[int]] = {}
        for pid in self.node.containers():
            with contextlib.suppress(OSError):
                if is_alive(pid) and (of := where.get(status(pid)["Name"])) is not None:
                    runs.setdefault(of, set()).add(pid)
        for of, pids in runs.items():
            if len([pid for pid in pids if is_alive(pid)]) > 1:
                self.doubles.append(Seen(of, f"runs as {sorted(pids)}"))

    def _records(self) -> Iterator[Path]:
        for runs in self.node.data.glob("pods/*/run"):
            with contextlib.suppress(FileNotFoundError):  # its pod goes at this moment
                yield from runs.glob("*/*/record")

    def wrong_logs(self) -> list[Seen]:
        """Runs that printed twice, or not all, into the log of a run."""
        found: list[Seen] = []
        for name, kind in self.kinds.items():
            if name in self.deleted:
                continue
            pod = self.bench.pod(name)
            for status_ in _statuses(pod):
                found += self._wrong_logs_of(pod, kind, status_)
        return found

    def _wrong_logs_of(self, pod: Any, kind: Kind, told: Any) -> Iterator[Seen]:
        meta, container = pod["metadata"], told["name"]
        directory = self.node.logs / f"{meta['namespace']}_{meta['name']}_{meta['uid']}"
        runs = told["restartCount"] + 1 if told.get("containerID") else 0
        for path in sorted((directory / container).glob("*.log")):
            number = int(path.stem)
            what = f"{path.name} of {container}"
            if number >= runs:
                if "waiting" not in told["state"]:
                    yield Seen(meta["name"], f"{what} is of a run that is not counted")
                continue
            lines = [line.split(" ", 3)[3] for line in path.read_text().splitlines()]
            if lines != [f"tick {i}" for i in range(len(lines))]:
                yield Seen(meta["name"], f"{what}: {lines[:40]}")
            end = _end_of(told, runs - 1 - number)
            ran_through = end is not None and end["exitCode"] == kind.codes.get(container)
            if ran_through and len(lines) != kind.ticks[container]:
                yield Seen(meta["name"], f"{what} has {len(lines)} lines, {end}")

    def wrong_ends(self) -> list[Seen]:
        """Exit codes that no guest had, and phases that do not follow from them."""
        found = []
        for name, kind in self.kinds.items():
            if name in self.deleted:
                continue
            pod = self.bench.pod(name)
            codes = []
            for told in _statuses(pod):
                true = kind.codes.get(told["name"])
                for key in ("state", "lastState"):
                    end = told.get(key, {}).get("terminated")
                    if end is None:
                        continue
                    codes.append(end["exitCode"])
                    if end["exitCode"] != true and not self._may_be_lost(told["name"], kind, end):
                        found.append(Seen(name, f"{told['name']} exited with {end}, not {true}"))
            phase = pod["status"]["phase"]
            if phase != kind.ends and LOST not in codes:
                found.append(Seen(name, f"is {phase}, not {kind.ends}"))
        return found

    def _may_be_lost(self, container: str, kind: Kind, end: Any) -> bool:
        if end["exitCode"] == 143:
            return container not in kind.codes  # a sidecar that was stopped
        return bool(end["exitCode"] == LOST and self.has_killed)


def _statuses(pod: Any) -> list[Any]:
    status = pod["status"]
    return [*status.get("initContainerStatuses", []), *status.get("containerStatuses", [])]


def _end_of(told: Any, back: int) -> Any:
    """How the run ended that is so many before the latest, as far as it is told."""
    ended = told["state"].get("terminated")
    last = told.get("lastState", {}).get("terminated")
    ends: Sequence[Any] = [last] if "waiting" in told["state"] else [ended, last]
    return ends[back] if back < len(ends) else None
