"""`krustlet run`: what comes out, and which exit code."""

import json
import os
from pathlib import Path

import pytest

from tests.component.cli.conftest import Modules
from tests.support.command import Command

TWO_CONTAINERS = """
apiVersion: v1
kind: Pod
metadata:
  name: two
spec:
  restartPolicy: Never
  containers:
    - name: good
      image: file:hello.wasm
    - name: bad
      image: file:exit.wasm
      args: ["7"]
"""

SEVERAL_PODS = """
apiVersion: v1
kind: Pod
metadata: {name: one}
spec:
  restartPolicy: Never
  containers: [{name: c, image: "file:hello.wasm"}]
---
apiVersion: v1
kind: Pod
metadata: {name: two}
spec:
  restartPolicy: Never
  containers: [{name: c, image: "file:hello.wasm"}]
"""

INIT = """
apiVersion: v1
kind: Pod
metadata: {name: init}
spec:
  restartPolicy: Never
  initContainers:
    - name: first
      image: file:write.wasm
      args: [/v/f, one]
      volumeMounts: &v [{name: v, mountPath: /v}]
    - {name: second, image: "file:write.wasm", args: [/v/f, two], volumeMounts: *v}
  containers:
    - {name: app, image: "file:cat.wasm", args: [/v/f], volumeMounts: *v}
  volumes: [{name: v, emptyDir: {}}]
"""


def test_arguments_after_the_target_are_the_modules(krustlet: Command, module: Modules) -> None:
    result = krustlet("run", module("args"), "a", "b", "-x", "--output=json")
    assert result.code == 0
    assert result.stdout.splitlines() == ["args.wasm", "a", "b", "-x", "--output=json"]


@pytest.mark.parametrize("code", [0, 1, 3, 125, 126, 200, 255])
def test_the_exit_code_is_the_modules(krustlet: Command, module: Modules, code: int) -> None:
    assert krustlet("run", "-q", module("exit"), str(code)).code == code


def test_an_exit_code_too_large_for_a_shell_is_told_whole(
    krustlet: Command, module: Modules
) -> None:
    result = krustlet("run", "-o", "json", module("exit"), "512")
    assert result.code == 1  # not 0, which its low eight bits would be
    assert _terminated(result.stdout)["exitCode"] == 512


def test_a_trap_names_the_functions(krustlet: Command, module: Modules) -> None:
    result = krustlet("run", module("trap"))
    assert result.code == 134
    trace = [line.rpartition("!")[2] for line in result.stderr.splitlines() if " - " in line]
    assert trace[:2] == ["boom", "middle"]
    assert "wasm trap: wasm `unreachable` instruction executed" in result.stderr


def test_a_trap_is_the_termination_message_too(krustlet: Command, module: Modules) -> None:
    terminated = _terminated(krustlet("run", "-o", "json", module("trap")).stdout)
    assert (terminated["exitCode"], terminated["reason"]) == (134, "Error")
    assert "boom" in str(terminated["message"])


def test_stdout_and_stderr_stay_apart(krustlet: Command, module: Modules) -> None:
    result = krustlet("run", "-q", module("both"))
    assert result.stdout
    assert all("out" in line for line in result.stdout.splitlines())
    assert all("err" in line for line in result.stderr.splitlines())


def test_a_last_line_without_newline_is_shown_as_it_is(krustlet: Command, tmp_path: Path) -> None:
    hello = Path("examples/hello.wat").read_text()
    (tmp_path / "cut.wat").write_text(hello.replace(r"\0e\00\00\00", r"\05\00\00\00"))
    assert krustlet("run", "-q", "cut.wat").stdout == "Hello"


def test_many_lines_come_whole_and_in_order(krustlet: Command, module: Modules) -> None:
    result = krustlet("run", "-q", module("lines"), "20000", "80")
    assert result.stdout == "".join(f"{f'{number} ':x<80}\n" for number in range(20_000))


def test_several_containers_are_told_apart(krustlet: Command, module: Modules) -> None:
    module("hello"), module("exit")
    result = krustlet("run", "-", stdin=TWO_CONTAINERS)
    assert result.code == 1
    assert result.stdout == "good | Hello, world!\n"
    assert result.stderr.endswith("pod two: Failed (bad: Error, exit code 7)\n")


def test_several_pods_run_side_by_side(krustlet: Command, module: Modules) -> None:
    module("hello")
    result = krustlet("run", "-", stdin=SEVERAL_PODS)
    assert result.code == 0
    assert sorted(result.stdout.splitlines()) == ["one/c | Hello, world!", "two/c | Hello, world!"]


def test_init_containers_run_one_after_the_other(krustlet: Command, module: Modules) -> None:
    module("write"), module("cat")
    result = krustlet("run", "-", stdin=INIT)
    assert (result.code, result.stdout.splitlines()) == (0, ["app    | one", "app    | two"])


def test_json_is_the_pod_with_its_status(krustlet: Command, module: Modules) -> None:
    result = krustlet("run", "-o", "json", module("hello"))
    pod = json.loads(result.stdout)
    assert (pod["kind"], pod["metadata"]["name"]) == ("Pod", "hello")
    assert pod["status"]["phase"] == "Succeeded"
    assert pod["status"]["containerStatuses"][0]["containerID"].startswith("krustlet://")
    assert "Hello, world!\n" in result.stderr


def test_options_may_follow_a_manifest(krustlet: Command, module: Modules) -> None:
    module("hello")
    after = krustlet("run", "-", "-o", "json", "-q", stdin=SEVERAL_PODS)
    assert (after.code, json.loads(after.stdout)["kind"]) == (0, "List")


def test_json_of_several_pods_is_a_list(krustlet: Command, module: Modules) -> None:
    module("hello")
    pods = json.loads(krustlet("run", "-o", "json", "-", stdin=SEVERAL_PODS).stdout)
    assert (pods["kind"], len(pods["items"])) == ("List", 2)


def test_quiet_shows_only_what_the_containers_print(krustlet: Command, module: Modules) -> None:
    result = krustlet("run", "-q", module("hello"))
    assert (result.stdout, result.stderr) == ("Hello, world!\n", "")


def test_which_walls_are_missing_is_said_to_who_asks(krustlet: Command, module: Modules) -> None:
    name = module("hello")
    first, *_ = krustlet("run", "--verbose", name).stderr.splitlines()
    limits = "none" if os.geteuid() == 0 else "memory and CPU limits, "
    assert first.startswith(f"walls missing here: {limits}")
    assert krustlet("run", name).stderr == "pod hello: Succeeded\n"


def test_an_init_container_that_fails_is_named(krustlet: Command, module: Modules) -> None:
    module("trap"), module("write"), module("cat")
    result = krustlet("run", "-", stdin=INIT.replace("file:write.wasm", "file:trap.wasm", 1))
    assert result.code == 1
    assert result.stderr.endswith(
        "\npod init: Failed (init container first: Error, exit code 134)\n"
    )


def test_what_is_passed_over_is_said(krustlet: Command, module: Modules) -> None:
    module("hello")
    probed = SEVERAL_PODS.replace('"file:hello.wasm"', '"file:hello.wasm", lifecycle: {}', 1)
    told = krustlet("run", "-", stdin=probed).stderr
    assert "has no effect here: spec.containers[c].lifecycle" in told


def test_a_module_is_compiled_once(krustlet: Command, module: Modules) -> None:
    name = module("hello")
    assert krustlet("run", name).code == 0
    first = {p: p.stat().st_ino for p in krustlet.data.glob("cache/aot/*/*.*")}
    assert krustlet("run", name).code == 0
    assert {p: p.stat().st_ino for p in krustlet.data.glob("cache/aot/*/*.*")} == first
    assert {p.suffix for p in first} == {".cwasm", ".json"}  # the code, and the note beside it


def test_what_it_keeps_is_private(krustlet: Command, module: Modules) -> None:
    assert krustlet("run", module("hello")).code == 0
    kept = [krustlet.data, *krustlet.data.rglob("*")]
    assert {oct(p.stat().st_mode & 0o777) for p in kept if p.is_dir()} == {"0o700"}
    assert {oct(p.stat().st_mode & 0o777) for p in kept if p.is_file()} == {"0o600"}


def test_a_reader_that_goes_away_ends_the_pod(krustlet: Command, module: Modules) -> None:
    with krustlet.start("run", "-q", module("lines"), "1000000", "80") as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.wait(timeout=60) == 141  # what SIGPIPE makes of other tools


def _terminated(pod: str) -> dict[str, object]:
    [status] = json.loads(pod)["status"]["containerStatuses"]
    terminated: dict[str, object] = status["state"]["terminated"]
    return terminated
