"""The options of `docker run`, on real processes."""

import json
from pathlib import Path

import pytest

from tests.component.cli.conftest import Modules
from tests.support.command import Command


def test_the_environment_reaches_the_guest_as_it_was_written(
    krustlet: Command, module: Modules
) -> None:
    (krustlet.directory / "env").write_text("# remark\nA=of the file\nB=likewise\nOURS\n")
    options = ["--env-file", "env", "-e", "A=$(B) $$", "-e", "ABSENT", "-q"]
    result = krustlet("run", *options, module("args"), "one", OURS="here")
    assert result.code == 0
    assert result.stdout.splitlines() == [
        "args.wasm",
        "one",
        "A=$(B) $$",
        "B=likewise",
        "OURS=here",
    ]


def test_a_directory_is_shared(krustlet: Command, module: Modules) -> None:
    _for_everybody(krustlet.directory / "in")
    written = krustlet("run", "-v", "./in:/data", module("write"), "/data/file", "hello")
    assert (written.code, written.stdout) == (0, "")
    assert (krustlet.directory / "in" / "file").read_text() == "hello\n"
    refused = krustlet("run", "-v", "./in:/data:ro", module("write"), "/data/file", "more")
    assert refused.code == 1
    assert (krustlet.directory / "in" / "file").read_text() == "hello\n"


def test_the_pod_has_the_name_that_it_is_given(krustlet: Command, module: Modules) -> None:
    result = krustlet("run", "--rm", "--name", "greeter", "-o", "json", module("hello"))
    assert json.loads(result.stdout)["metadata"]["name"] == "greeter"


def test_all_that_follows_a_module_is_its_own(krustlet: Command, module: Modules) -> None:
    result = krustlet("run", "-q", module("args"), "-e", "A=1", "--memory", "x", "-it")
    assert result.stdout.splitlines() == ["args.wasm", "-e", "A=1", "--memory", "x", "-it"]


@pytest.mark.parametrize(
    ("option", "where"),
    [
        (("--memory", "64m"), "resources.limits.memory"),
        (("-u", "1000"), "securityContext.runAsUser"),
        (("-e", "A=1"), "the container's env"),
        (("-it",), "the container's stdin"),
        (("--name", "x"), "metadata.name"),
        (("--stop-timeout", "30"), "spec.terminationGracePeriodSeconds"),
    ],
)
@pytest.mark.parametrize("order", ["before", "after"])
def test_a_manifest_says_these_things_itself(
    krustlet: Command, option: tuple[str, ...], where: str, order: str
) -> None:
    words = (*option, "pod.yaml") if order == "before" else ("pod.yaml", *option)
    result = krustlet("run", *words)
    assert result.code == 2
    assert "is for a module or an image; pod.yaml is a manifest" in result.stderr
    assert where in result.stderr


@pytest.mark.parametrize(
    ("option", "said"),
    [
        (("--memory", "lots"), "'lots' is no amount of memory, such as 64m or 1.5g"),
        (("--memory", "1k"), "'1k' is less memory than a container needs, which is 4m"),
        (("--pids-limit", "1"), "'1' is not in the range from 2"),
        (("-w", "\udcff"), "'--workdir': '\\udcff' is not UTF-8 text"),
        (("--entrypoint", "\udcff"), "'--entrypoint': '\\udcff' is not UTF-8 text"),
        (("-e", "A=\udcff"), "--env: 'A' or its value is not UTF-8 text"),
        (("--cpus", "0"), "'0' is no number of processors, such as 0.5 or 2"),
        (("-u", "root"), "'root' is no number of a user, such as 1000 or 1000:1000"),
        (("-v", "nowhere:/data"), "nowhere: no such file or directory"),
        (("-v", "data"), "'data' names no two places"),
        (("-e", "=x"), "'=x' names no variable; write NAME=value"),
        (("--env-file", "nope"), "--env-file nope: No such file or directory"),
        (("--name", "Not A Name"), "metadata.name"),
        (("--network", "bridge"), "'none', 'host'"),
        (("--stop-timeout", "-1"), "--stop-timeout"),
        (("-t", "-o", "json"), "goes with no other --output"),
    ],
)
def test_wrong_usage(
    krustlet: Command, module: Modules, option: tuple[str, ...], said: str
) -> None:
    result = krustlet("run", *option, module("hello"))
    assert (result.code, result.stdout) == (2, "")
    assert said in result.stderr.replace("\n", " ")


def test_arguments_are_text(krustlet: Command, module: Modules) -> None:
    result = krustlet("run", module("args"), "\udcff")
    assert (result.code, result.stdout) == (2, "")
    assert "ARGUMENTS" in result.stderr
    assert "is not UTF-8 text" in result.stderr


@pytest.mark.root
def test_the_least_and_the_most_that_can_be_asked_for_is_enough(
    krustlet: Command, module: Modules
) -> None:
    least = krustlet("run", "-m", "4m", "--pids-limit", "2", "--cpus", "0.01", module("hello"))
    most = krustlet(
        "run", "-m", "8191p", "--pids-limit", "4194304", "--cpus", "175921860", module("hello")
    )
    for result in (least, most):
        assert (result.code, result.stdout) == (0, "Hello, world!\n"), result.stderr


def test_a_home_is_meant_where_a_shell_would_mean_it(
    krustlet: Command, module: Modules, tmp_path: Path
) -> None:
    _for_everybody(tmp_path / "home" / "in")
    result = krustlet(
        "run", "-v", "~/in:/data", module("write"), "/data/f", "x", HOME=str(tmp_path / "home")
    )
    assert result.code == 0
    assert (tmp_path / "home" / "in" / "f").read_text() == "x\n"


def _for_everybody(directory: Path) -> None:
    """Make it so that the pod's user, which is not ours where we are root, may write there."""
    directory.mkdir(parents=True)
    directory.chmod(0o777)
