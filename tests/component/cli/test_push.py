"""`krustlet push`, as a person calls it, to a real registry."""

import base64
import json
import shutil
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.component.cli.conftest import Modules
from tests.support.command import Command, Result
from tests.support.controlplane import NotBuilt, Programs
from tests.support.guests import default_cache
from tests.support.registry import Registry
from tests.support.until import until

USERS = {"alice": "correct:horse"}
CREDS = "alice:correct:horse"


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    programs = Programs(default_cache())
    try:
        programs.path("registry")
    except NotBuilt as missing:
        pytest.skip(str(missing))
    directory = tmp_path_factory.mktemp("registry")
    with Registry.start(directory, users=USERS, programs=programs) as registry:
        yield registry


@pytest.fixture
def environment(registry: Registry, tmp_path: Path) -> dict[str, str]:
    """How a user's shell is set up who may push there: whom to trust, and no home of theirs."""
    certs = tmp_path / "certs" / registry.address
    certs.mkdir(parents=True)
    shutil.copy(registry.ca, certs / "ca.crt")
    return {
        "KRUSTLET_REGISTRY_CERTS_DIR": str(certs.parent),
        "DOCKER_CONFIG": str(tmp_path / "docker"),
    }


pytestmark = pytest.mark.allow_skip("the registry is built where it is asked for")


def test_what_is_pushed_is_named_by_its_digest_on_stdout(
    krustlet: Command, module: Modules, registry: Registry, environment: dict[str, str]
) -> None:
    target = f"{registry.address}/greetings/hello:v1"
    result = krustlet("push", module("hello"), target, KRUSTLET_REGISTRY_CREDS=CREDS, **environment)

    assert result.code == 0, result.stderr
    answer = registry.request("GET", "/v2/greetings/hello/manifests/v1", user="alice")
    digest = answer.headers["docker-content-digest"]
    assert result.stdout == f"{target}@{digest}\n"
    (layer,) = json.loads(answer.body)["layers"]
    assert layer["annotations"] == {"org.opencontainers.image.title": "hello.wasm"}


def test_json_for_scripts(
    krustlet: Command, module: Modules, registry: Registry, environment: dict[str, str]
) -> None:
    target = f"{registry.address}/greetings/json:v1"
    name = module("hello")
    arguments = ("push", name, target, "-o", "json", "-q", "--creds", CREDS)
    result = krustlet(*arguments, **environment)

    assert (result.code, result.stderr) == (0, "")
    said = json.loads(result.stdout)
    assert (said["reference"], said["image"]) == (target, f"{target}@{said['digest']}")
    assert said["module"]["sizeBytes"] == (krustlet.directory / name).stat().st_size


def test_text_is_pushed_as_the_module_it_stands_for(
    krustlet: Command, registry: Registry, environment: dict[str, str]
) -> None:
    (krustlet.directory / "tiny.wat").write_text('(module (func (export "_start")))')
    target = f"{registry.address}/text:v1"
    result = krustlet("push", "tiny.wat", target, KRUSTLET_REGISTRY_CREDS=CREDS, **environment)

    assert result.code == 0, result.stderr
    manifest = registry.request("GET", "/v2/text/manifests/v1", user="alice")
    (layer,) = json.loads(manifest.body)["layers"]
    blob = registry.request("GET", f"/v2/text/blobs/{layer['digest']}", user="alice")
    assert blob.body.startswith(b"\0asm\1\0\0\0")
    assert layer["annotations"] == {"org.opencontainers.image.title": "tiny.wasm"}


def test_the_same_module_has_the_same_digest_whenever_it_is_pushed(
    krustlet: Command, module: Modules, registry: Registry, environment: dict[str, str]
) -> None:
    environment["KRUSTLET_REGISTRY_CREDS"] = CREDS

    def digest(**more: str) -> str:
        arguments = ("push", module("hello"), f"{registry.address}/same:v1", "-o", "json")
        result = krustlet(*arguments, **environment, **more)
        assert result.code == 0, result.stderr
        return str(json.loads(result.stdout)["digest"])

    first = digest(SOURCE_DATE_EPOCH="")
    over = time.time() + 1
    until(lambda: time.time() > over)  # what is told in seconds has changed by now
    assert digest(SOURCE_DATE_EPOCH="") == first
    dated = digest(SOURCE_DATE_EPOCH="1767225600")
    assert dated != first
    manifest = json.loads(registry.request("GET", f"/v2/same/manifests/{dated}", user="alice").body)
    blob = f"/v2/same/blobs/{manifest['config']['digest']}"
    config = json.loads(registry.request("GET", blob, user="alice").body)
    assert config["created"] == "2026-01-01T00:00:00Z"


def test_whoever_docker_knows_may_push(
    krustlet: Command, module: Modules, registry: Registry, environment: dict[str, str]
) -> None:
    docker = Path(environment["DOCKER_CONFIG"])
    docker.mkdir()
    auth = base64.b64encode(CREDS.encode()).decode()
    (docker / "config.json").write_text(json.dumps({"auths": {registry.address: {"auth": auth}}}))
    result = krustlet("push", module("hello"), f"{registry.address}/docker:v1", **environment)
    assert result.code == 0, result.stderr


def test_an_insecure_registry(
    krustlet: Command, module: Modules, registry: Registry, environment: dict[str, str]
) -> None:
    del environment["KRUSTLET_REGISTRY_CERTS_DIR"]
    arguments = ("push", module("hello"), f"{registry.address}/insecure:v1", "--creds", CREDS)
    untrusted = krustlet(*arguments, **environment)
    trusted = krustlet(*arguments, "--insecure-registries", registry.address, **environment)

    _is_one_error(untrusted, "certificate that is not trusted", "--registry-certs-dir")
    assert trusted.code == 0, trusted.stderr


@pytest.mark.parametrize("creds", ["", "alice:s3cret"])
def test_who_may_not_push_is_told_how_to_sign_in(
    krustlet: Command,
    module: Modules,
    registry: Registry,
    environment: dict[str, str],
    creds: str,
) -> None:
    if creds:
        environment["KRUSTLET_REGISTRY_CREDS"] = creds
    result = krustlet("push", module("hello"), f"{registry.address}/x:v1", **environment)
    _is_one_error(result, "denies access", "docker login", "KRUSTLET_REGISTRY_CREDS")
    assert "s3cret" not in result.stderr


def test_nobody_there(krustlet: Command, module: Modules) -> None:
    result = krustlet("push", module("hello"), "127.0.0.1:1/hello:v1")
    _is_one_error(result, "cannot connect to 127.0.0.1:1: connection refused", "is the registry")
    assert "Errno" not in result.stderr


def test_a_missing_file(krustlet: Command, module: Modules) -> None:
    module("hello")
    result = krustlet("push", "hallo.wasm", "127.0.0.1:1/hello:v1")
    _is_one_error(result, "cannot read hallo.wasm", "did you mean hello.wasm?")


def test_a_file_that_is_no_wasm(krustlet: Command, tmp_path: Path) -> None:
    (tmp_path / "hello.txt").write_text("(module)")
    result = krustlet("push", "hello.txt", "127.0.0.1:1/hello:v1")
    _is_one_error(result, "hello.txt is no WebAssembly module", "ends in .wat")


@pytest.mark.parametrize("file", ["hello.wasm", "hello.wat"])
def test_an_empty_file(krustlet: Command, tmp_path: Path, file: str) -> None:
    (tmp_path / file).touch()
    result = krustlet("push", "-q", file, "127.0.0.1:1/hello:v1")
    assert (result.code, result.stdout) == (1, "")
    assert "\\0asm" not in result.stderr


def test_a_mistake_in_text_is_shown_in_its_lines(krustlet: Command, tmp_path: Path) -> None:
    (tmp_path / "wrong.wat").write_text("(module (func (export)))")
    result = krustlet("push", "wrong.wat", "127.0.0.1:1/hello:v1")
    assert (result.code, result.stdout) == (1, "")
    assert result.stderr.splitlines() == [
        "error: wrong.wat is no valid WebAssembly module: unknown operator or unexpected token",
        "     --> wrong.wat:1:16",
        "      |",
        "    1 | (module (func (export)))",
        "      |                ^",
    ]


def test_text_that_is_none(krustlet: Command, tmp_path: Path) -> None:
    (tmp_path / "wrong.wat").write_bytes(b"\xff\xfe")
    result = krustlet("push", "-q", "wrong.wat", "127.0.0.1:1/hello:v1")
    assert result.code == 1
    assert result.stderr.startswith("error: wrong.wat is no valid WebAssembly module: ")


def test_a_broken_file_of_docker_s_is_for_docker_to_mend(
    krustlet: Command, module: Modules, tmp_path: Path
) -> None:
    (tmp_path / "config.json").write_text("s3cret")
    result = krustlet("push", module("hello"), "127.0.0.1:1/x:v1", DOCKER_CONFIG=str(tmp_path))
    _is_one_error(result, "config.json holds no credentials", "docker login")
    assert "s3cret" not in result.stderr


def test_who_forgets_the_registry_is_told_which_one_is_meant(
    krustlet: Command, module: Modules
) -> None:
    nowhere = {"HTTPS_PROXY": "http://127.0.0.1:1"}
    result = krustlet("push", module("hello"), "app", **nowhere)
    assert result.code == 1
    assert "app means docker.io/library/app:latest" in result.stderr
    assert "registry.example.com/app" in result.stderr


def test_more_is_said_to_who_wants_to_know_more(
    krustlet: Command, module: Modules, registry: Registry, environment: dict[str, str]
) -> None:
    arguments = ("push", module("hello"), f"{registry.address}/debug:v1", "--creds", CREDS)
    result = krustlet(*arguments, "--log-level", "debug", **environment)
    assert result.code == 0, result.stderr
    assert '"event": "push.blob_sent"' in result.stderr
    assert '"event": "registry.answered"' in result.stderr
    assert "_state=" not in result.stderr  # of an upload, which is a capability
    assert "horse" not in result.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        pytest.param(["push", "hello.wasm"], "Missing argument 'REFERENCE'", id="no-reference"),
        pytest.param(["push", "m.wasm", "Hello"], "must be lower case", id="no-name"),
        pytest.param(["push", "m.wasm", "R.io/App:v1"], "write 'R.io/app:v1'", id="upper-case"),
        pytest.param(["push", "m.wasm", "./app"], "registry/repository:tag", id="a-path"),
        pytest.param(["push", "m.wasm", "file:x"], "not a place in a registry", id="a-file"),
        pytest.param(
            ["push", "m.wasm", f"x@sha256:{'0' * 64}"], "only the content decides", id="a-digest"
        ),
        pytest.param(["push", "m.wasm", "x", "--creds", "s3cret"], "no colon", id="no-password"),
        pytest.param(
            ["push", "m.wasm", "x", "--registry-certs-dir", "nope"], "does not exist", id="no-certs"
        ),
        pytest.param(
            ["push", "m.wasm", "x", "--insecure-registries", "http://r:1"], "write r:1", id="a-url"
        ),
    ],
)
def test_wrong_usage_is_2(krustlet: Command, arguments: list[str], said: str) -> None:
    result = krustlet(*arguments)
    assert (result.code, result.stdout) == (2, "")
    assert said in result.stderr
    assert "s3cret" not in result.stderr
    assert " or file:" not in result.stderr


def test_a_time_that_is_none_is_wrong_usage(krustlet: Command, module: Modules) -> None:
    result = krustlet("push", module("hello"), "127.0.0.1:1/x", SOURCE_DATE_EPOCH="today")
    assert result.code == 2
    assert "SOURCE_DATE_EPOCH is 'today'" in result.stderr


def test_ctrl_c_is_130(krustlet: Command, module: Modules) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(30)
        port = silent.getsockname()[1]
        with krustlet.start("push", module("hello"), f"127.0.0.1:{port}/hello:v1") as process:
            connection, _ = silent.accept()  # it waits for an answer by now
            with connection:
                process.send_signal(signal.SIGINT)
                stdout, stderr = process.communicate(timeout=60)
    assert (process.returncode, stdout) == (130, "")
    assert "Traceback" not in stderr


def _is_one_error(result: Result, *said: str) -> None:
    """Exit code 1, no output, one message that says it all, and no traceback."""
    assert (result.code, result.stdout) == (1, "")
    message = [line for line in result.stderr.splitlines() if not line.startswith("Pushing ")]
    assert message[0].startswith("error: ")
    assert len(message) <= 2  # the message, and a hint
    for words in said:
        assert words in result.stderr
