"""Pods to test with, and a kubelet without a loop that takes them through their lives."""

from typing import Any

from krustlet.base import Instant
from krustlet.objects import (
    Container,
    ContainerStatus,
    ObjectMeta,
    Pod,
    PodSpec,
    PodStatus,
    RestartPolicy,
    with_defaults,
)
from krustlet.pods.decide import decide
from krustlet.pods.effects import Effect, Start, WakeAt
from krustlet.pods.facts import (
    CreateFailed,
    DeletionAsked,
    Exited,
    Fact,
    ImageResolved,
    Mounted,
    Started,
    Unmounted,
)
from krustlet.pods.projection import HostAddress, project
from krustlet.pods.state import ContainerState, PodState
from tests.support.virtual_time import EPOCH


def a_container(name: str = "app", **fields: Any) -> Container:
    return Container(name=name, **{"image": f"file:{name}.wasm", **fields})


def a_sidecar(name: str = "proxy", **fields: Any) -> Container:
    return a_container(name, restart_policy=RestartPolicy.ALWAYS.value, **fields)


def a_pod(
    *containers: Container,
    init: tuple[Container, ...] = (),
    policy: str = "Always",
    name: str = "web",
    **spec: Any,
) -> Pod:
    """A defaulted pod; of one container `app` where none is named."""
    return with_defaults(
        Pod(
            metadata=ObjectMeta(name=name, namespace="shop", uid=f"uid-of-{name}", generation=1),
            spec=PodSpec(
                init_containers=init,
                containers=containers or (a_container(),),
                restart_policy=policy,
                **spec,
            ),
        )
    )


def an_exit(container: ContainerState, at: Instant, code: int) -> Exited:
    return Exited(
        container=container.name,
        attempt=container.attempt,
        code=code,
        reason="Error" if code else "Completed",
        message="",
        at=at,
    )


class Story:
    """One pod, step by step: facts go in, effects come out, nothing is carried out.

    Attributes:
        now: moved on by `wait` alone.
        effects: those of the last step.
        statuses: all that were published, in order.
    """

    def __init__(self, pod: Pod, *facts: Fact) -> None:
        """Begin with `facts`, which are known before anything is decided."""
        self.pod = pod
        self.now = EPOCH
        self.state = PodState.new(pod, self.now)
        self.effects: list[Effect] = []
        self.statuses: list[PodStatus] = []
        self.tell(*facts)

    def tell(self, *facts: Fact) -> list[Effect]:
        decision = decide(self.pod, self.state, facts, self.now)
        for state in decision.states[1:] if self.statuses else decision.states:
            before = self.statuses[-1] if self.statuses else None
            status = project(self.pod, state, HostAddress("10.0.0.7"), before=before)
            if status != before:
                self.statuses.append(status)
        self.state = decision.state
        self.effects = decision.effects
        return self.effects

    def wait(self, seconds: float) -> list[Effect]:
        self.now = self.after(seconds)
        return self.tell()

    def after(self, seconds: float) -> Instant:
        """The moment that is so far away."""
        return Instant(self.now + seconds)

    def named(self, kind: type[Effect]) -> list[Any]:
        """The effects of one kind that the last step has named."""
        return [effect for effect in self.effects if isinstance(effect, kind)]

    def until_started(self) -> float:
        """Wait as long as the effects say, until something is started; returns for how long."""
        began = self.now
        while not self.named(Start):
            wakes = [effect.at for effect in self.named(WakeAt)]
            assert wakes, f"nothing to wait for: {self.effects}"
            self.wait(min(wakes) - self.now)
        return round(self.now - began, 3)

    # what may happen --------------------------------------------------------------------------

    def mounted(self) -> list[Effect]:
        return self.tell(Mounted())

    def unmounted(self) -> list[Effect]:
        return self.tell(Unmounted())

    def started(self, name: str = "app") -> list[Effect]:
        attempt = self.container(name).attempt
        return self.tell(
            ImageResolved(container=name, attempt=attempt, image_id=f"sha256:{name}"),
            Started(container=name, attempt=attempt, at=self.now),
        )

    def exited(self, name: str = "app", *, code: int = 0) -> list[Effect]:
        return self.tell(an_exit(self.container(name), self.now, code))

    def failed(
        self, name: str = "app", *, reason: str = "ErrImagePull", message: str = "not there"
    ) -> list[Effect]:
        attempt = self.container(name).attempt
        return self.tell(
            CreateFailed(
                container=name, attempt=attempt, reason=reason, message=message, at=self.now
            )
        )

    def deleted(self, *, grace_s: float = 30) -> list[Effect]:
        return self.tell(DeletionAsked(self.after(grace_s)))

    def runs(self, *names: str) -> "Story":
        """Mount, then start what is named, one after the other."""
        self.mounted()
        for name in names or ("app",):
            self.started(name)
        return self

    # what is to be seen -----------------------------------------------------------------------

    def container(self, name: str = "app") -> ContainerState:
        return self.state.containers[name]

    @property
    def phase(self) -> str:
        return self.statuses[-1].phase

    def status(self, name: str = "app") -> ContainerStatus:
        latest = self.statuses[-1]
        both = (*latest.init_container_statuses, *latest.container_statuses)
        return next(status for status in both if status.name == name)
