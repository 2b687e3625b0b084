"""A node's server with pods and reviewers of a test's own, and clients of it over TLS."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import msgspec

from krustlet.base import KrustletError
from krustlet.objects import ContainerStatus, Pod, PodStatus, UserInfo
from krustlet.pods import log_path
from krustlet.server import Action, Https, NodeServer, PodsControl
from tests.support.authority import Authority, Identity
from tests.support.pods import Story, a_pod

NODE = "node-1"
HOST = "127.0.0.1"
LIMIT_S = 60
LINE = b"2023-11-14T22:13:20.000000001Z %s F %s\n"


class FakePods:
    """A `PodsView` whose statuses a test sets."""

    def __init__(self) -> None:
        self._pods: dict[str, Pod] = {}
        self._changed: dict[str, asyncio.Event] = {}
        self.waiting = 0

    def all(self) -> Sequence[Pod]:
        return list(self._pods.values())

    def find(self, *, namespace: str, name: str) -> Pod | None:
        pods = self._pods.values()
        return next((p for p in pods if p.namespace == namespace and p.name == name), None)

    async def changed(self, uid: str) -> None:
        if uid not in self._pods:
            return
        self.waiting += 1
        try:
            await self._changed.setdefault(uid, asyncio.Event()).wait()
        finally:
            self.waiting -= 1

    def put(self, pod: Pod, status: PodStatus) -> Pod:
        pod = msgspec.structs.replace(pod, status=status)
        self._pods[pod.uid] = pod
        self._tell(pod.uid)
        return pod

    def remove(self, pod: Pod) -> None:
        del self._pods[pod.uid]
        self._tell(pod.uid)

    def _tell(self, uid: str) -> None:
        if (changed := self._changed.pop(uid, None)) is not None:
            changed.set()


class NobodyToAsk(KrustletError):
    """The API server is away."""


class FakeReviewer:
    """Knows tokens, and lets users do what is listed; notes what it is asked.

    Attributes:
        rights: subresources by user.
    """

    def __init__(self) -> None:
        self.tokens: dict[str, UserInfo] = {}
        self.rights: dict[str, set[str]] = {}
        self.asked: list[tuple[UserInfo, Action] | str] = []
        self.is_away = False

    async def review_token(self, token: str) -> UserInfo | None:
        self._note(token)
        return self.tokens.get(token)

    async def review_access(self, user: UserInfo, action: Action) -> bool:
        self._note((user, action))
        return action.subresource in self.rights.get(user.username, ())

    def _note(self, what: tuple[UserInfo, Action] | str) -> None:
        self.asked.append(what)
        if self.is_away:
            raise NobodyToAsk("the API server does not answer")


class Rig:
    """What a test needs of a server.

    Attributes:
        admin: may do everything.
    """

    def __init__(self, directory: Path) -> None:
        self.root = directory / "root"
        self.logs = directory / "logs"
        self.authority = Authority.create(directory / "ca", "clients")
        self.pods = FakePods()
        self.reviewer = FakeReviewer()
        self.reviewer.rights["admin"] = {"proxy"}
        self.admin = self.authority.issue("admin", groups=["admins"])
        self.server: NodeServer | None = None

    @asynccontextmanager
    async def serving(
        self, *, control: PodsControl | None = None, **https: Any
    ) -> AsyncIterator[NodeServer]:
        settings = {
            "node": NODE,
            "reviewer": self.reviewer,
            "address": HOST,
            "port": 0,
            "hosts": (HOST, "localhost"),
            "client_ca": self.authority.certificate,
            **https,
        }
        async with NodeServer(
            self.pods, control=control, root=self.root, logs=self.logs, https=Https(**settings)
        ) as self.server:
            yield self.server

    def trust(self, identity: Identity | None = None) -> ssl.SSLContext:
        """What a client needs that believes the server, and is `identity`."""
        context = ssl.create_default_context(cafile=self.root / "pki" / "kubelet.crt")
        if identity is not None:
            context.load_cert_chain(identity.certificate, identity.key)
        return context

    def url(self, path: str) -> str:
        assert self.server is not None
        return f"https://{HOST}:{self.server.port}{path}"

    @asynccontextmanager
    async def get(
        self,
        path: str,
        identity: Identity | None = None,
        *,
        token: str = "",
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """An answer, on a connection of its own."""
        told = {"Authorization": f"Bearer {token}"} if token else {}
        async with (
            asyncio.timeout(LIMIT_S),
            aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session,
            session.request(
                method,
                self.url(path),
                ssl=self.trust(identity),
                headers={**told, **(headers or {})},
            ) as answer,
        ):
            yield answer

    async def ask(
        self, path: str, identity: Identity | None = None, **options: Any
    ) -> tuple[int, str]:
        """Status and text of an answer."""
        async with self.get(path, identity, **options) as answer:
            return answer.status, await answer.text()

    # pods -------------------------------------------------------------------------------------

    def running(self, name: str = "web", **fields: Any) -> Story:
        """A pod whose containers run."""
        story = Story(a_pod(name=name, **fields)).runs()
        self.show(story)
        return story

    def show(self, story: Story) -> Pod:
        """Let the server see the pod as the story has come."""
        return self.pods.put(story.pod, story.statuses[-1])

    def log(self, pod: Pod, *, container: str = "app", restart: int = 0) -> Path:
        path = log_path(self.logs, pod, container, restart)
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def prints(
        self,
        pod: Pod,
        *lines: str,
        container: str = "app",
        restart: int = 0,
        stream: str = "stdout",
    ) -> None:
        """Have the pod's log say so."""
        with self.log(pod, container=container, restart=restart).open("ab") as file:
            file.writelines(LINE % (stream.encode(), line.encode()) for line in lines)


def with_status(pod: Pod, **status: Any) -> PodStatus:
    """The pod's status with that of its first container as given."""
    [first, *rest] = pod.status.container_statuses
    changed: ContainerStatus = msgspec.structs.replace(first, **status)
    return msgspec.structs.replace(pod.status, container_statuses=(changed, *rest))
