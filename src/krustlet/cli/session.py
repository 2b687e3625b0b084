"""One `krustlet run`: a kubelet for a few pods, its life bound to this process."""

import asyncio
import contextlib
import signal
from collections.abc import Callable
from typing import Final

import msgspec

from krustlet.base import KrustletError
from krustlet.cli.followers import Followers
from krustlet.cli.foreground import Foreground
from krustlet.cli.front import Front
from krustlet.cli.output import Output
from krustlet.cli.progress import progress
from krustlet.cli.raw_terminal import has_terminal
from krustlet.cli.streams import SIGPIPE_CODE
from krustlet.cli.target import Target
from krustlet.cli.words import begin_line, remark, room_hint
from krustlet.images import PullPolicy
from krustlet.kubelet import Kubelet, run_kubelet
from krustlet.objects import Pod, PodStatus
from krustlet.pods import IGNORED_REASON, PodEvent
from krustlet.settings import Settings

_OVER: Final = ("Succeeded", "Failed")
_FATAL: Final = ("Failed", "FailedMount", "FailedSync")  # what a cluster would try again for ever
_SYNC: Final = "FailedSync"  # a bug of ours, or of the system's such as a full disk
_KILLED_S: Final = 5.0  # a pod that is killed and not gone by then does not go by itself


class PodFailed(KrustletError):
    """A pod cannot run here, and trying again will not help."""


class Outcome(msgspec.Struct, frozen=True):
    """How it ended.

    Attributes:
        pods: as they were given, each with its last status.
        stopped: the uids of those that were told to end before they were over.
        exit_code: for the shell.
    """

    pods: tuple[Pod, ...]
    stopped: frozenset[str]
    exit_code: int


class Session:
    """Runs a target's pods in the foreground and hears what becomes of them."""

    def __init__(
        self,
        settings: Settings,
        target: Target,
        output: Output,
        *,
        quiet: bool,
        foreground: Foreground | None = None,
    ) -> None:
        self._settings = settings
        self._target = target
        self._quiet = quiet
        self._statuses: dict[str, PodStatus] = {}
        self._present: set[str] = set()
        self._changed = asyncio.Event()
        self._signals: list[signal.Signals] = []
        self._failure: KrustletError | None = None
        self._output_closed = False
        self._followers = Followers(
            output,
            settings.logs,
            label=self._label,
            on_closed=self._on_closed,
            on_failed=self._fail,
        )
        self._front = Front(
            foreground,
            on_closed=self._on_closed,
            on_failed=self._fail,
            on_missed=self._followers.see,
        )
        self._stopped: frozenset[str] = frozenset()
        self._preparing: asyncio.Task[None] | None = None

    async def run(self) -> Outcome:
        """Run the pods until all are over, or until somebody wants them to be.

        Raises:
            KrustletError: one of them cannot run; all are gone again.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:  # by nohup
                loop.add_signal_handler(number, self._on_signal, number)
        async with run_kubelet(self._settings, self) as kubelet:
            await self._prepare(kubelet)
            if not self._signals:
                self._begin(kubelet)
            await self._until(lambda: self._is_enough() or self._all_over())
            self._stopped = frozenset(p.uid for p in self._target.pods if not self._is_over(p))
            await self._end(kubelet)
            await self._front.drain()
            await self._followers.drain()
            if self._front.is_mid_line() and not self._quiet:
                begin_line()
        if self._failure is not None:
            raise self._failure
        pods = tuple(self._with_status(pod) for pod in self._target.pods)
        return Outcome(pods, self._stopped, self._code())

    # the pods' news (a `pods.Sink`) -----------------------------------------------------------

    def publish(self, pod: Pod, status: PodStatus) -> None:
        """Keep the status, and follow each container's log while it runs."""
        self._statuses[pod.uid] = status
        for container in (*status.init_container_statuses, *status.container_statuses):
            if not self._front.shows(pod, container):
                self._followers.see(pod, container)
        if status.phase == "Failed" and status.reason:
            self._fail(PodFailed(f"pod {pod.name}: {status.message}"))
        self._changed.set()

    def emit(self, pod: Pod, event: PodEvent) -> None:
        """Warnings are told; those that time does not cure end the run."""
        is_told = self._target.is_made and event.reason == IGNORED_REASON  # in the options' words
        if event.kind != "Warning" or is_told:
            return
        where = f"{pod.name}/{event.container}" if event.container else pod.name
        message = event.message.removeprefix("Error: ")
        if event.reason in _FATAL:
            hint = event.hint or (self._sync_hint() if event.reason == _SYNC else "")
            self._fail(PodFailed(f"{where}: {message}", hint=hint))
        elif not self._quiet:
            remark(f"{where}: {message}")

    async def until_told(self, pod: Pod) -> None:
        """What is published is known at once."""

    def gone(self, pod: Pod) -> None:
        """Note that nothing is left to wait for."""
        self._present.discard(pod.uid)
        self._changed.set()

    def _on_closed(self) -> None:
        self._output_closed = True
        self._changed.set()

    def _label(self, pod: Pod, container: str) -> str:
        return f"{pod.name}/{container}" if len(self._target.pods) > 1 else container

    def _fail(self, failure: KrustletError) -> None:
        if (
            self._failure is None and not self._signals
        ):  # a terminal that hung up is unreadable, too
            self._failure = failure
            self._changed.set()

    def _sync_hint(self) -> str:
        root = self._settings.root
        return room_hint(root) or f"it keeps pods in {root}; --log-level error tells more"

    # the way through --------------------------------------------------------------------------

    async def _prepare(self, kubelet: Kubelet) -> None:
        """Have every image ready before anything runs, so that what is wrong is told at once."""
        self._preparing = asyncio.create_task(self._prepare_all(kubelet), name="run.prepare")
        try:
            await self._preparing
        except asyncio.CancelledError:
            if not self._signals:
                raise

    async def _prepare_all(self, kubelet: Kubelet) -> None:
        containers = [c for pod in self._target.pods for c in pod.spec.all_containers()]
        policies = {c.image: PullPolicy(c.image_pull_policy) for c in containers}
        for reference, policy in policies.items():
            async with progress(f"Pulling {reference}", f"Pulled {reference}", quiet=self._quiet):
                ensured = await kubelet.images.obtain(
                    reference, policy=policy, relative_to=self._target.directory
                )
            name = ensured.image.entrypoint_name
            async with progress(f"Compiling {name}", f"Compiled {name}", quiet=self._quiet):
                await kubelet.runtime.prepare(ensured.image)

    def _begin(self, kubelet: Kubelet) -> None:
        if self._front.is_wanted():
            self._front.attach = kubelet.pods.visits.attach
        for pod in self._target.pods:
            self._present.add(pod.uid)
            kubelet.pods.add(pod, directory=self._target.directory)

    async def _end(self, kubelet: Kubelet) -> None:
        """Delete the pods: at leisure the first time, at once when told again."""
        for pod in self._target.pods:
            grace_s = 0 if self._is_over(pod) or self._failure else _grace_s(pod)
            kubelet.pods.delete(pod.uid, grace_s=grace_s)
        told = len(self._signals)
        if self._failure is None:
            await self._until(lambda: not self._present or len(self._signals) > told)
        for pod in self._target.pods:
            kubelet.pods.delete(pod.uid, grace_s=0)
        with contextlib.suppress(TimeoutError):  # whatever is left goes with the supervisor
            async with asyncio.timeout(_KILLED_S):
                await self._until(lambda: not self._present)

    async def _until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            self._changed.clear()
            await self._changed.wait()

    def _is_enough(self) -> bool:
        return bool(self._signals or self._failure or self._output_closed)

    def _all_over(self) -> bool:
        return all(self._is_over(pod) for pod in self._target.pods)

    def _is_over(self, pod: Pod) -> bool:
        status = self._statuses.get(pod.uid)
        return status is not None and status.phase in _OVER

    def _on_signal(self, number: signal.Signals) -> None:
        if number == signal.SIGINT and has_terminal():
            begin_line()  # behind the ^C
        self._signals.append(number)
        self._changed.set()
        if self._preparing is not None:
            self._preparing.cancel()

    # the end ----------------------------------------------------------------------------------

    def _with_status(self, pod: Pod) -> Pod:
        return msgspec.structs.replace(pod, status=self._statuses.get(pod.uid, PodStatus()))

    def _code(self) -> int:
        if self._signals:
            return 128 + self._signals[0]
        if self._output_closed:
            return SIGPIPE_CODE
        containers = [c for s in self._statuses.values() for c in s.container_statuses]
        failed = any(s.phase != "Succeeded" for s in self._statuses.values())
        if len(containers) != 1:
            return int(failed)
        end = containers[0].state.terminated
        return (end.exit_code & 0xFF or int(failed)) if end is not None else int(failed)


def _grace_s(pod: Pod) -> float:
    grace_s = pod.spec.termination_grace_period_seconds
    assert grace_s is not None  # defaulted
    return grace_s
