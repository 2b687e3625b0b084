"""The options that `krustlet run` has in common with `docker run`, and the pod that they make.

Each says what a manifest would say; where there is a manifest, it is for that to say it.
"""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, TypeVar

import click
import msgspec
from click.core import ParameterSource

from krustlet.cli.node_values import PIDS, option
from krustlet.cli.run_values import CPUS, MEMORY, SHARE, USER, Share, User, environment
from krustlet.cli.text import TEXT
from krustlet.objects import (
    Container,
    EnvVar,
    HostPathVolumeSource,
    Pod,
    Quantity,
    ResourceRequirements,
    SecurityContext,
    Volume,
    VolumeMount,
    validate,
    with_defaults,
)

_NETWORK: Final = "krustlet.dev/network"
_Command = TypeVar("_Command", bound=Callable[..., Any])

_IN_A_MANIFEST: Final[Mapping[str, str]] = {
    "memory": "the container's resources.limits.memory",
    "cpus": "the container's resources.limits.cpu",
    "user": "the container's securityContext.runAsUser",
    "read_only": "the container's securityContext.readOnlyRootFilesystem",
    "volumes": "spec.volumes and the container's volumeMounts",
    "env": "the container's env",
    "env_files": "the container's env",
    "stdin": "the container's stdin",
    "tty": "the container's tty",
    "name": "metadata.name",
    "hostname": "spec.hostname",
    "workdir": "the container's workingDir",
    "entrypoint": "the container's command",
    "network": f"the annotation {_NETWORK}",
    "stop_timeout": "spec.terminationGracePeriodSeconds",
}
"""Where the manifest says what an option says, by the option's parameter."""


class RunOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What was asked for of the only container; what was not is as Kubernetes defaults it."""

    memory: Quantity | None = None
    cpus: Quantity | None = None
    user: User | None = None
    read_only: bool = False
    volumes: tuple[Share, ...] = ()
    env: Mapping[str, str] = {}
    stdin: bool = False
    tty: bool = False
    name: str = ""
    hostname: str = ""
    workdir: str = ""
    entrypoint: str = ""
    network: str = ""
    stop_timeout: int | None = None

    def applied(self, pod: Pod) -> Pod:
        """`pod`, of one container, as these options would have it.

        Raises:
            UsageError: the API server would not have such a pod.
        """
        [container] = pod.spec.containers
        metadata = msgspec.structs.replace(
            pod.metadata,
            name=self.name or pod.name,
            annotations={**pod.metadata.annotations, **self._annotations()},
        )
        spec = msgspec.structs.replace(
            pod.spec,
            containers=(self._container(container),),
            volumes=tuple(
                Volume(name=_volume(number), host_path=HostPathVolumeSource(path=share.host))
                for number, share in enumerate(self.volumes)
            ),
            hostname=self.hostname,
            termination_grace_period_seconds=(
                pod.spec.termination_grace_period_seconds
                if self.stop_timeout is None
                else self.stop_timeout
            ),
        )
        made = with_defaults(msgspec.structs.replace(pod, metadata=metadata, spec=spec))
        for problem in validate(made):
            hint = f"; {problem.hint}" if problem.hint else ""
            raise click.UsageError(f"{problem}{hint}")
        return made

    def _container(self, container: Container) -> Container:
        limits = {"memory": self.memory, "cpu": self.cpus}
        given = {name: amount for name, amount in limits.items() if amount is not None}
        security = SecurityContext(
            run_as_user=self.user.uid if self.user is not None else None,
            run_as_group=self.user.gid if self.user is not None else None,
            read_only_root_filesystem=self.read_only or None,
        )
        return msgspec.structs.replace(
            container,
            command=(self.entrypoint,) if self.entrypoint else (),
            env=tuple(EnvVar(name=name, value=_as_is(text)) for name, text in self.env.items()),
            resources=ResourceRequirements(limits=given),
            security_context=None if security == SecurityContext() else security,
            volume_mounts=tuple(
                VolumeMount(name=_volume(n), mount_path=share.guest, read_only=share.read_only)
                for n, share in enumerate(self.volumes)
            ),
            working_dir=self.workdir,
            stdin=self.stdin,
            stdin_once=self.stdin,  # who types is this command alone
            tty=self.tty,
        )

    def _annotations(self) -> Mapping[str, str]:
        return {_NETWORK: self.network} if self.network else {}


def _volume(number: int) -> str:
    return f"volume-{number}"


def _as_is(text: str) -> str:
    """As a manifest writes it: what looks like a reference to another variable is none."""
    return text.replace("$", "$$")


def container_options(command: _Command) -> _Command:
    """Gives `command` all of them."""
    for decorator in reversed(_OPTIONS):
        command = decorator(command)
    return command


def read_options(given: Mapping[str, Any]) -> RunOptions:
    """What `given`, the values of `container_options`, says.

    Raises:
        UsageError: it makes no sense.
    """
    values = {name: given[name] for name in RunOptions.__struct_fields__ if name != "env"}
    env = environment(given["env_files"], given["env"], os.environ)
    return RunOptions(
        env=env, **{name: value for name, value in values.items() if value is not None}
    )


def refuse_with_manifest(ctx: click.Context, target: str) -> None:
    """Say where the manifest says it.

    Raises:
        UsageError: one of these options was given.
    """
    assert ctx.command is not None
    for param in ctx.command.params:
        where = _IN_A_MANIFEST.get(param.name or "")
        if where is not None and ctx.get_parameter_source(param.name or "") not in (
            None,
            ParameterSource.DEFAULT,
        ):
            raise click.UsageError(
                f"{max(param.opts, key=len)} is for a module or an image; {target} is a manifest, "
                f"which says it in {where}",
                ctx,
            )


_OPTIONS: Final = (
    option("-m", "--memory", type=MEMORY, help="Memory it may use, such as 64m or 1.5g."),
    option("--cpus", type=CPUS, help="Processors it may use, such as 0.5."),
    option("-u", "--user", type=USER, help="Whom it runs as: numbers. Needs root."),
    option("--read-only", is_flag=True, help="It can write to volumes only."),
    option(
        "-v", "--volume", "volumes", type=SHARE, multiple=True,
        metavar="HOST:GUEST[:ro]",
        help="Share a directory, with :ro to be read only. May be repeated.",
    ),
    option(
        "-e", "--env", multiple=True, metavar="NAME[=VALUE]",
        help="A variable of its environment; without a value, the one it has here. May be "
        "repeated.",
    ),
    option(
        "--env-file", "env_files", multiple=True, type=click.Path(path_type=Path, dir_okay=False),
        help="A file of such variables, one a line; --env counts more. May be repeated.",
    ),
    option("-i", "--interactive", "stdin", is_flag=True, help="It reads what comes to stdin."),
    option("-t", "--tty", is_flag=True, help="It has a terminal: this one, with -i."),
    option("--name", metavar="NAME", help="The pod's name.  [default: that of the target]"),
    option("--hostname", metavar="NAME", help="What it takes its host's name to be."),
    option("-w", "--workdir", type=TEXT, metavar="DIR", help="The directory that it starts in."),
    option(
        "--entrypoint", type=TEXT, metavar="WORD", help="argv[0], or a module of the image to run."
    ),
    option(
        "--network", type=click.Choice(["none", "host"]),
        help="Whether it may open sockets.  [default: host]",
    ),
    option(
        "--stop-timeout", type=click.IntRange(min=0), metavar="SECONDS",
        help="How long it has to end when told to.  [default: 30]",
    ),
    option(
        "--pids-limit", type=PIDS, metavar="NUMBER",
        help="Threads it may have; -1 for any number.",
    ),
    option("--rm", is_flag=True, help="Leave nothing behind: that is always so."),
)  # fmt: skip
