"""A Kubernetes control plane for tests: etcd, API server, controllers and scheduler, no nodes.

Owns one directory, and four programs that end with this process. Several may run side by side.
Leaves what the programs are told to `cluster_programs.py`, where they come from to
`controlplane.py`, and nodes to the test.
"""

import http.client
import os
import shutil
import ssl
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from tests.support import cluster_programs
from tests.support.authority import Authority, Identity
from tests.support.children import Child, EitherWay, reserved_port, wait_until
from tests.support.cluster_programs import HOST, Pki
from tests.support.command import Result
from tests.support.controlplane import CONTROL_PLANE, Programs
from tests.support.guests import default_cache
from tests.support.kubeconfig import write_kubeconfig

ADMINS: Final = "system:masters"
NODES: Final = "system:nodes"

# What the controllers make before a pod in a namespace, or a node, can be made.
_MADE_BY_CONTROLLERS: Final = (
    "/api/v1/namespaces/default/serviceaccounts/default",
    "/api/v1/namespaces/default/configmaps/kube-root-ca.crt",
    "/api/v1/namespaces/kube-node-lease",
)
_READY_WITHIN_S: Final = 90.0  # many times what an idle machine takes
_GRACE_S: Final = 2.0
_REQUEST_LIMIT_S: Final = 30.0
_KUBECTL_LIMIT_S: Final = 60.0


class Cluster:
    """A control plane that runs: `with Cluster.start(directory) as cluster`.

    Attributes:
        directory: all it keeps; gone afterwards, but for the logs if something went wrong.
        keep_logs: whether something did; whoever sees a test fail sets it.
    """

    def __init__(
        self,
        directory: Path,
        authority: Authority,
        children: "_Children",
        *,
        port: int,
        trust: ssl.SSLContext,
        kubectl: Path,
    ) -> None:
        self.directory = directory
        self.keep_logs = False
        self.server = f"https://{HOST}:{port}"
        self.ca = authority.certificate
        self._authority = authority
        self._children = children
        self._port = port
        self._trust = trust
        self._kubectl = kubectl
        self._kubeconfigs: dict[tuple[str, ...], Path] = {}

    @classmethod
    def start(
        cls,
        directory: Path,
        *,
        programs: Programs | None = None,
        flags: Mapping[str, Sequence[str]] | None = None,
        also_at: Sequence[str] = (),
    ) -> "EitherWay[Cluster]":
        """A control plane that is ready once entered, with `with` or `async with`.

        Args:
            directory: its own; need not exist.
            also_at: addresses and names that the API server answers to beside loopback; then it
                listens at all that this machine has, or gets.
            flags: further ones for some programs, which win over those it is told anyway:
                `{"kube-controller-manager": ["--node-monitor-grace-period=8s"]}`.

        Raises:
            NotBuilt: on entering, if its programs have yet to be built.
            ChildError: on entering, with the last words of the program that did not start; on
                leaving, with those of one that ended meanwhile.
        """
        programs = programs or Programs(default_cache())
        return EitherWay(_running(directory, programs, flags or {}, also_at))

    # for tests --------------------------------------------------------------------------------

    def kubeconfig(self, user: str = "admin", *, groups: Sequence[str] = (ADMINS,)) -> Path:
        """A file with which one is `user`, and in no other groups than these."""
        if (known := self._kubeconfigs.get((user, *groups))) is None:
            identity = self._authority.issue(user, groups=groups)
            known = self._write_kubeconfig(identity.key.stem, user, identity)
            self._kubeconfigs[(user, *groups)] = known
        return known

    def node_kubeconfig(self, node: str) -> Path:
        """A file with which one is the kubelet of `node`."""
        return self.kubeconfig(f"system:node:{node}", groups=(NODES,))

    def token_kubeconfig(self, token: str) -> Path:
        """A file with which one is whoever has `token`, as a kubelet before its first start."""
        return self._write_kubeconfig(f"token-{token}", "token", token)

    def issue(self, user: str, **more: Any) -> Identity:
        """A certificate that the API server believes, and all who believe the API server.

        Args:
            more: see `Authority.issue`.
        """
        return self._authority.issue(user, **more)

    def kubectl(
        self, *arguments: str | Path, stdin: str = "", kubeconfig: Path | None = None
    ) -> Result:
        """What `kubectl` says, to an administrator if no `kubeconfig` is given."""
        done = subprocess.run(
            [self._kubectl, *map(str, arguments)],
            input=stdin,
            capture_output=True,
            text=True,
            cwd=self.directory,
            env=self._kubectl_environment(kubeconfig or self.kubeconfig()),
            timeout=_KUBECTL_LIMIT_S,
            check=False,
        )
        return Result(done.returncode, done.stdout, done.stderr)

    @contextmanager
    def kubectl_going_on(self, *arguments: str, into: Path) -> "Iterator[subprocess.Popen[bytes]]":
        """`kubectl` says things, to an administrator, until it ends or the block does.

        Args:
            into: the file that is to hold all it says.
        """
        with (
            into.open("wb") as file,
            subprocess.Popen(
                [self._kubectl, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                cwd=self.directory,
                env=self._kubectl_environment(self.kubeconfig()),
            ) as process,
        ):
            try:
                yield process
            finally:
                process.kill()

    def _kubectl_environment(self, kubeconfig: Path) -> dict[str, str]:
        return {
            **os.environ,
            "KUBECONFIG": str(kubeconfig),
            "KUBECACHEDIR": str(self.directory / "kubectl"),
            "KUBERC": "off",  # the aliases and defaults of whoever runs the tests
        }

    def get(self, path: str) -> Any:
        """The object, or list of them, at `path` of the API; None if there is nothing.

        As an administrator, and in a tenth of the time that `kubectl` takes.
        """
        status, body = self._get(path)
        if status == http.HTTPStatus.NOT_FOUND:
            return None
        assert status == http.HTTPStatus.OK, f"{path}: {status} {body.decode(errors='replace')}"
        return msgspec.json.decode(body)

    def stop_apiserver(self) -> None:
        """Nobody answers at `server` until `start_apiserver`, and every watch has broken off.

        It is killed: asked to stop, it would wait a minute for whoever watches.
        """
        self._children.apiserver.stop(grace_s=0)

    def start_apiserver(self) -> None:
        """The API server is ready again, with all it knew.

        The other programs start anew, if they ran: they tried again ever later while it was away,
        and the next test would have to wait for them.
        """
        self._children.apiserver.start()
        self._wait_for("/readyz")
        for child in (self._children.controllers, self._children.scheduler):
            if child.pid is not None:
                child.stop(grace_s=_GRACE_S)
                child.start()

    def log_tail(self, lines: int = 20) -> str:
        """The last words of each program."""
        return "\n\n".join(child.name + child.tail(lines) for child in self._children)

    def pids(self) -> list[int]:
        """The processes of those programs that run."""
        return [child.pid for child in self._children if child.pid is not None]

    def check(self) -> None:
        """Nothing, if every program runs that nobody stopped.

        Raises:
            ChildError: one has ended.
        """
        for child in self._children:
            child.check()

    # for `_running` ---------------------------------------------------------------------------

    def start_all(self) -> None:
        """Each program runs, and pods and nodes can be made."""
        self._children.etcd.start()
        self.start_apiserver()
        self._children.controllers.start()
        self._children.scheduler.start()
        self._wait_for(*_MADE_BY_CONTROLLERS)

    def stop_all(self) -> None:
        """None of them runs."""
        for child in reversed(self._children):
            child.stop(grace_s=_GRACE_S)

    def _write_kubeconfig(self, stem: str, user: str, credentials: Identity | str) -> Path:
        path = self.directory / "kubeconfigs" / f"{stem}.kubeconfig"
        return write_kubeconfig(
            path, server=self.server, ca=self.ca, user=user, credentials=credentials
        )

    def _wait_for(self, *paths: str) -> None:
        def all_answer() -> bool:
            try:
                return all(self._get(path)[0] == http.HTTPStatus.OK for path in paths)
            except OSError:
                return False  # nobody listens yet

        wait_until(all_answer, children=self._children, within_s=_READY_WITHIN_S)

    def _get(self, path: str) -> tuple[int, bytes]:
        connection = http.client.HTTPSConnection(
            HOST, self._port, timeout=_REQUEST_LIMIT_S, context=self._trust
        )
        try:
            connection.request("GET", path, headers={"Accept": "application/json"})
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()


class _Children(NamedTuple):
    """In the order in which they start."""

    etcd: Child
    apiserver: Child
    controllers: Child
    scheduler: Child


@contextmanager
def _running(
    directory: Path,
    programs: Programs,
    flags: Mapping[str, Sequence[str]],
    also_at: Sequence[str],
) -> Iterator[Cluster]:
    paths = {name: programs.path(name) for name in (*CONTROL_PLANE, "kubectl")}
    directory.mkdir(parents=True, exist_ok=True)
    with reserved_port() as port, reserved_port() as etcd_port:
        cluster = _laid_out(
            directory, paths, flags, port=port, etcd_port=etcd_port, also_at=also_at
        )
        try:
            cluster.start_all()
            yield cluster
            cluster.check()
        except BaseException as error:
            cluster.keep_logs = not isinstance(error, KeyboardInterrupt)
            raise
        finally:
            cluster.stop_all()
            _tidy_up(directory, keep_logs=cluster.keep_logs)


def _laid_out(
    directory: Path,
    paths: Mapping[str, Path],
    flags: Mapping[str, Sequence[str]],
    *,
    port: int,
    etcd_port: int,
    also_at: Sequence[str],
) -> Cluster:
    """A cluster that has yet to start."""
    authority = Authority.create(directory / "pki", "kubernetes")
    pki = Pki.create(directory / "pki", authority, also_at)
    (logs := directory / "logs").mkdir()

    def child(name: str, told: Sequence[str]) -> Child:
        command: list[str | Path] = [paths[name], *told, *flags.get(name, ())]
        return Child(name, command, log=logs / f"{name}.log")

    def kubeconfig(name: str) -> Path:
        # Its own role is not enough where all controllers work under one name.
        return write_kubeconfig(
            directory / "kubeconfigs" / f"{name}.kubeconfig",
            server=f"https://{HOST}:{port}",
            ca=authority.certificate,
            user=name,
            credentials=authority.issue(f"system:{name}", groups=[ADMINS]),
        )

    children = _Children(
        child("etcd", cluster_programs.etcd(data=directory / "etcd", port=etcd_port)),
        child(
            "kube-apiserver",
            cluster_programs.apiserver(
                pki, port=port, etcd_port=etcd_port, everywhere=bool(also_at)
            ),
        ),
        child(
            "kube-controller-manager",
            cluster_programs.controller_manager(pki, kubeconfig("kube-controller-manager")),
        ),
        child("kube-scheduler", cluster_programs.scheduler(kubeconfig("kube-scheduler"))),
    )
    admin = authority.issue("admin", groups=[ADMINS])
    trust = ssl.create_default_context(cafile=authority.certificate)
    trust.load_cert_chain(admin.certificate, admin.key)
    return Cluster(directory, authority, children, port=port, trust=trust, kubectl=paths["kubectl"])


def _tidy_up(directory: Path, *, keep_logs: bool) -> None:
    for path in directory.iterdir():
        if not (keep_logs and path.name == "logs"):
            shutil.rmtree(path)
    if not keep_logs:
        directory.rmdir()
