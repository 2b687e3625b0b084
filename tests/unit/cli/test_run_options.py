"""The pod that the options make: what a manifest would say."""

import click
import pytest

from krustlet.cli.run_options import RunOptions
from krustlet.cli.run_values import Share, User
from krustlet.objects import (
    Container,
    EnvVar,
    ObjectMeta,
    Pod,
    PodSpec,
    Quantity,
    expand,
    with_defaults,
)


def a_target() -> Pod:
    container = Container(name="hello", image="file:hello.wasm", args=("--greet",))
    spec = PodSpec(containers=(container,), restart_policy="Never")
    return with_defaults(Pod(metadata=ObjectMeta(name="hello"), spec=spec))


def applied(**options: object) -> tuple[Pod, Container]:
    pod = RunOptions(**options).applied(a_target())  # type: ignore[arg-type] # of each test
    [container] = pod.spec.containers
    return pod, container


def test_without_options_it_is_as_it_was() -> None:
    pod, _ = applied()
    assert pod == a_target()


def test_limits() -> None:
    _, container = applied(memory=Quantity("1000"), cpus=Quantity("500m"))
    assert container.resources.limits == {"memory": "1000", "cpu": "500m"}
    assert container.resources.requests == {"memory": "1000", "cpu": "500m"}  # as by default


def test_who_it_is_and_what_it_may_write() -> None:
    _, container = applied(user=User(1000, 50), read_only=True)
    context = container.security_context
    assert context is not None
    assert (context.run_as_user, context.run_as_group) == (1000, 50)
    assert context.read_only_root_filesystem is True


def test_root_is_a_user_like_any_other() -> None:
    _, container = applied(user=User(0, None))
    assert container.security_context is not None
    assert container.security_context.run_as_user == 0


def test_shares() -> None:
    shares = (Share("/here", "/data", False), Share("/there", "/more", True))
    pod, container = applied(volumes=shares)
    paths = {v.name: v.host_path.path for v in pod.spec.volumes if v.host_path is not None}
    found = [(paths[m.name], m.mount_path, m.read_only) for m in container.volume_mounts]
    assert found == [("/here", "/data", False), ("/there", "/more", True)]


@pytest.mark.parametrize("value", ["plain", "$(B)", "$$(B)", "a$b$", "$", "$$", "$(", "100$$$"])
def test_what_a_variable_is_told_is_what_the_guest_finds(value: str) -> None:
    _, container = applied(env={"A": value})
    [variable] = container.env
    assert variable == EnvVar(name="A", value=variable.value)
    assert expand(variable.value, {"B": "expanded"}) == value


def test_streams_end_with_this_command() -> None:
    _, container = applied(stdin=True, tty=True)
    assert (container.stdin, container.stdin_once, container.tty) == (True, True, True)
    _, container = applied(tty=True)
    assert (container.stdin, container.stdin_once, container.tty) == (False, False, True)


def test_names_places_and_times() -> None:
    pod, container = applied(
        name="greeter", hostname="box", workdir="/data", entrypoint="other.wasm",
        network="none", stop_timeout=3,
    )  # fmt: skip
    assert (pod.name, container.name, pod.spec.hostname) == ("greeter", "hello", "box")
    assert (container.working_dir, container.command) == ("/data", ("other.wasm",))
    assert container.args == ("--greet",)
    assert pod.metadata.annotations == {"krustlet.dev/network": "none"}
    assert pod.spec.termination_grace_period_seconds == 3


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"name": "Not A Name"}, "metadata.name"),
        ({"hostname": "no_host"}, "spec.hostname"),
        ({"volumes": (Share("/a", "/d", False), Share("/b", "/d", False))}, "mountPath"),
    ],
)
def test_what_no_pod_can_be_is_wrong_usage(options: dict[str, object], field: str) -> None:
    with pytest.raises(click.UsageError) as caught:
        applied(**options)
    assert field in caught.value.message
