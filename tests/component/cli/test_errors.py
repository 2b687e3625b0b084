"""What a person reads who got something wrong: one message, a hint, the right exit code."""

from pathlib import Path

import pytest

from tests.component.cli.conftest import Modules
from tests.support.command import Command, Result

POD = """
apiVersion: v1
kind: Pod
metadata: {{name: wrong}}
spec:
  restartPolicy: Never
  containers:
    - name: c
      image: file:hello.wasm
{more}
"""


def test_a_missing_module(krustlet: Command, module: Modules) -> None:
    module("hello")
    _is_one_error(krustlet("run", "hallo.wasm"), "no file hallo.wasm", "did you mean hello.wasm?")


def test_a_missing_module_with_nothing_like_it(krustlet: Command) -> None:
    assert krustlet("run", "nope.wasm").stderr == "error: no file nope.wasm\n"


def test_a_module_is_named_in_text(krustlet: Command) -> None:
    _is_one_error(krustlet("run", "\udcff.wasm"), "'\\udcff.wasm' is not UTF-8 text", "rename it")


def test_what_may_have_been_meant_as_a_file(krustlet: Command) -> None:
    _is_one_error(
        krustlet("run", "./nosuch"), "no file ./nosuch here, so it was taken for an image"
    )


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("file:hello.wat", "krustlet run hello.wat"),
        ("file:./pods/pod.yaml", "krustlet run ./pods/pod.yaml"),
        ("https://example.com/hello.wasm", "curl -fLO https://example.com/hello.wasm"),
        ("https://example.com/pod.yaml", "curl -fL https://example.com/pod.yaml | krustlet run -"),
        ("oci://example.com/hello:v1", "without a scheme: example.com/hello:v1"),
    ],
)
def test_what_to_write_instead(krustlet: Command, target: str, said: str) -> None:
    _is_one_error(krustlet("run", target), target, said)


def test_a_missing_manifest(krustlet: Command, tmp_path: Path) -> None:
    (tmp_path / "pod.yaml").touch()
    result = krustlet("run", "pods.yaml")
    _is_one_error(result, "cannot read pods.yaml: No such file", "did you mean pod.yaml?")


def test_a_directory(krustlet: Command, tmp_path: Path) -> None:
    (tmp_path / "modules").mkdir()
    _is_one_error(krustlet("run", "modules"), "is a directory", "name the .wasm file inside it")


def test_a_file_that_is_no_wasm(krustlet: Command, tmp_path: Path) -> None:
    (tmp_path / "notes.wasm").write_text("remember the milk")
    _is_one_error(krustlet("run", "notes.wasm"), "exec format error", "\\0asm")


def test_an_empty_file(krustlet: Command, tmp_path: Path) -> None:
    (tmp_path / "empty.wasm").touch()
    _is_one_error(krustlet("run", "empty.wasm"), "exec format error", "\\0asm")


def test_a_truncated_module(krustlet: Command, module: Modules, tmp_path: Path) -> None:
    whole = (tmp_path / module("hello")).read_bytes()
    (tmp_path / "cut.wasm").write_bytes(whole[:40])
    lines = krustlet("run", "-q", "cut.wasm").stderr.splitlines()
    assert lines[0].startswith("error: cut.wasm is no valid WebAssembly module: failed to parse")
    assert "unexpected end" in lines[-1]


def test_text_that_is_no_module(krustlet: Command, tmp_path: Path) -> None:
    (tmp_path / "wrong.wat").write_text("(module (func (export)))")
    assert krustlet("run", "-q", "wrong.wat").stderr.splitlines() == [
        "error: wrong.wat is no valid WebAssembly module: unknown operator or unexpected token",
        "     --> wrong.wat:1:16",
        "      |",
        "    1 | (module (func (export)))",
        "      |                ^",
    ]


def test_a_module_without_start(krustlet: Command, module: Modules) -> None:
    result = krustlet("run", module("nostart"))
    _is_one_error(result, "nostart.wasm has no _start", "memory", "run", "build it as a command")


def test_a_module_with_unknown_imports(krustlet: Command, module: Modules) -> None:
    _is_one_error(krustlet("run", module("imports")), "env::foo", "wasi_snapshot_preview1")


def test_an_image_of_a_registry(krustlet: Command) -> None:
    result = krustlet("run", "127.0.0.1:1/hello:v1")
    _is_one_error(result, "cannot connect to 127.0.0.1:1", "is the registry running")


def test_a_malformed_manifest(krustlet: Command, tmp_path: Path) -> None:
    (tmp_path / "pod.yaml").write_text("kind: [Pod\n")
    _is_one_error(krustlet("run", "pod.yaml"), "pod.yaml:2:1: not YAML")


def test_an_unknown_field(krustlet: Command, tmp_path: Path) -> None:
    (tmp_path / "pod.yaml").write_text(POD.format(more="      imagePullPolcy: Always"))
    result = krustlet("run", "pod.yaml")
    _is_one_error(
        result,
        "pod.yaml:10:7: spec.containers[0].imagePullPolcy: unknown field",
        "did you mean `imagePullPolicy`?",
    )


def test_no_containers(krustlet: Command, tmp_path: Path) -> None:
    manifest = "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec: {containers: []}\n"
    (tmp_path / "pod.yaml").write_text(manifest)
    _is_one_error(krustlet("run", "pod.yaml"), "spec.containers", "a pod needs a container", "- {")


def test_several_mistakes_are_told_at_once(krustlet: Command, tmp_path: Path) -> None:
    more = "      imagePullPolcy: Always\n      arg: [x]"
    (tmp_path / "pod.yaml").write_text(POD.format(more=more))
    result = krustlet("run", "pod.yaml")
    assert result.code == 1
    assert result.stderr.splitlines() == [
        "error: pod.yaml:10:7: spec.containers[0].imagePullPolcy: unknown field "
        "(did you mean `imagePullPolicy`?)",
        "pod.yaml:11:7: spec.containers[0].arg: unknown field (did you mean `args`?)",
    ]


def test_a_volume_that_is_not_there(krustlet: Command, module: Modules, tmp_path: Path) -> None:
    module("hello")
    more = "  volumes: [{name: v, hostPath: {path: /no/such, type: Directory}}]"
    (tmp_path / "pod.yaml").write_text(POD.format(more=more))
    _is_one_error(krustlet("run", "-q", "pod.yaml"), "hostPath /no/such", "DirectoryOrCreate")


def test_an_environment_from_a_cluster(krustlet: Command, module: Modules, tmp_path: Path) -> None:
    module("hello")
    more = "      envFrom: [{configMapRef: {name: settings}}]"
    (tmp_path / "pod.yaml").write_text(POD.format(more=more))
    _is_one_error(krustlet("run", "-q", "pod.yaml"), "configMapRef 'settings'", "env:")


def test_a_data_directory_that_cannot_be(krustlet: Command, module: Modules) -> None:
    name = module("hello")
    krustlet.data.write_text("a file")
    result = krustlet("run", name)
    said = f"cannot keep anything in the data directory: {krustlet.data}/runs: Not a directory"
    _is_one_error(result, said, "--data-dir")


def test_an_unknown_provider(krustlet: Command, module: Modules) -> None:
    result = krustlet("run", "--provider", "java", module("hello"))
    _is_one_error(result, "no provider 'java' is installed", "installed: wasi")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        pytest.param(["run"], "Missing argument 'TARGET'", id="no-target"),
        pytest.param(["run", "--bogus", "x.wasm"], "No such option '--bogus'", id="no-such-option"),
        pytest.param(["run", "pod.yaml", "x"], "takes no arguments", id="manifest-with-arguments"),
        pytest.param(["run", "--data-dir", "", "x.wasm"], "is empty", id="empty-data-dir"),
        pytest.param(["runn"], "No such command 'runn'", id="no-such-command"),
        pytest.param(["hello.wasm"], "krustlet run hello.wasm", id="forgotten-run"),
        pytest.param(["version", "-o", "xml"], "Invalid value for '-o'", id="no-such-format"),
    ],
)
def test_wrong_usage_is_2(krustlet: Command, arguments: list[str], said: str) -> None:
    result = krustlet(*arguments)
    assert (result.code, result.stdout) == (2, "")
    assert said in result.stderr
    assert "Traceback" not in result.stderr


def _is_one_error(result: Result, *said: str) -> None:
    """Exit code 1, no output, one message that says it all, and no traceback."""
    assert (result.code, result.stdout) == (1, "")
    beside = ("Compiling ", "Compiled ")  # on a busy machine
    message = [line for line in result.stderr.splitlines() if not line.startswith(beside)]
    assert message[0].startswith("error: ")
    assert len(message) <= 2  # the message, and a hint
    for words in said:
        assert words in result.stderr
